//! The driver's stopwatch, in one place so that nothing else in this package touches a clock.
//!
//! It only measures how long something took; it is no source of dates.

use std::time::Duration;

use tollgate_core::time::Clock;
use tollgate_runtime::clock::SystemClock;

/// A point in time to measure from.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(SystemClock);

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        // The clock's monotonic reading counts from here.
        Self(SystemClock::start())
    }

    /// Time since the start.
    pub fn passed(self) -> Duration {
        Duration::from_nanos(self.0.monotonic().as_nanos())
    }
}
