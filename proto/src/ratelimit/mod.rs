//! Rate-limit messages to core types and back.
//!
//! Reading validates everything that the core takes for granted: sizes, counts, and enum numbers
//! that exist. A message that fails here costs its own call and nothing else.

mod headers;
mod metadata;
mod read;
mod write;

pub use crate::Bounds;
pub use headers::{HeaderNames, add_headers};
pub use metadata::dynamic_metadata;
pub use read::{Refusal, descriptors, entries};
pub use write::response;
