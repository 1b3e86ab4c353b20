//! A leader's time: it goes on from its log's latest stamp.

use tollgate_core::time::{Clock, LogClock, Monotonic, Now};

#[cfg(test)]
use crate::sim::planted::{self, Planted};

/// A term in which this node leads.
pub(super) struct Reign {
    pub(super) term: u64,
    clock: LogClock,
    last: Now,
}

impl Reign {
    /// A term that begins now, in a log whose latest stamp is `last`, if it has any, and came when it
    /// says.
    pub(super) fn begin(term: u64, last: Option<(Now, Monotonic)>, clock: &dyn Clock) -> Self {
        let monotonic = clock.monotonic();
        let Some((last, received)) = last else {
            let clock = LogClock::new(monotonic, clock.wall());
            return Self { term, clock, last: Now::default() };
        };
        #[cfg(test)]
        if planted::is(Planted::LeadersWallClock) {
            return Self { term, clock: LogClock::new(monotonic, clock.wall()), last };
        }
        let clock = LogClock::resume(last, monotonic.since(received), monotonic);
        Self { term, clock, last }
    }

    /// The next stamp; never before one that was given out, in this term or an earlier one.
    pub(super) fn stamp(&mut self, clock: &dyn Clock) -> Now {
        let Now { log, epoch } = self.clock.now(clock.monotonic());
        self.last = Now { log: log.max(self.last.log), epoch: epoch.max(self.last.epoch) };
        self.last
    }

    /// Moves epoch time toward the wall clock. Called about once a second.
    pub(super) fn discipline(&self, clock: &dyn Clock) {
        self.clock.discipline(clock.monotonic(), clock.wall());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tollgate_core::time::{LogTime, ManualClock, Wall};

    use super::*;

    const START: u64 = 1_700_000_000_000_000_000;
    const SECOND: Duration = Duration::from_secs(1);

    fn now(log: u64, epoch: u64) -> Now {
        Now { log: LogTime::from_nanos(log), epoch: Wall::from_nanos(epoch) }
    }

    #[test]
    fn the_first_leader_starts_at_its_wall_clock() {
        let clock = ManualClock::starting_at(Wall::from_nanos(START));
        let mut reign = Reign::begin(1, None, &clock);
        assert_eq!(reign.stamp(&clock), now(START, START));
    }

    #[test]
    fn the_next_leader_goes_on_from_the_latest_stamp_whatever_its_wall_clock_says() {
        for wall in [0, START * 2] {
            let clock = ManualClock::starting_at(Wall::from_nanos(wall));
            let last = (now(START, START + 7), clock.monotonic());
            clock.advance(SECOND * 10);
            let stamp = Reign::begin(2, Some(last), &clock).stamp(&clock);
            let (log, epoch) = (stamp.log.since(last.0.log), stamp.epoch.since(last.0.epoch));
            assert_eq!(log, epoch);
            assert!(log < SECOND * 10 && log > SECOND * 9, "{log:?}");
        }
    }

    #[test]
    fn stamps_never_go_back_and_epoch_time_follows_the_wall_clock_slowly() {
        let clock = ManualClock::starting_at(Wall::from_nanos(0));
        let last = (now(START, START), clock.monotonic());
        let mut reign = Reign::begin(2, Some(last), &clock);
        let mut before = reign.stamp(&clock);
        for step in 0..100 {
            clock.advance(SECOND);
            if step == 50 {
                clock.step_wall_to(Wall::from_nanos(START * 2));
            }
            reign.discipline(&clock);
            let after = reign.stamp(&clock);
            assert!(after.log >= before.log && after.epoch >= before.epoch);
            assert_eq!(after.log.since(before.log), SECOND);
            assert!(after.epoch.since(before.epoch) <= SECOND + SECOND / 2_000);
            before = after;
        }
    }
}
