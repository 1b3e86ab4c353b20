//! What callers of several nodes saw, and whether a shared limit explains it.
//!
//! Every call has the time it was sent and the time its answer was there, on the one clock of the
//! test's process. Of a call without an answer nobody knows whether it was counted. The checks are
//! those that hold whatever happened in between: they never accuse a right answer, and they find a
//! limit that was exceeded, an answer that was lost and one that counted twice.

use std::time::Duration;

use anyhow::ensure;

/// What a caller was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It may.
    Allowed,
    /// It may not.
    Denied,
    /// Nothing, or that nobody knows: it may have been counted.
    Unknown,
    /// That nothing was done.
    NotDone,
}

/// One call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Since the start of the history.
    pub sent: Duration,
    /// Likewise; of a call without an answer, when the caller gave up.
    pub ended: Duration,
    /// What it was told.
    pub told: Told,
}

/// The calls of all callers on one counter, one hit each.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// In any order.
    pub calls: Vec<Call>,
}

impl History {
    /// How many were told this.
    #[must_use]
    pub fn count(&self, told: Told) -> usize {
        self.calls.iter().filter(|call| call.told == told).count()
    }

    /// Expects that a limit whose window covers the whole history admitted no more than it may, and
    /// all that it may if more were asked for.
    ///
    /// # Errors
    /// With the figures.
    pub fn expect_shared(&self, limit: usize) -> anyhow::Result<()> {
        let (allowed, denied) = (self.count(Told::Allowed), self.count(Told::Denied));
        let unknown = self.count(Told::Unknown);
        let figures = format!("{allowed} allowed, {denied} denied, {unknown} unknown of {limit}");
        ensure!(allowed <= limit, "over the limit: {figures}");
        // A denial means that all were taken, by those who know it or by those who do not.
        ensure!(denied == 0 || allowed + unknown >= limit, "denied too early: {figures}");
        Ok(())
    }

    /// Expects that `hits`, which the counter says it has, are those of the answered calls, and of
    /// some of those without an answer.
    ///
    /// # Errors
    /// With the figures.
    pub fn expect_counted(&self, hits: usize) -> anyhow::Result<()> {
        let (allowed, unknown) = (self.count(Told::Allowed), self.count(Told::Unknown));
        let figures = format!("{hits} counted, {allowed} allowed, {unknown} unknown");
        ensure!(hits >= allowed, "answered calls were lost: {figures}");
        ensure!(hits <= allowed + unknown, "calls counted twice: {figures}");
        Ok(())
    }

    /// Expects that in no window of this length, wherever it starts, more than `limit` calls were
    /// admitted that surely lie in it whole.
    ///
    /// # Errors
    /// With the window.
    pub fn expect_no_window_over(&self, limit: usize, length: Duration) -> anyhow::Result<()> {
        let mut allowed: Vec<_> =
            self.calls.iter().filter(|call| call.told == Told::Allowed).collect();
        allowed.sort_by_key(|call| call.sent);
        for (at, first) in allowed.iter().enumerate() {
            let end = first.sent + length;
            let inside = allowed[at..].iter().take_while(|call| call.sent < end);
            let inside = inside.filter(|call| call.ended < end).count();
            ensure!(inside <= limit, "{inside} of {limit} in {length:?} from {:?}", first.sent);
        }
        Ok(())
    }

    /// Expects that a bucket of `burst` that refills at `rate` a second never admitted more, over
    /// any interval.
    ///
    /// # Errors
    /// With the interval.
    pub fn expect_no_burst_over(&self, burst: usize, rate: f64) -> anyhow::Result<()> {
        let mut allowed: Vec<_> =
            self.calls.iter().filter(|call| call.told == Told::Allowed).collect();
        allowed.sort_by_key(|call| call.ended);
        for first in &allowed {
            // Of those that ended since, the ones that were also sent since.
            let since = allowed.iter().filter(|call| call.sent >= first.sent);
            for (count, last) in since.enumerate() {
                let length = last.ended.saturating_sub(first.sent);
                let most = burst as f64 + rate * length.as_secs_f64() * 1.001;
                let inside = count + 1;
                ensure!(inside as f64 <= most, "{inside} of {most} in {length:?}");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(sent: u64, told: Told) -> Call {
        let at = Duration::from_millis;
        Call { sent: at(sent), ended: at(sent + 1), told }
    }

    fn history(calls: &[(u64, Told)]) -> History {
        History { calls: calls.iter().map(|&(sent, told)| call(sent, told)).collect() }
    }

    #[test]
    fn one_too_many_is_found_and_one_denied_too_early() {
        use Told::{Allowed, Denied, Unknown};
        let two = history(&[(0, Allowed), (1, Allowed), (2, Denied)]);
        two.expect_shared(2).unwrap();
        two.expect_shared(1).unwrap_err();
        two.expect_shared(3).unwrap_err();
        history(&[(0, Allowed), (1, Unknown), (2, Denied)]).expect_shared(2).unwrap();
    }

    #[test]
    fn a_lost_answer_and_a_double_count_are_found() {
        use Told::{Allowed, NotDone, Unknown};
        let two = history(&[(0, Allowed), (1, Allowed), (2, Unknown), (3, NotDone)]);
        for (hits, fits) in [(1, false), (2, true), (3, true), (4, false)] {
            assert_eq!(two.expect_counted(hits).is_ok(), fits, "{hits}");
        }
    }

    #[test]
    fn a_window_is_judged_wherever_it_starts() {
        use Told::Allowed;
        let three = history(&[(0, Allowed), (60, Allowed), (90, Allowed), (140, Allowed)]);
        let length = Duration::from_millis(100);
        three.expect_no_window_over(3, length).unwrap();
        three.expect_no_window_over(2, length).unwrap_err();
        three.expect_no_burst_over(2, 1.0).unwrap_err();
        three.expect_no_burst_over(2, 20.0).unwrap();
    }
}
