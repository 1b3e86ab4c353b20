//! Sliding windows: in *any* window of the length, wherever it starts, at most `limit` hits.
//!
//! The window remembers runs of admitted hits with the time at which each run is counted. Up to
//! [`EXACT_LIMIT_MAX`] that is the time of the hit itself: the window is exact. Above it, hits are
//! counted at the latest edge of one of [`PARTS`] equal parts of the window, so memory stays bounded
//! and the promise still holds: a hit leaves late, by at most one part, never early. What that
//! costs: under steady load the window behaves as if it were longer by up to 1/64, so up to 1.6 %
//! less than the limit is admitted.
//!
//! Hits are admitted whole or not at all, and refused hits spend nothing. A refund takes back the
//! latest hits first. Times are log times, and do not run backwards: the shard sees to that.
//!
//! What a changed rule does to a live window: a new number acts with the next hit over the same
//! runs, across the change from exact to parts and back; a new length is another bucket.

use std::collections::VecDeque;
use std::time::Duration;

use super::{BadBucket, Outcome, PlainImage};
use crate::descriptor::Charge;
use crate::limit::{Quota, Window};
use crate::time::{LogTime, Now};

/// The greatest limit whose hits are remembered one by one.
pub const EXACT_LIMIT_MAX: u32 = 128;

/// Parts of the window above that.
pub const PARTS: u64 = 64;

/// The most runs that a window remembers: [`EXACT_LIMIT_MAX`] hits that were counted one by one, and
/// the parts of a limit that was raised above that since, with the one that now lies in.
pub const RUNS_MAX: usize = EXACT_LIMIT_MAX as usize + PARTS as usize + 2;

/// Places for runs that a window with any run accounts for at least.
const PLACES_MIN: usize = 4;

/// Memory for so many times the places that a window accounts for is given back.
const SLACK_MAX: usize = 4;

/// A sliding window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlidingWindow {
    length: u64,
    /// Oldest first.
    runs: VecDeque<Run>,
    hits: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    at: LogTime,
    hits: u32,
}

impl SlidingWindow {
    /// A window of this length, in which nothing was admitted.
    pub fn fresh(window: Window) -> Self {
        Self { length: window.nanos(), runs: VecDeque::new(), hits: 0 }
    }

    /// Applies `charge`.
    pub fn charge(&mut self, quota: &Quota, charge: Charge, now: Now) -> Outcome {
        let length = self.length;
        self.forget(now);
        let before = self.hits;
        let limit = u64::from(quota.limit);
        let over = match charge {
            // A peek asks whether a hit would pass.
            Charge::Hits(0) => before >= limit,
            Charge::Hits(hits) => before.saturating_add(hits) > limit,
            Charge::Refund(_) => false,
        };
        match charge {
            Charge::Hits(hits) if !over => self.admit(hits, quota, now),
            Charge::Refund(hits) => self.take_back(hits),
            Charge::Hits(_) => {}
        }
        let left = if over { 0 } else { limit.saturating_sub(self.hits) };
        Outcome {
            over,
            before,
            after: self.hits,
            remaining: u32::try_from(left).unwrap_or(u32::MAX),
            reset_after: self.runs.back().map_or(Duration::ZERO, |run| run.leaves_in(length, now)),
            retry_after: over.then(|| self.retry_after(charge, limit, now)),
        }
    }

    /// Whether nothing is remembered that still counts.
    pub fn is_empty(&self, now: Now) -> bool {
        self.runs.back().is_none_or(|run| run.is_gone(self.length, now))
    }

    /// Bytes on the heap, as they are accounted for: by what is remembered, not by what the
    /// allocator happened to give. Two windows that remember the same account for the same, whichever
    /// way they came to it: else replicas would run out of room at different times.
    pub fn heap_bytes(&self) -> usize {
        self.places() * size_of::<Run>()
    }

    fn places(&self) -> usize {
        let runs = self.runs.len();
        if runs == 0 { 0 } else { runs.next_power_of_two().max(PLACES_MIN) }
    }

    /// Gives back memory that is far more than is accounted for.
    fn shrink(&mut self) {
        let places = self.places().max(PLACES_MIN);
        if self.runs.capacity() > SLACK_MAX * places {
            self.runs.shrink_to(places);
        }
    }

