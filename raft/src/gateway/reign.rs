//! A leader's time: it goes on from its log's latest stamp.
//!
//! What passed since that stamp came is known by this node's clock, which may be faster than the one
//! of the leader before by as much as two clocks differ; so a part of it is left out. No term's time
//! is then ahead of real time or behind the last one's.

use tollgate_core::time::{Clock, LogClock, LogTime, Monotonic, Now, Wall};

/// This part of the time since the latest stamp is left out: more than two clocks differ.
const DRIFT_PART: u32 = 1_000;

/// A term in which this node leads.
pub(super) struct Reign {
    pub(super) term: u64,
    clock: LogClock,
    /// Epoch time minus log time, as the leader before had it.
    offset_nanos: i64,
    last: Now,
}

impl Reign {
    /// A term that begins now, in a log whose latest stamp is `last`, if it has any.
    pub(super) fn begin(term: u64, last: Option<(Now, Monotonic)>, clock: &dyn Clock) -> Self {
        let (monotonic, wall) = (clock.monotonic(), clock.wall());
        let Some((last, received)) = last else {
            let clock = LogClock::new(monotonic, wall);
            return Self { term, clock, offset_nanos: 0, last: Now::default() };
        };
        let passed = monotonic.since(received);
        let log: LogTime = last.log.plus(passed - passed / DRIFT_PART);
        let offset = i128::from(last.epoch.as_nanos()) - i128::from(last.log.as_nanos());
        // Both are instants of this century.
        let offset_nanos = i64::try_from(offset).unwrap_or(0);
        let clock = LogClock::new(monotonic, Wall::from_nanos(log.as_nanos()));
        Self { term, clock, offset_nanos, last }
    }

    /// The next stamp; never before one that was given out, in this term or an earlier one.
    pub(super) fn stamp(&mut self, clock: &dyn Clock) -> Now {
        let Now { log, epoch } = self.clock.now(clock.monotonic());
        let epoch = Wall::from_nanos(epoch.as_nanos().saturating_add_signed(self.offset_nanos));
        self.last = Now { log: log.max(self.last.log), epoch: epoch.max(self.last.epoch) };
        self.last
    }

    /// Moves epoch time toward the wall clock. Called about once a second.
    pub(super) fn discipline(&self, clock: &dyn Clock) {
        let offset = self.offset_nanos.checked_neg().unwrap_or(0);
        let wall = Wall::from_nanos(clock.wall().as_nanos().saturating_add_signed(offset));
        self.clock.discipline(clock.monotonic(), wall);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tollgate_core::time::ManualClock;

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
            let mut reign = Reign::begin(2, Some(last), &clock);
            let passed = 10_000_000_000 - 10_000_000;
            assert_eq!(reign.stamp(&clock), now(START + passed, START + 7 + passed));
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
