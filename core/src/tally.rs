//! How one charge counts in a limit's statistics: the reference service's arithmetic.

use crate::bucket::Outcome;
use crate::descriptor::Charge;

/// The part of a limit from which hits count as near it.
pub const NEAR_LIMIT_RATIO: f32 = 0.8;

/// Hits of one operation, by what they met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All of them.
    pub total: u64,
    /// Allowed.
    pub within: u64,
    /// Allowed, beyond the near threshold.
    pub near: u64,
    /// Not allowed.
    pub over: u64,
    /// Not allowed, and let through because the limit is a shadow.
    pub shadow: u64,
    /// Given back.
    pub refunded: u64,
}

impl Tally {
    /// What an operation on a limit with `number` hits a window adds.
    pub fn of(outcome: &Outcome, charge: Charge, number: u32, is_shadow: bool, ratio: f32) -> Self {
        let hits = match charge {
            Charge::Hits(hits) => hits,
            Charge::Refund(refunded) => return Self { refunded, ..Self::default() },
        };
        let limit_hits = u64::from(number);
        let before = outcome.before;
        // As the reference computes it: in single precision, rounded down.
        let near_from = ((number as f32 * ratio).floor() as u64).min(limit_hits);
        let mut tally = Self { total: hits, ..Self::default() };
        if outcome.over {
            // Where refused hits are not counted, all of them were refused.
            let uncounted = outcome.after == before;
            if before >= limit_hits || uncounted {
                tally.over = hits;
            } else {
                tally.over = before.saturating_add(hits).saturating_sub(limit_hits);
                tally.near = limit_hits - near_from.max(before);
            }
            tally.shadow = if is_shadow { tally.over } else { 0 };
            return tally;
        }
        tally.within = hits;
        if outcome.after > near_from {
            tally.near = if before >= near_from { hits } else { outcome.after - near_from };
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn tally(number: u32, before: u64, hits: u64, shadow: bool) -> Tally {
        let after = before + hits;
        let over = after > u64::from(number);
        let outcome = Outcome {
            over,
            before,
            after,
            remaining: 0,
            reset_after: Duration::ZERO,
            retry_after: None,
        };
        Tally::of(&outcome, Charge::Hits(hits), number, shadow, NEAR_LIMIT_RATIO)
    }

    fn sum(number: u32, charges: &[u64]) -> (u64, u64, u64, u64) {
        let (mut before, mut sum) = (0, (0, 0, 0, 0));
        for hits in charges {
            let one = tally(number, before, *hits, false);
            before += hits;
            sum = (sum.0 + one.total, sum.1 + one.within, sum.2 + one.near, sum.3 + one.over);
        }
        sum
    }

    #[test]
    fn the_reference_vectors_hold() {
        // total, within, near, over
        assert_eq!(sum(2, &[1, 1, 1]), (3, 2, 1, 1));
        assert_eq!(sum(10, &[15]), (15, 0, 2, 5));
        assert_eq!(sum(10, &[8]), (8, 8, 0, 0));
        assert_eq!(sum(10, &[9]), (9, 9, 1, 0));
        assert_eq!(sum(10, &[8, 1, 1]), (10, 10, 2, 0));
        assert_eq!(sum(10, &[10, 5]), (15, 10, 2, 5));
    }

    #[test]
    fn hits_that_were_refused_whole_are_over_and_nothing_else() {
        let outcome = Outcome {
            over: true,
            before: 3,
            after: 3,
            remaining: 0,
            reset_after: Duration::ZERO,
            retry_after: None,
        };
        let one = Tally::of(&outcome, Charge::Hits(12), 10, false, NEAR_LIMIT_RATIO);
        assert_eq!((one.total, one.over, one.near, one.within), (12, 12, 0, 0));
    }

    #[test]
    fn a_threshold_that_rounds_above_the_limit_is_the_limit() {
        let number = 16_777_219;
        let outcome = Outcome {
            over: true,
            before: u64::from(number) - 1,
            after: u64::from(number) + 1,
            remaining: 0,
            reset_after: Duration::ZERO,
            retry_after: None,
        };
        let one = Tally::of(&outcome, Charge::Hits(2), number, false, 1.0);
        assert_eq!((one.over, one.near), (1, 0));
    }

    #[test]
    fn a_shadow_counts_as_over_and_as_shadow() {
        let first = tally(1, 0, 1, true);
        assert_eq!((first.within, first.shadow), (1, 0));
        let second = tally(1, 1, 1, true);
        assert_eq!((second.over, second.shadow, second.within), (1, 1, 0));
    }
}
