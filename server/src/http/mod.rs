//! The HTTP/1.1 listeners: `http` for callers (`/json`, `/healthcheck`) and `admin` for operators.
//!
//! They run on a core of their own, so that a scrape or a slow client never delays a decision.

mod admin;
pub(crate) mod answer;
mod connection;
mod decide;
mod ratelimit_page;

pub use admin::{Admin, Caller};
pub use answer::Answer;
pub use connection::{Http1Bounds, ServeHttp};
pub use decide::DecideHttp;
pub(crate) use ratelimit_page::RatelimitPage;
