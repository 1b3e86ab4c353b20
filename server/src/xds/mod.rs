//! Limits from an xDS server: one aggregated stream, state of the world, resources of
//! `ratelimit.config.ratelimit.v3`. Envoy Gateway drives a rate-limit service this way.
//!
//! `machine` is the protocol, pure; `wire` its messages; `build` judges what came, domain by
//! domain; `client` connects, waits and replaces what decides; `rehearsal` does without a server. `docs/xds.md` says what happens in
//! each failure.

mod build;
mod client;
mod connect;
mod machine;
mod refusals;
mod rehearsal;
mod settings;
mod wire;

pub(crate) use self::client::{Client, Parts};
pub(crate) use self::machine::Backoff;
pub use self::rehearsal::{Outcome, Rehearsal};
pub(crate) use self::settings::{Headers, Settings, Target};
