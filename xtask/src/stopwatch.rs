//! Wall time of a stage. The runtime's clock is out of reach: xtask depends on no other crate.

use std::time::{Duration, Instant};

/// Starts with its creation.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(now())
    }

    pub(crate) fn read(&self) -> Duration {
        now().duration_since(self.0)
    }
}

#[expect(clippy::disallowed_methods, reason = "a tool that times stages, not the product")]
fn now() -> Instant {
    Instant::now()
}
