//! A panic costs one call: it becomes INTERNAL, which no caller reads as allowed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tonic::Status;

/// Runs `answer`; a panic inside is logged and answered.
///
/// What `answer` touches stays usable: shards are behind locks that do not poison, and a shard is
/// changed by one call of the core, whose own tests cover every step of it.
pub(super) fn guarded<T>(answer: impl FnOnce() -> Result<T, Status>) -> Result<T, Status> {
    catch_unwind(AssertUnwindSafe(answer)).unwrap_or_else(|_| {
        tracing::error!(event = "call_panicked");
        metrics::counter!(crate::metrics::PANICS).increment(1);
        Err(Status::internal("internal error"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_answer_and_the_next_call_works() {
        let panicked = guarded::<()>(|| panic!("planted by this test"));
        assert_eq!(panicked.unwrap_err().code(), tonic::Code::Internal);
        assert_eq!(guarded(|| Ok(1)).unwrap(), 1);
    }
}
