//! What stands in the log of a group of counters, package `tollgate.log.v1`: batches of calls, their
//! answers, and the pieces of a snapshot; to the core's types and back.
//!
//! A replica decodes what another node wrote, so everything is bounded and nothing is believed: what
//! cannot be read is a [`Malformed`], the same on every node. Fields that are not known are skipped.

mod answer;
mod batch;
mod bounds;
mod bucket;
mod call;
mod charging;
mod malformed;
mod part;
mod plain;
mod snapshot;

pub use answer::{decode_answers, encode_answers};
pub use batch::{decode_batch, encode_batch, encode_call, encode_session, stamp_of, stamped};
pub use bounds::{BATCH_BYTES_MAX, CALLS_MAX, CHARGES_MAX, FORGET_MAX, ITEMS_MAX, TEXT_BYTES_MAX};
pub use malformed::Malformed;
pub use snapshot::{BadSnapshot, Builder, CHUNK_BYTES, CHUNK_BYTES_MAX, Chunks, chunks};

#[expect(unreachable_pub, reason = "written by a program")]
mod generated {
    include!("../generated/tollgate.log.v1.rs");
}

#[cfg(test)]
mod rig;

#[cfg(test)]
mod batch_tests;
