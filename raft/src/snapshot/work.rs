//! Where the long work of a snapshot is done.

use std::panic;

use tokio::task;

/// Where long work is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Work {
    /// On tokio's threads for blocking work, so that heartbeats go on.
    #[default]
    Aside,
    /// Here: a simulation's order of events does not depend on other threads.
    Here,
}

impl Work {
    /// Does `work` and waits for it.
    pub async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> T {
        match self {
            Self::Here => {
                task::yield_now().await;
                work()
            }
            Self::Aside => match task::spawn_blocking(work).await {
                Ok(done) => done,
                Err(failed) => match failed.try_into_panic() {
                    Ok(panicked) => panic::resume_unwind(panicked),
                    // The runtime ends, and this task with it at this await.
                    Err(_) => std::future::pending().await,
                },
            },
        }
    }

    /// Drops `what`, which takes long.
    pub fn dispose<T: Send + 'static>(self, what: T) {
        match self {
            Self::Here => drop(what),
            Self::Aside => {
                task::spawn_blocking(move || drop(what));
            }
        }
    }
}
