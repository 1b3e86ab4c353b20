//! What every bench of Tollgate measures with: a load driver that speaks gRPC over bare HTTP/2,
//! server processes that end with their handle, and readings of CPU time and memory.
//!
//! The driver shares the machine with the servers it measures, so it is built to cost little and
//! always the same: one thread, bodies encoded beforehand, no task spawned for a call. It decodes
//! every answer, because a server that answers wrongly is not fast.
//!
//! It does not judge: which targets run, in which order, and what is compared belongs to the
//! binaries beside it.

pub mod answer;
pub mod bodies;
mod call;
pub mod clock;
pub mod drive;
pub mod machine;
pub mod node;
pub mod outcome;
pub mod process;
pub mod usage;
