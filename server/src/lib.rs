//! The decision service, and everything behind the binary `tollgate`.
//!
//! The hot path is [`grpc`] (wire to core types) → [`decide`] (plan, charge, combine) → the core's
//! store. `ARCHITECTURE.md` follows one check through the files.

pub mod access;
pub mod admin;
pub mod audit;
pub mod budget;
pub mod cli;
mod cluster;
pub mod config;
pub mod decide;
mod drained;
pub mod environment;
pub mod error;
pub mod grpc;
mod guard;
pub mod http;
pub mod in_process;
pub mod log;
pub mod metrics;
pub mod native;
pub mod node;
mod openapi;
pub mod reload;
pub mod state;
pub mod statistics;
pub mod tls;
pub mod xds;

#[cfg(test)]
mod done;
#[cfg(test)]
mod vectors;
