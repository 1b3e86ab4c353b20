//! What nodes of one cluster say to each other, package `tollgate.peer.v1`, as generated from
//! `proto/tollgate/peer/v1`.
//!
//! Only the types: `tollgate-raft` turns them into its own and judges them.

#[expect(missing_docs, clippy::too_many_lines, reason = "the .proto file holds the words")]
mod generated {
    include!("generated/tollgate.peer.v1.rs");
}

pub use generated::*;
