//! The live state of one limit for one key, and what a charge does to it.
//!
//! A bucket is 16 bytes in its slot (a sliding window and a penalty keep more on the heap) and holds
//! only what its algorithm must remember; the numbers of the limit come with every operation, so a
//! raised or lowered limit acts with the next hit.

mod compact;
mod fixed_window;
mod image;
mod penalty;
mod sliding_window;
mod token_bucket;

use std::time::Duration;

pub use compact::{Compact, Kind};
pub use fixed_window::FixedWindow;
pub use image::{BadBucket, BucketImage, PenaltyImage, PlainImage};
pub use penalty::Penalised;
pub use sliding_window::{EXACT_LIMIT_MAX, PARTS, RUNS_MAX, SlidingWindow};
pub use token_bucket::TokenBucket;

use crate::descriptor::Charge;
use crate::limit::{Algorithm, Quota};
use crate::time::Now;

/// What one operation found and left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The limit does not allow these hits.
    pub over: bool,
    /// Hits that counted before the operation.
    pub before: u64,
    /// Hits that count after it; a fixed window counts refused hits too.
    pub after: u64,
    /// Hits still allowed now; zero when over.
    pub remaining: u32,
    /// Time until nothing is spent any more.
    pub reset_after: Duration,
    /// Time after which the same charge would pass if the bucket is left alone; present exactly
    /// when over.
    pub retry_after: Option<Duration>,
}

/// The live state of one limit for one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bucket {
    /// Judged by the algorithm alone.
    Plain(Plain),
    /// Judged by the algorithm and by how patient its hits are.
    Penalised(Box<Penalised>),
}

/// The live state of one algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plain {
    /// A [`FixedWindow`] or a [`TokenBucket`].
    Compact(Compact),
    /// See [`SlidingWindow`].
    SlidingWindow(Box<SlidingWindow>),
}

impl Bucket {
    /// The bucket of a key that was never seen.
    pub fn fresh(quota: &Quota, now: Now) -> Self {
        let plain = Plain::fresh(quota, now);
        match quota.penalty_max {
            Some(_) => Self::Penalised(Box::new(Penalised::around(plain, quota, now))),
            None => Self::Plain(plain),
        }
    }

    /// Applies `charge` under `quota`, whose algorithm and window are those of the bucket's key.
    /// A limit that gained or lost its penalty since keeps what was counted.
    pub fn charge(&mut self, quota: &Quota, charge: Charge, now: Now) -> Outcome {
        match (&mut *self, quota.penalty_max) {
            (Self::Plain(plain), None) => plain.charge(quota, charge, now),
            (Self::Penalised(penalised), Some(max)) => penalised.charge(quota, max, charge, now),
            (Self::Plain(plain), Some(_)) => {
                *self = Self::Penalised(Box::new(Penalised::around(plain.clone(), quota, now)));
                self.charge(quota, charge, now)
            }
            // The memory stays: an override without a penalty meets the same bucket.
            (Self::Penalised(penalised), None) => penalised.inner.charge(quota, charge, now),
        }
    }

    /// Takes back `hits` that were admitted at `charged_at` and are not to count after all, as far as
    /// the bucket gets no fuller by it than if they had never been charged. `quota` is the one that
    /// they were charged by.
    ///
    /// That holds as long as hits left the bucket since by the passing of time alone: after a refund,
    /// or a changed number of a token bucket, the hits that are there may be others'. What impatience
    /// earned meanwhile stays.
    pub fn take_back(&mut self, quota: &Quota, hits: u64, charged_at: Now, now: Now) {
        match self {
            Self::Plain(plain) => plain.take_back(quota, hits, charged_at, now),
            Self::Penalised(penalised) => penalised.inner.take_back(quota, hits, charged_at, now),
        }
    }

    /// Whether a hit now comes before the time that its client was told. Never without a penalty.
    pub fn is_early(&self, now: Now) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Penalised(penalised) => penalised.is_early(now),
        }
    }

    /// Whether a charge by this quota makes a token bucket reckon what is missing from it anew.
    pub(crate) fn changes_numbers(&self, quota: &Quota) -> bool {
        let plain = match self {
            Self::Plain(plain) => plain,
            Self::Penalised(penalised) => &penalised.inner,
        };
        matches!(plain, Plain::Compact(Compact { kind: Kind::TokenBucket, number, .. })
            if *number != quota.limit)
    }

    /// Whether the bucket says no more than a fresh one would.
    pub fn is_expired(&self, now: Now) -> bool {
        match self {
            Self::Plain(plain) => plain.is_expired(now),
            Self::Penalised(penalised) => penalised.is_expired(now),
        }
    }

    /// Bytes that it holds outside its slot.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::Plain(plain) => plain.heap_bytes(),
            Self::Penalised(penalised) => size_of::<Penalised>() + penalised.inner.heap_bytes(),
        }
    }
}

impl Plain {
    fn fresh(quota: &Quota, now: Now) -> Self {
        match quota.algorithm {
            Algorithm::FixedWindow => Self::Compact(FixedWindow::fresh(quota.window, now).into()),
            Algorithm::SlidingWindow => {
                Self::SlidingWindow(Box::new(SlidingWindow::fresh(quota.window)))
            }
            Algorithm::TokenBucket { .. } => Self::Compact(TokenBucket::fresh(quota, now).into()),
        }
    }

    fn charge(&mut self, quota: &Quota, charge: Charge, now: Now) -> Outcome {
        match self {
            Self::SlidingWindow(window) => window.charge(quota, charge, now),
            Self::Compact(compact) => match compact.kind {
                Kind::FixedWindow => {
                    let mut window = FixedWindow::from(*compact);
                    let outcome = window.charge(quota, charge, now);
                    *compact = window.into();
                    outcome
                }
                Kind::TokenBucket => {
                    let mut bucket = TokenBucket::from(*compact);
                    let outcome = bucket.charge(quota, quota.burst(), charge, now);
                    *compact = bucket.into();
                    outcome
                }
            },
        }
    }

    fn take_back(&mut self, quota: &Quota, hits: u64, charged_at: Now, now: Now) {
        match self {
            Self::SlidingWindow(window) => window.withdraw(quota, hits, charged_at, now),
            Self::Compact(compact) => match compact.kind {
                Kind::FixedWindow => {
                    let mut window = FixedWindow::from(*compact);
                    window.withdraw(quota, hits, charged_at, now);
                    *compact = window.into();
                }
                Kind::TokenBucket => {
                    let mut bucket = TokenBucket::from(*compact);
                    bucket.withdraw(quota, hits, charged_at, now);
                    *compact = bucket.into();
                }
            },
        }
    }

    fn is_expired(&self, now: Now) -> bool {
        match self {
            Self::SlidingWindow(window) => window.is_empty(now),
            Self::Compact(compact) => match compact.kind {
                Kind::FixedWindow => FixedWindow::from(*compact).is_over(now),
                Kind::TokenBucket => TokenBucket::from(*compact).is_full(now),
            },
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Compact(_) => 0,
            Self::SlidingWindow(window) => size_of::<SlidingWindow>() + window.heap_bytes(),
        }
    }
}

#[cfg(test)]
#[path = "taken_back_tests.rs"]
mod taken_back_tests;
