//! Buckets by key: bounded, with expiry in small steps and deterministic eviction.
//!
//! A [`Shard`] belongs to one thread at a time; ledgers put a lock around many of them. What it
//! holds depends only on the operations it was given, in their order, so replicas stay equal.

mod asked;
mod domains;
mod eviction;
mod holding;
mod holds;
mod image;
mod preview;
#[cfg(test)]
mod rig;
mod saved;
mod settle;
mod shard;
mod slots;
mod taken_back;
mod texts;
mod together;

pub use asked::{Asked, Text};
pub use holds::Held;
pub use image::{BadImage, HoldImage, ShardImage, SlotImage};
pub use preview::{Preview, preview};
pub use saved::Saved;
pub use settle::{Cost, Part, Settled, Unsettled, release, settle};
pub use shard::{Bounds, Refused, Shard, Slot, Stats};
pub use slots::FULL;
pub use together::{Shards, charge_all_or_none, hold_all_or_none};
