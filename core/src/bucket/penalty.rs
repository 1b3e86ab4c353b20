//! Penalties: whoever comes back before the time it was told waits longer each time.
//!
//! A refusal tells a time to come back. A hit before that time is refused without asking the
//! algorithm, and the wait doubles, up to the limit's bound. A window's length without any hit takes
//! one doubling back. Whoever waits as told is never penalised: its hits are judged by the algorithm
//! alone, and its wait is the algorithm's.

use std::time::Duration;

use super::{BadBucket, Outcome, PenaltyImage, Plain};
use crate::descriptor::Charge;
use crate::limit::{Quota, Window};
use crate::time::{LogTime, Now, saturating_nanos};

/// Doublings that are counted; beyond them every wait has long met its bound.
const STEPS_MAX: u32 = 32;

/// A bucket with a memory for impatience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Penalised {
    /// What judges hits that come in time.
    pub inner: Plain,
    /// The wait that the algorithm asked for at the latest refusal.
    base: Duration,
    /// How often that was doubled.
    steps: u32,
    not_before: LogTime,
    last_hit: LogTime,
    window: Window,
}

impl Penalised {
    /// A bucket without any memory yet.
    pub fn around(inner: Plain, quota: &Quota, now: Now) -> Self {
        Self {
            inner,
            base: Duration::ZERO,
            steps: 0,
            not_before: now.log,
            last_hit: now.log,
            window: quota.window,
        }
    }

    /// Applies `charge`; no wait grows beyond `wait_max`, unless the algorithm itself asks for more.
    pub fn charge(
        &mut self,
        quota: &Quota,
        wait_max: Duration,
        charge: Charge,
        now: Now,
    ) -> Outcome {
        let early = self.is_early(now);
        match charge {
            Charge::Hits(0) if early => {
                let wait = self.not_before.since(now.log);
                self.refused(quota, now, wait)
            }
            Charge::Hits(0) | Charge::Refund(_) => self.inner.charge(quota, charge, now),
            Charge::Hits(_) if early => {
                self.step_back(now);
                self.steps = (self.steps + 1).min(STEPS_MAX);
                let due = self.inner.clone().charge(quota, charge, now).retry_after;
                let wait = self.hold(wait_max, due.unwrap_or_default(), now);
                self.refused(quota, now, wait)
            }
            Charge::Hits(_) => {
                self.step_back(now);
                let outcome = self.inner.charge(quota, charge, now);
                let Some(base) = outcome.retry_after else { return outcome };
                self.base = base;
                Outcome { retry_after: Some(self.hold(wait_max, base, now)), ..outcome }
            }
        }
    }

    /// Whether it says no more than a fresh one would.
    pub fn is_expired(&self, now: Now) -> bool {
        let forgiven = u64::from(self.steps).saturating_mul(self.window.nanos());
        now.log >= self.not_before
            && now.log >= self.last_hit.plus(Duration::from_nanos(forgiven))
            && self.inner.is_expired(now)
    }

    /// Whether a hit now comes before the time it was told.
    pub(super) fn is_early(&self, now: Now) -> bool {
        now.log < self.not_before
    }

    pub(super) fn image(&self) -> PenaltyImage {
        let Self { base, steps, not_before, last_hit, window, .. } = *self;
        PenaltyImage { base, steps, not_before, last_hit, window }
    }

    pub(super) fn from_image(inner: Plain, image: PenaltyImage) -> Result<Self, BadBucket> {
        let PenaltyImage { base, steps, not_before, last_hit, window } = image;
        if steps > STEPS_MAX {
            return Err(BadBucket::Steps(steps));
        }
        Ok(Self { inner, base, steps, not_before, last_hit, window })
    }

    /// Takes back one doubling for each quiet window, and marks this hit.
    fn step_back(&mut self, now: Now) {
        let quiet = saturating_nanos(now.log.since(self.last_hit)) / self.window.nanos();
        self.steps = self.steps.saturating_sub(u32::try_from(quiet).unwrap_or(u32::MAX));
        self.last_hit = now.log.max(self.last_hit);
    }

    /// Starts the wait that is due now and returns it: never shorter than `due`, which is what the
    /// algorithm itself asks for at this moment.
    fn hold(&mut self, wait_max: Duration, due: Duration, now: Now) -> Duration {
        let doubled = self.base.saturating_mul(1_u32.checked_shl(self.steps).unwrap_or(u32::MAX));
        let wait = doubled.min(wait_max).max(due);
        self.not_before = now.log.plus(wait);
        wait
    }

    /// The answer to a hit that came too early: over, and nothing spent.
    fn refused(&mut self, quota: &Quota, now: Now, wait: Duration) -> Outcome {
        let peek = self.inner.clone().charge(quota, Charge::Hits(0), now);
        Outcome { over: true, remaining: 0, retry_after: Some(wait), ..peek }
    }
}

#[cfg(test)]
#[path = "penalty_tests.rs"]
mod tests;
