//! Buckets by key: bounded, with expiry in small steps and deterministic eviction.
//!
//! A [`Shard`] belongs to one thread at a time; ledgers put a lock around many of them. What it
//! holds depends only on the operations it was given, in their order, so replicas stay equal.

mod domains;
mod eviction;
mod shard;
mod slots;
mod texts;

pub use shard::{Bounds, Refused, Saved, Shard, Slot, Stats};
pub use slots::FULL;
