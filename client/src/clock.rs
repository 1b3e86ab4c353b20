//! The one clock of this crate: tokio's, so that a test's paused time reaches it too.
//!
//! `tollgate-runtime` owns the clock of nodes; a crate that lives in other people's services goes
//! without that one's dependencies.

use std::time::Duration;

use tokio::time::Instant;

/// The time now.
#[expect(clippy::disallowed_methods, reason = "this file is the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// How long there is until `deadline`; zero once it has passed.
pub(crate) fn left_until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(now())
}
