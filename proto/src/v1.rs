//! The native API, package `tollgate.v1`, as generated from `proto/tollgate/v1`.

pub use generated::*;

#[expect(missing_docs, clippy::too_many_lines, reason = "the .proto files hold the words")]
mod generated {
    include!("generated/tollgate.v1.rs");
}
