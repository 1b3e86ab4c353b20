//! The ledger of a decider: this node's own, or one that several nodes keep together.

use std::fmt;
use std::sync::Arc;

use tollgate_core::bucket::Bucket;
use tollgate_core::key::Key;
use tollgate_core::store::Slot;
use tollgate_core::time::Now;

use super::{LocalLedger, Replicated, Totals};

/// Where buckets are. What operators look at is told by either at once.
pub enum Ledger {
    /// In the memory of this node alone: whoever asks it never waits.
    Local(LocalLedger),
    /// In that of several nodes.
    Replicated(Arc<dyn Replicated>),
}

impl Ledger {
    /// Whether asking it may have to wait.
    pub fn is_replicated(&self) -> bool {
        matches!(self, Self::Replicated(_))
    }

    /// Shows every slot to `visit`, one shard at a time, in a fixed order of shards.
    pub fn visit(&self, mut visit: impl FnMut(&Slot<'_>)) {
        match self {
            Self::Local(ledger) => ledger.visit(visit),
            Self::Replicated(ledger) => ledger.visit(&mut visit),
        }
    }

    /// A copy of a bucket.
    pub fn bucket(&self, key: Key) -> Option<Bucket> {
        match self {
            Self::Local(ledger) => ledger.bucket(key),
            Self::Replicated(ledger) => ledger.bucket(key),
        }
    }

    /// Hits that reservations hold of a key.
    pub fn held(&self, key: Key, now: Now) -> u64 {
        match self {
            Self::Local(ledger) => ledger.held(key, now),
            Self::Replicated(ledger) => ledger.held(key, now),
        }
    }

    /// What it holds now. A ledger of this node alone knows no reservations.
    pub fn totals(&self) -> Totals {
        match self {
            Self::Local(ledger) => ledger.totals(),
            Self::Replicated(ledger) => ledger.totals(),
        }
    }
}

/// Without what it holds.
impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_replicated() { "Replicated" } else { "Local" };
        f.debug_struct(kind).finish_non_exhaustive()
    }
}
