//! Fixed windows: hits since the last multiple of the window's length since the UNIX epoch.
//!
//! The reference service's rules: a hit is over if the count *with it* exceeds the limit; refused
//! hits stay counted, so an oversized charge closes the window for everyone behind it; zero hits
//! look without spending. A refund never goes below zero and is never over. Where a domain charges
//! all limits or none, refused hits are not counted.
//!
//! What a changed rule does to a live window: a new number acts with the next hit and the count
//! stays; a new length is another bucket.

use super::Outcome;
use super::compact::{Compact, Kind};
use crate::descriptor::Charge;
use crate::limit::{Quota, Window};
use crate::time::{Now, Wall};

/// The count of one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedWindow {
    ends: Wall,
    /// Stops at the greatest number, which is never below a limit, so a full count stays over.
    hits: u32,
}

impl FixedWindow {
    /// The empty window that contains `now`.
    pub fn fresh(window: Window, now: Now) -> Self {
        let number = now.epoch.as_nanos() / window.nanos();
        let ends = number.saturating_add(1).saturating_mul(window.nanos());
        Self { ends: Wall::from_nanos(ends), hits: 0 }
    }

    /// Applies `charge`. A `now` before this window's start is taken for its start: what was spent
    /// is not given back because a clock was set.
    pub fn charge(&mut self, quota: &Quota, charge: Charge, now: Now) -> Outcome {
        if self.is_over(now) {
            *self = Self::fresh(quota.window, now);
        }
        let before = u64::from(self.hits);
        let limit = u64::from(quota.limit);
        let (after, over) = match charge {
            Charge::Hits(hits) => {
                let with = before.saturating_add(hits);
                let over = with > limit;
                (if over && !quota.counts_refused { before } else { with }, over)
            }
            Charge::Refund(hits) => (before.saturating_sub(hits), false),
        };
        self.hits = u32::try_from(after).unwrap_or(u32::MAX);
        let left = limit.saturating_sub(after);
        let reset_after = self.ends.since(now.epoch);
        Outcome {
            over,
            before,
            after,
            remaining: if over { 0 } else { u32::try_from(left).unwrap_or(u32::MAX) },
            reset_after,
            retry_after: over.then_some(reset_after),
        }
    }

    /// Takes back hits that were admitted at `charged_at`: all of them if that was in the window that
    /// is live now, else none, because they left with theirs.
    pub fn withdraw(&mut self, quota: &Quota, hits: u64, charged_at: Now, now: Now) {
        let ends = self.ends.as_nanos();
        let starts = ends.saturating_sub(quota.window.nanos());
        let in_window = (starts..ends).contains(&charged_at.epoch.as_nanos());
        // A count that stopped does not know how much more there was.
        if in_window && !self.is_over(now) && self.hits < u32::MAX {
            self.hits = self.hits.saturating_sub(u32::try_from(hits).unwrap_or(u32::MAX));
        }
    }

    /// Whether this window ended.
    pub fn is_over(&self, now: Now) -> bool {
        now.epoch >= self.ends
    }
}

impl From<FixedWindow> for Compact {
    fn from(window: FixedWindow) -> Self {
        Self { at: window.ends.as_nanos(), number: window.hits, kind: Kind::FixedWindow }
    }
}

