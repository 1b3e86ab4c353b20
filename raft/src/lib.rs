//! The replicated ledger: counters that every node of a cluster agrees on.

pub mod log;
pub mod machine;
pub mod meta;
pub mod runtime;
pub mod snapshot;
pub mod types;
