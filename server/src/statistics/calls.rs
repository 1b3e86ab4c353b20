//! The calls of one API: how long their answers took, and which came too late.
//!
//! Every core counts for itself; whoever reads adds up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tollgate_core::time::{Clock, Monotonic};

use super::histogram::{Histogram, Times};

/// The calls of one API, over all cores.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    cores: Mutex<Vec<Arc<Core>>>,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Core {
    times: Histogram,
    late: AtomicU64,
    abandoned: AtomicU64,
}

/// What was counted, over all cores, at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CallTotals {
    /// How long answers took.
    pub(crate) times: Times,
    /// Answers after the caller's deadline.
    pub(crate) late: u64,
    /// Calls that the caller ended before their answer.
    pub(crate) abandoned: u64,
}

impl Calls {
    /// What measures the calls of one more core. To be made once a core, not once a call.
    pub(crate) fn stopwatch(&self, clock: Arc<dyn Clock>) -> Stopwatch {
        let core = Arc::new(Core::default());
        self.cores.lock().push(Arc::clone(&core));
        Stopwatch(Arc::new(Inner { core, clock }))
    }

    /// What was counted so far.
    pub(crate) fn totals(&self) -> CallTotals {
        let mut totals = CallTotals::default();
        for core in self.cores.lock().iter() {
            core.times.add_to(&mut totals.times);
            totals.late += core.late.load(Ordering::Relaxed);
            totals.abandoned += core.abandoned.load(Ordering::Relaxed);
        }
        totals
    }
}

/// Measures the calls of one core; clones measure for the same.
#[derive(Clone)]
pub struct Stopwatch(Arc<Inner>);

struct Inner {
    core: Arc<Core>,
    clock: Arc<dyn Clock>,
}

impl Stopwatch {
    /// A call's head is there. Its caller waits for `deadline`, if it says so.
    pub(crate) fn start(&self, deadline: Option<Duration>) -> Measured {
        Measured { began: self.0.clock.monotonic(), deadline, open: Some(self.clone()) }
    }
}

/// A call that is being answered. Dropped before [`Measured::answered`], it was abandoned.
pub(crate) struct Measured {
    began: Monotonic,
    deadline: Option<Duration>,
    /// None once it is answered.
    open: Option<Stopwatch>,
}

impl Measured {
    /// When the caller stops waiting, if it says so.
    pub(crate) fn deadline(&self) -> Option<Monotonic> {
        self.deadline.map(|deadline| self.began.plus(deadline))
    }

    /// The answer is ready.
    pub(crate) fn answered(&mut self) {
        let Some(Stopwatch(inner)) = self.open.take() else { return };
        let took = inner.clock.monotonic().since(self.began);
        inner.core.times.count(took);
        if self.deadline.is_some_and(|deadline| took > deadline) {
            inner.core.late.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        if let Some(Stopwatch(inner)) = self.open.take() {
            inner.core.abandoned.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use tollgate_core::time::{ManualClock, Wall};

    use super::*;

    #[test]
    fn answers_are_measured_and_late_ones_and_abandoned_ones_counted() {
        let clock = Arc::new(ManualClock::starting_at(Wall::default()));
        let calls = Calls::default();
        let watches = [0, 1].map(|_| calls.stopwatch(Arc::clone(&clock) as _));
        let second = Duration::from_secs(1);
        for (watch, deadline) in [(0, Some(second)), (1, Some(second * 2)), (1, None)] {
            let mut call = watches[watch].start(deadline);
            clock.advance(second * 2);
            call.answered();
            call.answered();
        }
        drop(watches[0].start(None));
        let totals = calls.totals();
        assert_eq!((totals.times.count(), totals.late, totals.abandoned), (3, 1, 1));
        assert_eq!(totals.times.sum_seconds(), 6.0);
    }
}
