//! The admin API: what operators see and do.
//!
//! `view` is what its answers look like, `verbs` which paths there are and who may, `api` what each
//! does, the others how. `socket` and `serve` are the way in that needs no credentials: a Unix socket
//! that only its owner may use. [`crate::http::Admin`] is the way in over TCP, too.

mod api;
mod counters;
mod explain;
mod figures;
mod grpc;
mod instant;
mod limits;
mod meets;
mod query;
mod serve;
mod socket;
mod tokens;
mod verbs;
pub mod view;

pub use api::{Api, Parts, ShowCluster};
pub(crate) use figures::Listener;
pub(crate) use grpc::Service as GrpcService;
pub(crate) use meets::parse_key;
pub(crate) use query::encode;
pub(crate) use serve::{CONNECTIONS_MAX as SOCKET_CONNECTIONS_MAX, Served, SocketConnections};
pub use socket::{AdminSocket, SocketError, default_path, usable_path};
pub(crate) use tokens::Asked as TokenAsked;
pub(crate) use verbs::{Does, Found, NotFound, VERBS, Verb, find, find_rpc};

#[cfg(test)]
mod access_tests;
#[cfg(test)]
mod access_world;
#[cfg(test)]
mod grpc_tests;
#[cfg(test)]
mod preview_tests;
