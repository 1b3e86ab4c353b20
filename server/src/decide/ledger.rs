//! The ledger of a lone node: shards of the core's store, each behind a lock of its own.
//!
//! A charge locks one shard for one step of the core and awaits nothing inside. Locks do not
//! poison: a panic in a charge costs that call.

use parking_lot::Mutex;
use tollgate_core::bucket::Outcome;
use tollgate_core::plan::Operation;
use tollgate_core::store::{Bounds, Refused, Shard, Stats};
use tollgate_core::time::Now;

/// Shards of the ledger. Enough that cores rarely meet in one, and that a shard whose index must
/// grow keeps its callers waiting for microseconds.
const SHARDS: usize = 256;

/// Ticks in which the background sweep comes round every shard.
const SWEEP_TURN: u32 = 30;

/// Counters in the memory of one node.
#[derive(Debug)]
pub struct LocalLedger {
    shards: Box<[Padded]>,
}

/// A shard on cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Padded(Mutex<Shard>);

/// What a ledger holds, and how buckets left it since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Keys.
    pub keys: usize,
    /// Bytes that the keys account for.
    pub bytes: usize,
    /// How buckets left.
    pub stats: Stats,
}

impl LocalLedger {
    /// An empty ledger that holds at most `bounds`, divided evenly over its shards.
    pub fn new(bounds: Bounds) -> Self {
        let each = Bounds {
            keys_max: bounds.keys_max.div_ceil(SHARDS),
            bytes_max: bounds.bytes_max.div_ceil(SHARDS),
        };
        Self { shards: (0..SHARDS).map(|_| Padded(Mutex::new(Shard::new(each)))).collect() }
    }

    /// Charges one bucket.
    ///
    /// # Errors
    /// [`Refused`] if its shard is full and nothing in it may leave.
    pub fn charge(&self, operation: &Operation<'_>, now: Now) -> Result<Outcome, Refused> {
        // The low half hashes inside the shard, so the high half chooses it.
        let at = operation.key.high() as usize % SHARDS;
        let Some(Padded(shard)) = self.shards.get(at) else {
            return Err(Refused);
        };
        shard.lock().charge(operation, now)
    }

    /// Frees ended buckets in a part of every shard, so that an idle ledger empties too.
    pub fn sweep(&self, now: Now) {
        for Padded(shard) in &self.shards {
            let mut shard = shard.lock();
            let steps = shard.places().div_ceil(SWEEP_TURN);
            shard.sweep(steps, now);
        }
    }

    /// What it holds now.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for Padded(shard) in &self.shards {
            let shard = shard.lock();
            let stats = shard.stats();
            totals.keys += shard.keys();
            totals.bytes += shard.bytes();
            totals.stats.expired += stats.expired;
            totals.stats.evicted_live += stats.evicted_live;
            totals.stats.evicted_over_limit += stats.evicted_over_limit;
            totals.stats.refused += stats.refused;
        }
        totals
    }
}