    pub(super) fn image(&self) -> PlainImage {
        let runs = self.runs.iter().map(|run| (run.at, run.hits)).collect();
        PlainImage::SlidingWindow { length_nanos: self.length, runs }
    }

    pub(super) fn from_image(length: u64, runs: &[(LogTime, u32)]) -> Result<Self, BadBucket> {
        if runs.len() > RUNS_MAX {
            return Err(BadBucket::Runs(runs.len()));
        }
        let rises = runs.is_sorted_by(|(earlier, _), (later, _)| earlier < later);
        if !rises || runs.iter().any(|(_, hits)| *hits == 0) {
            return Err(BadBucket::Order);
        }
        let hits = runs.iter().map(|(_, hits)| u64::from(*hits)).sum();
        let runs = runs.iter().map(|&(at, hits)| Run { at, hits }).collect();
        Ok(Self { length, runs, hits })
    }

    fn forget(&mut self, now: Now) {
        while let Some(run) = self.runs.front() {
            if !run.is_gone(self.length, now) {
                break;
            }
            self.hits -= u64::from(run.hits);
            self.runs.pop_front();
        }
        self.shrink();
    }

    fn admit(&mut self, hits: u64, quota: &Quota, now: Now) {
        // Admitted hits are at most the limit, so they fit.
        let Ok(run_hits) = u32::try_from(hits) else { return };
        if run_hits == 0 {
            return;
        }
        let newest = self.runs.back().map_or(LogTime::default(), |run| run.at);
        let at = counted_at(quota, now).max(newest);
        self.hits += hits;
        match self.runs.back_mut() {
            Some(run) if run.at == at => run.hits = run.hits.saturating_add(run_hits),
            _ => self.runs.push_back(Run { at, hits: run_hits }),
        }
    }

    fn take_back(&mut self, mut hits: u64) {
        while let Some(run) = self.runs.back_mut() {
            let taken = hits.min(u64::from(run.hits));
            run.hits -= u32::try_from(taken).unwrap_or(run.hits);
            self.hits -= taken;
            hits -= taken;
            if run.hits > 0 {
                break;
            }
            self.runs.pop_back();
        }
        self.shrink();
    }

    /// Takes back hits that were admitted at `charged_at`, from the run that they are counted in and
    /// from no other: later ones leave later.
    pub fn withdraw(&mut self, quota: &Quota, hits: u64, charged_at: Now, now: Now) {
        self.forget(now);
        let at = counted_at(quota, charged_at);
        let Ok(index) = self.runs.binary_search_by_key(&at, |run| run.at) else { return };
        let Some(run) = self.runs.get_mut(index) else { return };
        let taken = run.hits.min(u32::try_from(hits).unwrap_or(u32::MAX));
        run.hits -= taken;
        self.hits -= u64::from(taken);
        if run.hits == 0 {
            self.runs.remove(index);
        }
        self.shrink();
    }

    /// When the same charge would pass, if it is left alone; a charge larger than the limit never
    /// would, and is told when the window is empty.
    fn retry_after(&self, charge: Charge, limit: u64, now: Now) -> Duration {
        let wanted = match charge {
            Charge::Hits(hits) => hits.max(1),
            Charge::Refund(_) => 0,
        };
        let mut left = self.hits;
        let mut leaves = Duration::ZERO;
        for run in &self.runs {
            if left.saturating_add(wanted) <= limit {
                break;
            }
            left -= u64::from(run.hits);
            leaves = run.leaves_in(self.length, now);
        }
        leaves
    }
}

impl Run {
    fn is_gone(&self, length: u64, now: Now) -> bool {
        self.leaves_in(length, now).is_zero()
    }

    fn leaves_in(&self, length: u64, now: Now) -> Duration {
        self.at.plus(Duration::from_nanos(length)).since(now.log)
    }
}

/// The time at which a hit of now is counted: now, or the end of the part that now lies in.
fn counted_at(quota: &Quota, now: Now) -> LogTime {
    if quota.limit <= EXACT_LIMIT_MAX {
        return now.log;
    }
    let part = quota.window.nanos().div_ceil(PARTS);
    LogTime::from_nanos((now.log.as_nanos() / part).saturating_add(1).saturating_mul(part))
}

#[cfg(test)]
#[path = "sliding_window_tests.rs"]
mod tests;
