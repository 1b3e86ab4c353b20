//! The admin API: what operators see and do.
//!
//! `view` is what its answers look like, `api` what each path does, the others how. `socket` and
//! `serve` are the way in that needs no credentials: a Unix socket that only its owner may use. The
//! TCP listener is [`crate::http::Admin`]; it gives out only what is read-only and harmless.

mod api;
mod counters;
mod explain;
mod figures;
mod instant;
mod limits;
mod meets;
mod query;
mod serve;
mod socket;
pub mod view;

pub use api::{Api, Parts};
pub(crate) use figures::Listener;
pub(crate) use meets::parse_key;
pub(crate) use query::encode;
pub(crate) use serve::{CONNECTIONS_MAX as SOCKET_CONNECTIONS_MAX, Served, SocketConnections};
pub use socket::{AdminSocket, SocketError, default_path, usable_path};

#[cfg(test)]
mod preview_tests;
