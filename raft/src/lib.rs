//! The replicated ledger: counters that every node of a cluster agrees on.

mod birth;
pub mod gateway;
pub mod group;
pub mod log;
pub mod machine;
pub mod meta;
pub mod network;
pub mod node;
pub mod runtime;
pub mod snapshot;
pub mod status;
pub mod testing;
pub mod types;

#[cfg(test)]
mod sim;
