//! A panic costs one call: it becomes an error answer, which no caller reads as allowed.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt as _;

/// Runs `answer`; a panic inside is logged, counted, and answered with `panicked`.
///
/// What `answer` touches stays usable: shards are behind locks that do not poison, and a shard is
/// changed by one call of the core, whose own tests cover every step of it.
pub(crate) fn guarded<T>(answer: impl FnOnce() -> T, panicked: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(answer)).unwrap_or_else(|_| told(panicked))
}

/// The same for an answer that may have to wait.
pub(crate) async fn guarded_future<T>(
    answer: impl Future<Output = T>,
    panicked: impl FnOnce() -> T,
) -> T {
    AssertUnwindSafe(answer).catch_unwind().await.unwrap_or_else(|_| told(panicked))
}

fn told<T>(panicked: impl FnOnce() -> T) -> T {
    tracing::error!(event = "call_panicked");
    metrics::counter!(crate::metrics::PANICS).increment(1);
    panicked()
}

#[cfg(test)]
mod tests {
    use tonic::{Code, Status};

    use super::*;

    fn internal<T>() -> Result<T, Status> {
        Err(Status::internal("internal error"))
    }

    #[test]
    fn a_panic_becomes_an_answer_and_the_next_call_works() {
        let panicked = guarded(|| panic!("planted by this test"), internal::<()>);
        assert_eq!(panicked.unwrap_err().code(), Code::Internal);
        assert_eq!(guarded(|| Ok(1), internal).unwrap(), 1);
    }

    #[test]
    fn so_does_one_after_a_wait() {
        let call = async {
            tokio::task::yield_now().await;
            panic!("planted by this test")
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let panicked = runtime.block_on(guarded_future(call, internal::<()>));
        assert_eq!(panicked.unwrap_err().code(), Code::Internal);
    }
}
