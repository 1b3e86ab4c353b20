//! Token buckets, as GCRA: one number, the theoretical arrival time of the next conforming hit.
//!
//! A bucket holds `burst` hits and refills at `limit` hits a window. Hits are admitted whole or not
//! at all, and refused hits spend nothing. Times are log times, so nothing refills faster than real
//! time passes. (ATM Forum, Traffic Management 4.0: Generic Cell Rate Algorithm.)
//!
//! One hit's share of the window is rounded up to a whole nanosecond, which admits less than the
//! rate by at most one nanosecond a hit: one part in a million at a thousand hits a second, a
//! thousandth at a million.
//!
//! What a changed rule does to a live bucket: the hits that are missing from it stay missing and are
//! refilled at the new rate (with a new rate at most as many as the new burst, so that a bucket is
//! empty at the most); a new burst acts with the next hit; a new window is another bucket.

use std::time::Duration;

use super::Outcome;
use super::compact::{Compact, Kind};
use crate::descriptor::Charge;
use crate::limit::Quota;
use crate::time::{LogTime, Now, saturating_nanos};

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    /// When the bucket is full again, at the rate of `limit`.
    full_at: LogTime,
    limit: u32,
}

impl TokenBucket {
    /// A full bucket.
    pub fn fresh(quota: &Quota, now: Now) -> Self {
        Self { full_at: now.log, limit: quota.limit }
    }

    /// Applies `charge` for a bucket that holds `burst` hits.
    pub fn charge(&mut self, quota: &Quota, burst: u32, charge: Charge, now: Now) -> Outcome {
        let share = share_nanos(quota, quota.limit);
        let size = share.saturating_mul(u64::from(burst));
        let missing = self.missing(quota, share, size, now);
        let before = missing.div_ceil(share);
        let (wanted, over) = match charge {
            // A peek asks whether a hit would pass.
            Charge::Hits(0) => (missing, missing.saturating_add(share) > size),
            Charge::Hits(hits) => {
                let spent = share.checked_mul(hits).and_then(|nanos| missing.checked_add(nanos));
                let wanted = spent.filter(|wanted| *wanted <= size && quota.limit > 0);
                (wanted.unwrap_or(missing), wanted.is_none())
            }
            Charge::Refund(hits) => (missing.saturating_sub(share.saturating_mul(hits)), false),
        };
        let kept = if over { missing } else { wanted };
        self.full_at = now.log.plus(Duration::from_nanos(kept));
        let left = if over { 0 } else { size.saturating_sub(kept) / share };
        Outcome {
            over,
            before,
            after: kept.div_ceil(share),
            remaining: u32::try_from(left).unwrap_or(u32::MAX),
            reset_after: Duration::from_nanos(kept),
            retry_after: over.then(|| retry_after(charge, missing, share, size)),
        }
    }

    /// Takes back hits that were admitted at `charged_at`, without what may have refilled since.
    ///
    /// Beside the bucket think of one that the hits were never charged to. More is missing here: at
    /// first by the hits' share of the window, and that difference shrinks no faster than time
    /// passes, because what is missing does not. So the share without the time since is never more
    /// than the difference. Several charges that are taken back add up alike.
    pub fn withdraw(&mut self, quota: &Quota, hits: u64, charged_at: Now, now: Now) {
        let Some(spent) = share_nanos(quota, quota.limit).checked_mul(hits) else { return };
        let missing = saturating_nanos(self.full_at.since(now.log));
        let owed = spent.saturating_sub(saturating_nanos(now.log.since(charged_at.log)));
        // A number that changed, or a time that stopped, hides what the difference is.
        let is_known = self.limit == quota.limit && self.full_at.as_nanos() < u64::MAX;
        if is_known && missing > 0 {
            self.full_at = now.log.plus(Duration::from_nanos(missing.saturating_sub(owed)));
        }
    }

    /// Nanoseconds until the bucket is full at the rate of now.
    fn missing(&mut self, quota: &Quota, share: u64, size: u64, now: Now) -> u64 {
        let missing = saturating_nanos(self.full_at.since(now.log));
        if self.limit == quota.limit {
            return missing;
        }
        let old_share = share_nanos(quota, self.limit);
        self.limit = quota.limit;
        // Rounded up: a hit that is half missing is missing.
        let scaled = (u128::from(missing) * u128::from(share)).div_ceil(u128::from(old_share));
        u64::try_from(scaled).unwrap_or(u64::MAX).min(size)
    }

    /// Whether the bucket is full.
    pub fn is_full(&self, now: Now) -> bool {
        now.log >= self.full_at
    }
}

impl From<TokenBucket> for Compact {
    fn from(bucket: TokenBucket) -> Self {
        Self { at: bucket.full_at.as_nanos(), number: bucket.limit, kind: Kind::TokenBucket }
    }
}

impl From<Compact> for TokenBucket {
    fn from(compact: Compact) -> Self {
        Self { full_at: LogTime::from_nanos(compact.at), limit: compact.number }
    }
}

/// One hit's share of the window at `limit` hits a window; never zero.
fn share_nanos(quota: &Quota, limit: u32) -> u64 {
    quota.window.nanos().div_ceil(u64::from(limit.max(1))).max(1)
}

/// When the same charge would pass, if it is left alone; a charge larger than the burst never
/// would, and is told when the bucket is full.
fn retry_after(charge: Charge, missing: u64, share: u64, size: u64) -> Duration {
    let hits = match charge {
        Charge::Hits(hits) => hits.max(1),
        Charge::Refund(_) => 0,
    };
    let room = size.saturating_sub(share.saturating_mul(hits));
    Duration::from_nanos(missing.saturating_sub(room))
}

#[cfg(test)]
#[path = "token_bucket_tests.rs"]
mod tests;
