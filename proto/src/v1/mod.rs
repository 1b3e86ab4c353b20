//! The native API, package `tollgate.v1`, as generated from `proto/tollgate/v1`, and its messages to
//! core types and back.
//!
//! Reading validates everything that the core takes for granted and says which field is wrong. A
//! message that fails here costs its own call and nothing else.

mod duration;
mod malformed;
mod read;
mod write;

pub use duration::{duration, to_duration};
pub use generated::*;
pub use malformed::{Fault, Malformed, Refused};
pub use read::{Asked, BATCH_MAX, batch, hold_for, idempotency_key, reservation, timeout};
pub use write::{batch_error, response, statuses};

#[expect(missing_docs, clippy::too_many_lines, reason = "the .proto files hold the words")]
mod generated {
    include!("../generated/tollgate.v1.rs");
}
