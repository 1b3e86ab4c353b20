//! When to reload: after a burst of changes, when asked, and now and then to look.
//!
//! A state machine over instants that it is given; it reads no clock and waits for nothing.

use std::time::Duration;

use tollgate_core::time::Monotonic;

/// Quiet that ends a burst: an editor's save and a mount's swap are several changes.
const QUIET: Duration = Duration::from_millis(200);

/// The longest that changes without a pause put a reload off.
const POSTPONED_MAX: Duration = Duration::from_secs(2);

/// Between two looks at files, for file systems that tell of no changes.
const LOOK_INTERVAL: Duration = Duration::from_secs(30);

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Read the files.
    Reload,
    /// See whether the files look as they did, and read them if not.
    Look,
}

/// What has been noticed, and what is due for it.
#[derive(Debug)]
pub(super) struct Schedule {
    burst: Option<Burst>,
    asked: bool,
    /// Changes noticed before this are read already.
    taken_at: Monotonic,
    look_at: Monotonic,
}

/// Changes that one reload will read.
#[derive(Clone, Copy, Debug)]
struct Burst {
    first: Monotonic,
    last: Monotonic,
}

impl Burst {
    fn due_at(self) -> Monotonic {
        self.last.plus(QUIET).min(self.first.plus(POSTPONED_MAX))
    }
}

impl Schedule {
    /// Nothing noticed yet.
    pub(super) fn new(now: Monotonic) -> Self {
        Self { burst: None, asked: false, taken_at: now, look_at: now.plus(LOOK_INTERVAL) }
    }

    /// A change was noticed at `at`; of many, it is enough to tell the newest from time to time.
    pub(super) fn note(&mut self, at: Monotonic) {
        if at < self.taken_at {
            return;
        }
        let burst = self.burst.get_or_insert(Burst { first: at, last: at });
        burst.last = burst.last.max(at);
    }

    /// Somebody asks for a reload now.
    pub(super) fn ask(&mut self) {
        self.asked = true;
    }

    /// Whether a burst has begun.
    pub(super) fn is_settling(&self) -> bool {
        self.burst.is_some()
    }

    /// How long until something may be due.
    pub(super) fn wait(&self, now: Monotonic) -> Duration {
        if self.asked {
            return Duration::ZERO;
        }
        let burst = self.burst.map_or(self.look_at, Burst::due_at);
        burst.min(self.look_at).since(now)
    }

    /// What is due; it counts as done from `now` on.
    pub(super) fn take(&mut self, now: Monotonic) -> Option<Due> {
        let settled = self.burst.is_some_and(|burst| burst.due_at() <= now);
        let due = if self.asked || settled {
            Due::Reload
        } else if self.look_at <= now {
            Due::Look
        } else {
            return None;
        };
        if due == Due::Reload {
            (self.burst, self.asked) = (None, false);
            self.taken_at = now;
        }
        self.look_at = now.plus(LOOK_INTERVAL);
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Monotonic {
        Monotonic::from_nanos(millis * 1_000_000)
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_burst_is_one_reload_after_it_is_quiet() {
        let mut schedule = Schedule::new(at(0));
        for change in [1_000, 1_050, 1_100, 1_249] {
            schedule.note(at(change));
            assert_eq!(schedule.take(at(change)), None);
        }
        assert_eq!(schedule.wait(at(1_249)), millis(200));
        assert_eq!(schedule.take(at(1_448)), None);
        assert_eq!(schedule.take(at(1_449)), Some(Due::Reload));
        assert_eq!(schedule.take(at(1_450)), None);
        assert!(!schedule.is_settling());
    }

    #[test]
    fn the_newest_of_a_burst_puts_it_off_though_told_late() {
        let mut schedule = Schedule::new(at(0));
        schedule.note(at(1_000));
        schedule.note(at(1_150));
        assert_eq!(schedule.take(at(1_200)), None);
        assert_eq!(schedule.wait(at(1_200)), millis(150));
        // An older one than the newest changes nothing.
        schedule.note(at(1_100));
        assert_eq!(schedule.wait(at(1_200)), millis(150));
    }

    #[test]
    fn changes_without_a_pause_put_a_reload_off_for_two_seconds_only() {
        let mut schedule = Schedule::new(at(0));
        let mut reloads = Vec::new();
        for now in (1_000..=5_500).step_by(100) {
            schedule.note(at(now));
            if schedule.take(at(now)).is_some() {
                reloads.push(now);
            }
        }
        // A burst begins with the first change that was not read.
        assert_eq!(reloads, [3_000, 5_100]);
    }

    #[test]
    fn a_change_that_a_reload_has_read_brings_no_second_one() {
        let mut schedule = Schedule::new(at(0));
        schedule.note(at(1_000));
        assert_eq!(schedule.take(at(1_200)), Some(Due::Reload));
        schedule.note(at(1_199));
        assert!(!schedule.is_settling());
        schedule.note(at(1_200));
        assert!(schedule.is_settling());
    }

    #[test]
    fn a_reload_that_is_asked_for_waits_for_nothing() {
        let mut schedule = Schedule::new(at(0));
        schedule.note(at(100));
        schedule.ask();
        assert_eq!(schedule.wait(at(100)), Duration::ZERO);
        assert_eq!(schedule.take(at(100)), Some(Due::Reload));
        assert_eq!(schedule.take(at(400)), None);
    }

    #[test]
    fn files_are_looked_at_every_30_seconds_also_between_changes() {
        let mut schedule = Schedule::new(at(0));
        assert_eq!(schedule.wait(at(0)), millis(30_000));
        assert_eq!(schedule.take(at(29_999)), None);
        assert_eq!(schedule.take(at(30_000)), Some(Due::Look));
        assert_eq!(schedule.take(at(30_001)), None);
        schedule.note(at(40_000));
        assert_eq!(schedule.take(at(40_200)), Some(Due::Reload));
        // A reload is as good as a look.
        assert_eq!(schedule.take(at(60_000)), None);
        assert_eq!(schedule.take(at(70_200)), Some(Due::Look));
    }

    #[test]
    fn a_look_forgets_no_burst() {
        let mut schedule = Schedule::new(at(0));
        schedule.note(at(29_950));
        assert_eq!(schedule.take(at(30_000)), Some(Due::Look));
        assert_eq!(schedule.take(at(30_150)), Some(Due::Reload));
    }
}
