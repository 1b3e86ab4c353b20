//! The HTTP listeners: `http` for callers (`/json`, `/healthcheck`), over HTTP/1.1, and `admin` for
//! operators, over HTTP/2, too.
//!
//! They run on a core of their own, so that a scrape or a slow client never delays a decision.

mod admin;
mod admin_connection;
mod admin_grpc;
pub(crate) mod answer;
mod beginning;
mod connection;
mod decide;
mod ratelimit_page;
pub(crate) mod v1;

pub use admin::Admin;
pub(crate) use admin_connection::CERTIFICATE_AGE;
pub use admin_connection::ServeAdmin;
pub use answer::Answer;
pub use connection::{Http1Bounds, ServeHttp};
pub use decide::DecideHttp;
pub(crate) use ratelimit_page::RatelimitPage;
pub use v1::{Json, NativeHttp};