impl From<Compact> for FixedWindow {
    fn from(compact: Compact) -> Self {
        Self { ends: Wall::from_nanos(compact.at), hits: compact.number }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::limit::Unit;
    use crate::time::{LogTime, NANOS_PER_SECOND};

    fn at(nanos: u64) -> Now {
        Now { log: LogTime::from_nanos(nanos), epoch: Wall::from_nanos(nanos) }
    }

    fn at_second(second: u64) -> Now {
        at(second * NANOS_PER_SECOND)
    }

    fn remaining(window: &mut FixedWindow, quota: &Quota, hits: u64, now: Now) -> Option<u32> {
        let outcome = window.charge(quota, Charge::Hits(hits), now);
        (!outcome.over).then_some(outcome.remaining)
    }

    #[test]
    fn the_hit_after_the_last_allowed_one_is_over() {
        let quota = Quota::per_unit(2, Unit::Minute);
        let mut window = FixedWindow::fresh(quota.window, at_second(0));
        assert_eq!(remaining(&mut window, &quota, 1, at_second(1)), Some(1));
        assert_eq!(remaining(&mut window, &quota, 1, at_second(2)), Some(0));
        assert_eq!(remaining(&mut window, &quota, 1, at_second(3)), None);
        assert_eq!(remaining(&mut window, &quota, 1, at_second(60)), Some(1));
    }

    #[test]
    fn an_oversized_charge_closes_the_window() {
        let quota = Quota::per_unit(10, Unit::Minute);
        let mut window = FixedWindow::fresh(quota.window, at_second(0));
        let outcome = window.charge(&quota, Charge::Hits(15), at_second(0));
        assert_eq!((outcome.over, outcome.before, outcome.after), (true, 0, 15));
        assert_eq!(remaining(&mut window, &quota, 1, at_second(1)), None);
    }

    #[test]
    fn refused_hits_spend_nothing_where_the_quota_says_so() {
        let quota = Quota { counts_refused: false, ..Quota::per_unit(10, Unit::Minute) };
        let mut window = FixedWindow::fresh(quota.window, at_second(0));
        assert_eq!(remaining(&mut window, &quota, 15, at_second(0)), None);
        assert_eq!(remaining(&mut window, &quota, 10, at_second(0)), Some(0));
        assert_eq!(remaining(&mut window, &quota, 1, at_second(0)), None);
        assert_eq!(remaining(&mut window, &quota, 0, at_second(0)), Some(0));
    }

    #[test]
    fn a_peek_spends_nothing_and_is_over_only_beyond_the_limit() {
        let quota = Quota::per_unit(10, Unit::Minute);
        let mut window = FixedWindow::fresh(quota.window, at_second(0));
        let steps = [(9, Some(1)), (0, Some(1)), (1, Some(0)), (0, Some(0)), (1, None), (0, None)];
        for (hits, expected) in steps {
            assert_eq!(remaining(&mut window, &quota, hits, at_second(1)), expected);
        }
    }

    #[test]
    fn a_limit_of_zero_refuses_a_hit_and_allows_a_peek() {
        let quota = Quota::per_unit(0, Unit::Minute);
        let mut window = FixedWindow::fresh(quota.window, at_second(0));
        assert_eq!(remaining(&mut window, &quota, 0, at_second(0)), Some(0));
        assert_eq!(remaining(&mut window, &quota, 1, at_second(0)), None);
    }

    #[test]
    fn windows_are_aligned_with_the_epoch() {
        let quota = Quota::per_unit(1, Unit::Minute);
        let now = at_second(1_700_000_003);
        let mut window = FixedWindow::fresh(quota.window, now);
        let outcome = window.charge(&quota, Charge::Hits(1), now);
        assert_eq!(outcome.reset_after, Duration::from_secs(37));
    }

    #[test]
    fn a_clock_set_back_reopens_nothing() {
        let quota = Quota::per_unit(1, Unit::Minute);
        let mut window = FixedWindow::fresh(quota.window, at_second(600));
        assert_eq!(remaining(&mut window, &quota, 1, at_second(600)), Some(0));
        assert_eq!(remaining(&mut window, &quota, 1, at_second(599)), None);
        assert_eq!(remaining(&mut window, &quota, 1, at_second(0)), None);
    }

    #[test]
    fn a_refund_gives_back_but_never_below_zero() {
        let quota = Quota::per_unit(5, Unit::Minute);
        let mut window = FixedWindow::fresh(quota.window, at_second(0));
        window.charge(&quota, Charge::Hits(9), at_second(0));
        let outcome = window.charge(&quota, Charge::Refund(6), at_second(0));
        assert_eq!((outcome.over, outcome.after, outcome.remaining), (false, 3, 2));
        let outcome = window.charge(&quota, Charge::Refund(100), at_second(0));
        assert_eq!((outcome.after, outcome.remaining), (0, 5));
    }

    #[test]
    fn a_changed_number_acts_at_once_and_keeps_the_count() {
        let mut window = FixedWindow::fresh(Window::of_unit(Unit::Hour), at_second(0));
        let (five, two, nine) = (
            Quota::per_unit(5, Unit::Hour),
            Quota::per_unit(2, Unit::Hour),
            Quota::per_unit(9, Unit::Hour),
        );
        assert_eq!(remaining(&mut window, &five, 3, at_second(0)), Some(2));
        assert_eq!(remaining(&mut window, &two, 1, at_second(0)), None);
        assert_eq!(remaining(&mut window, &nine, 1, at_second(0)), Some(4));
    }

    #[test]
    fn the_greatest_limit_is_enforced_too() {
        let quota = Quota::per_unit(u32::MAX, Unit::Year);
        let mut window = FixedWindow::fresh(quota.window, at_second(0));
        for _ in 0..4 {
            assert!(remaining(&mut window, &quota, 1_000_000_000, at_second(0)).is_some());
        }
        assert_eq!(remaining(&mut window, &quota, 294_967_295, at_second(0)), Some(0));
        assert_eq!(remaining(&mut window, &quota, 1, at_second(0)), None);
        assert_eq!(remaining(&mut window, &quota, 1, at_second(0)), None);
    }

    proptest! {
        /// Against a list of every hit ever made: times go anywhere, the limit changes at will.
        #[test]
        fn agrees_with_a_list_of_all_hits(
            steps in proptest::collection::vec((0..200_u64, 0..6_u64, 0..8_u32, any::<bool>()), 1..60)
        ) {
            let window_nanos = 10;
            let mut quota = Quota::per_unit(0, Unit::Second);
            quota.window = Window::of_length(Duration::from_millis(1)).unwrap();
            let scale = quota.window.nanos() / window_nanos;
            let mut window = FixedWindow::fresh(quota.window, at(0));
            let (mut latest, mut count) = (0, 0_u64);
            for (time, hits, limit, refund) in steps {
                quota.limit = limit;
                // The model: the latest window ever seen is the current one.
                let number = (time / window_nanos).max(latest);
                if number > latest {
                    (latest, count) = (number, 0);
                }
                let before = count;
                count = if refund { count.saturating_sub(hits) } else { count + hits };
                let charge = if refund { Charge::Refund(hits) } else { Charge::Hits(hits) };
                let outcome = window.charge(&quota, charge, at(time * scale));
                prop_assert_eq!((outcome.before, outcome.after), (before, count));
                prop_assert_eq!(outcome.over, !refund && count > u64::from(limit));
                prop_assert_eq!(u64::from(outcome.remaining), u64::from(limit).saturating_sub(count));
            }
        }
    }
}
