//! How often a peer is dialed: a peer that is gone must cost nothing, however many groups, votes and
//! heartbeats want to reach it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tollgate_core::time::{Clock, Monotonic};

/// Time between two dials of one connection, at least.
pub(super) const PACE_MIN: Duration = Duration::from_millis(50);

/// Time between two dials of a peer that was not reached several times: how late its return may be
/// seen.
pub(super) const PACE_MAX: Duration = Duration::from_millis(250);

/// Says when one connection may be dialed again.
pub(super) struct Pace {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    not_before: Monotonic,
    wait: Duration,
}

impl Pace {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    /// Whether to dial now; if so, the next time is not before a while.
    pub(super) fn take(&self) -> io::Result<()> {
        let now = self.clock.monotonic();
        let mut state = self.state.lock();
        if now < state.not_before {
            return Err(io::Error::new(io::ErrorKind::HostUnreachable, "dialed a moment ago"));
        }
        state.wait = (state.wait * 2).clamp(PACE_MIN, PACE_MAX);
        state.not_before = now.plus(state.wait);
        Ok(())
    }

    /// The peer was reached.
    pub(super) fn reached(&self) {
        self.state.lock().wait = Duration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use tollgate_core::time::{ManualClock, Wall};

    use super::*;

    #[test]
    fn a_peer_that_is_gone_is_dialed_four_times_a_second() {
        let clock = Arc::new(ManualClock::starting_at(Wall::default()));
        let pace = Pace::new(clock.clone());
        let mut dials = 0;
        for _ in 0..10_000 {
            dials += u32::from(pace.take().is_ok());
            clock.advance(Duration::from_millis(1));
        }
        assert!((40..=45).contains(&dials), "{dials} in 10 s");
    }

    #[test]
    fn a_peer_that_was_reached_is_dialed_again_soon() {
        let clock = Arc::new(ManualClock::starting_at(Wall::default()));
        let pace = Pace::new(clock.clone());
        for _ in 0..10 {
            clock.advance(PACE_MAX);
            pace.take().unwrap();
        }
        pace.reached();
        clock.advance(PACE_MAX);
        pace.take().unwrap();
        pace.take().unwrap_err();
        clock.advance(PACE_MIN);
        pace.take().unwrap();
    }
}
