//! A panic costs one call: it becomes an error answer, which no caller reads as allowed.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `answer`; a panic inside is logged, counted, and answered with `panicked`.
///
/// What `answer` touches stays usable: shards are behind locks that do not poison, and a shard is
/// changed by one call of the core, whose own tests cover every step of it.
pub(crate) fn guarded<T>(answer: impl FnOnce() -> T, panicked: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(answer)).unwrap_or_else(|_| {
        tracing::error!(event = "call_panicked");
        metrics::counter!(crate::metrics::PANICS).increment(1);
        panicked()
    })
}

#[cfg(test)]
mod tests {
    use tonic::{Code, Status};

    use super::*;

    #[test]
    fn a_panic_becomes_an_answer_and_the_next_call_works() {
        fn internal<T>() -> Result<T, Status> {
            Err(Status::internal("internal error"))
        }
        let panicked = guarded(|| panic!("planted by this test"), internal::<()>);
        assert_eq!(panicked.unwrap_err().code(), Code::Internal);
        assert_eq!(guarded(|| Ok(1), internal).unwrap(), 1);
    }
}
