//! The way between nodes: gRPC over connections that a [`Dial`] makes.
//!
//! To each peer there are three connections, shared by all groups: entries and batches, what must
//! not wait behind them, snapshots. A peer that is gone is dialed a few times a second whoever wants
//! it ([`pace`](self)); a connection that does not answer is closed; every call has a deadline.

mod appending;
mod client;
mod convert;
mod forwarded;
mod forwarding;
mod io;
mod pace;
mod peer;
mod secret;
mod serve;
#[cfg(test)]
mod wire_tests;

pub(crate) use client::Factory;
pub use forwarding::Forwarder;
pub use io::{BoxIo, CONNECTIONS_MAX, Dial, Incoming, Io, STRANGER_TIMEOUT, TcpDial, incoming};
pub(crate) use peer::Peers;
pub use peer::{DIAL_TIMEOUT, MESSAGE_BYTES_MAX};
pub use secret::{SECRET_BYTES_MAX, SECRET_BYTES_MIN, Secret};
pub(crate) use serve::{Host, not_for_us, serve};
