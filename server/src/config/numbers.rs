//! A limit's numbers, whichever file they stand in, turned into a quota.
//!
//! Ranges and what excludes what are judged here; what the keys are called where they were written,
//! and where they stand, only the caller knows.

use std::time::Duration;

use tollgate_core::limit::{Algorithm, Quota, Window};

use super::quantity::Length;
use super::raw::RawAlgorithm;

/// The longest window and the longest penalty: the protocol's year.
const LENGTH_MAX: Duration = Duration::from_secs(365 * 86_400);

/// The shortest bound of a penalty's wait; waits are told in whole seconds.
const PENALTY_MIN: Duration = Duration::from_secs(1);

/// The longest time until an empty token bucket is full, so that it always fits into the 64 bits of
/// nanoseconds that the bucket counts in.
const FILL_MAX: Duration = Duration::from_secs(100 * 365 * 86_400);

/// A limit's numbers as they were written. What is absent from the first two was wrong and is told
/// already.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    /// Hits in a window.
    pub(super) limit: u32,
    pub(super) window: Option<Duration>,
    pub(super) algorithm: Option<RawAlgorithm>,
    /// Absent where nothing was written, like the penalty.
    pub(super) burst: Option<u32>,
    pub(super) penalty_max: Option<Duration>,
}

/// Which of the numbers is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Limit,
    Window,
    Burst,
    Penalty,
}

impl Numbers {
    /// The quota, if nothing is wrong; otherwise `wrong` is told everything that is.
    pub(super) fn quota(&self, mut wrong: impl FnMut(Part, String)) -> Option<Quota> {
        let mut is_right = true;
        let mut wrong = |part, message| {
            is_right = false;
            wrong(part, message);
        };
        let window = self.window.and_then(|length| {
            let window = Window::of_length(length).filter(|_| length <= LENGTH_MAX);
            if window.is_none() {
                let found = Length(length);
                let message = format!("expected a window from 1ms to 365d, found {found}");
                wrong(Part::Window, message);
            }
            window
        });
        if let Some(max) = self.penalty_max
            && !(PENALTY_MIN..=LENGTH_MAX).contains(&max)
        {
            let message = format!("expected 1s to 365d, found {}", Length(max));
            wrong(Part::Penalty, message);
        }
        match self.burst {
            Some(0) => wrong(Part::Burst, "a burst of 0 would refuse every hit".to_owned()),
            Some(_) if !matches!(self.algorithm, None | Some(RawAlgorithm::TokenBucket)) => {
                let message = "`burst` goes with `algorithm: token_bucket` only".to_owned();
                wrong(Part::Burst, message);
            }
            _ => {}
        }
        let algorithm = match self.algorithm? {
            RawAlgorithm::FixedWindow => Algorithm::FixedWindow,
            RawAlgorithm::SlidingWindow => Algorithm::SlidingWindow,
            RawAlgorithm::TokenBucket => {
                if let Some(window) = window {
                    self.judge_bucket(window, &mut wrong);
                }
                Algorithm::TokenBucket { burst: self.burst.unwrap_or(self.limit) }
            }
        };
        let window = window.filter(|_| is_right)?;
        let quota = Quota::per_unit(self.limit, window.unit());
        Some(Quota { window, algorithm, penalty_max: self.penalty_max, ..quota })
    }

    /// Whether a token bucket can count in whole nanoseconds.
    fn judge_bucket(&self, window: Window, wrong: &mut impl FnMut(Part, String)) {
        if u64::from(self.limit) > window.nanos() {
            let message = "a token bucket refills at 1000000000 hits a second at most, because it \
                           counts in nanoseconds";
            return wrong(Part::Limit, message.to_owned());
        }
        let Some(burst) = self.burst else { return };
        let share = window.nanos().div_ceil(u64::from(self.limit.max(1)));
        if u128::from(share) * u128::from(burst) > FILL_MAX.as_nanos() {
            let message = format!(
                "a bucket of {burst} hits at this rate would take longer than 100 years to fill"
            );
            wrong(Part::Burst, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use tollgate_core::limit::Unit;

    use super::*;

    const NUMBERS: Numbers = Numbers {
        limit: 10,
        window: Some(Duration::from_secs(60)),
        algorithm: Some(RawAlgorithm::FixedWindow),
        burst: None,
        penalty_max: None,
    };

    const BUCKET: Numbers = Numbers { algorithm: Some(RawAlgorithm::TokenBucket), ..NUMBERS };

    fn right(numbers: &Numbers) -> Quota {
        numbers.quota(|part, message| panic!("{part:?}: {message}")).unwrap()
    }

    fn wrong(numbers: &Numbers) -> Vec<Part> {
        let mut parts = Vec::new();
        let quota = numbers.quota(|part, _| parts.push(part));
        assert_eq!(quota, None, "{numbers:?}");
        parts
    }

    #[test]
    fn whole_units_are_the_protocols_own_quota() {
        assert_eq!(right(&NUMBERS), Quota::per_unit(10, Unit::Minute));
    }

    #[test]
    fn a_bucket_holds_as_many_hits_as_its_rate_has_unless_it_is_told() {
        assert_eq!(right(&BUCKET).algorithm, Algorithm::TokenBucket { burst: 10 });
        let burst = right(&Numbers { burst: Some(3), ..BUCKET });
        assert_eq!(burst.algorithm, Algorithm::TokenBucket { burst: 3 });
        assert_eq!(burst.limit, 10);
    }

    #[test]
    fn everything_that_is_out_of_range_is_told_at_once() {
        let second = Some(Duration::from_secs(1));
        let numbers = Numbers {
            window: Some(Duration::ZERO),
            burst: Some(0),
            penalty_max: Some(Duration::from_millis(999)),
            ..BUCKET
        };
        assert_eq!(wrong(&numbers), [Part::Window, Part::Penalty, Part::Burst]);
        assert_eq!(wrong(&Numbers { burst: Some(5), ..NUMBERS }), [Part::Burst]);
        let too_fast = Numbers { limit: 1_000_000_001, window: second, ..BUCKET };
        assert_eq!(wrong(&too_fast), [Part::Limit]);
        right(&Numbers { limit: 1_000_000_000, window: second, ..BUCKET });
        right(&Numbers { limit: u32::MAX, window: second, ..NUMBERS });
    }

    #[test]
    fn a_bucket_that_no_one_would_see_full_is_refused() {
        let yearly = Numbers { limit: 1, window: Some(LENGTH_MAX), ..BUCKET };
        right(&Numbers { burst: Some(100), ..yearly });
        assert_eq!(wrong(&Numbers { burst: Some(101), ..yearly }), [Part::Burst]);
    }

    #[test]
    fn what_is_told_already_is_not_told_again() {
        assert_eq!(wrong(&Numbers { window: None, ..BUCKET }), []);
        assert_eq!(wrong(&Numbers { algorithm: None, burst: Some(5), ..NUMBERS }), []);
    }
}
