//! The pure heart of Tollgate: what a request is charged against, and whether it may pass.
//!
//! Nothing here does IO, reads a clock, draws a random number, awaits, locks or logs: time, the
//! hash secret and the configuration are arguments. So the same code runs behind one node's ledger
//! and in a replicated state machine, and every rule can be held against a model.
//!
//! Read in this order: [`descriptor`] (what is asked), [`limit`] (what is configured), [`plan`]
//! (what will be charged), [`store`] (the charge), [`decision`] (the answer).

pub mod bucket;
pub mod command;
pub mod decision;
pub mod descriptor;
pub mod idempotency;
pub mod key;
pub mod limit;
pub mod metadata;
pub mod plan;
pub mod replica;
pub mod reservation;
pub mod store;
pub mod tally;
pub mod time;
