//! What the gateway counts. Others tell it to people.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tollgate_core::time::saturating_nanos;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// What was counted so far.
    pub fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(super) fn one(&self) {
        self.add(1);
    }

    /// Adds a duration, in nanoseconds.
    pub(super) fn time(&self, duration: Duration) {
        self.add(saturating_nanos(duration));
    }
}

/// Since the gateway was made. Times are sums in nanoseconds.
#[derive(Debug, Default)]
pub struct Figures {
    /// Calls that were put into a queue; a call over several groups counts in each.
    pub calls: Count,
    /// Calls whose charges are in several groups.
    pub spread: Count,
    /// Batches that were made.
    pub batches: Count,
    /// Calls in them.
    pub batched: Count,
    /// Bytes of them.
    pub batch_bytes: Count,
    /// Time that calls waited for their batch.
    pub queue_nanos: Count,
    /// Time from a batch's making to its answers.
    pub commit_nanos: Count,
    /// Batches that were answered.
    pub answered: Count,
    /// Batches that went to another node.
    pub forwarded: Count,
    /// Batches that were sent again, once for each time.
    pub resent: Count,
    /// Entries that this node proposed as a leader, of any node's batches.
    pub proposed: Count,
    /// Charges that were refused from memory.
    pub denied_locally: Count,
    /// Denials that were remembered.
    pub denials_remembered: Count,
    /// Denials that found the memory full.
    pub denials_unremembered: Count,
    /// Charges that were given back because another group refused its part of a request.
    pub taken_back: Count,
    /// Calls that found a queue full.
    pub overloaded: Count,
    /// Calls that were over before they were sent.
    pub not_executed: Count,
    /// Calls for which no leader was found in time.
    pub leaderless: Count,
    /// Calls that were sent and not answered in time.
    pub timed_out: Count,
    /// Calls that the group refused.
    pub not_done: Count,
}

impl Figures {
    /// Calls that no group answered, for whatever reason but that it refused.
    pub fn unanswered(&self) -> u64 {
        let all = [&self.overloaded, &self.not_executed, &self.leaderless, &self.timed_out];
        all.into_iter().map(Count::total).sum()
    }
}
