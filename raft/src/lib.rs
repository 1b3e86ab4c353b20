//! The replicated ledger: counters that every node of a cluster agrees on.

pub mod meta;
pub mod types;
