//! The state of a replica as a stream of chunks, and the replica that such a stream ends in.
//!
//! A chunk is whole by itself and about [`CHUNK_BYTES`] long; both sides hold one chunk, one shard and
//! one part of the rest at a time beside the replica. How chunks are framed and checked on their way is
//! their carrier's business; here, what is read is counted against what was said to be written.

mod builder;
mod chunks;
mod shard;

use tollgate_core::replica::Misfit;

pub use builder::Builder;
pub use chunks::{Chunks, chunks};

use super::malformed::Malformed;

/// Bytes after which a chunk is full. The record that fills it may take it beyond.
pub const CHUNK_BYTES: usize = 1_024 * 1_024;

/// Bytes of a chunk at most: a full one and the longest record, which is an answer.
pub const CHUNK_BYTES_MAX: usize = 4 * CHUNK_BYTES;

/// Chunks that end in no replica.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSnapshot {
    /// A record cannot be read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A record where it cannot stand.
    #[error("a record of {0} is out of place")]
    OutOfPlace(&'static str),
    /// Not as many records as were said to be there.
    #[error("{found} {what} of {expected}")]
    Counted {
        /// Of what.
        what: &'static str,
        /// How many came.
        found: u64,
        /// How many were written.
        expected: u64,
    },
    /// It ended before its last record.
    #[error("the end is missing")]
    Unfinished,
    /// A shard is none.
    #[error("shard {at}: {why}")]
    Shard {
        /// Its place.
        at: usize,
        /// What is wrong with it.
        why: tollgate_core::store::BadImage,
    },
    /// The pieces belong to no replica.
    #[error(transparent)]
    Misfit(#[from] Misfit),
}

#[cfg(test)]
mod snapshot_tests;
