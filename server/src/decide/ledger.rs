//! The ledger of a lone node: shards of the core's store, each behind a lock of its own.
//!
//! A charge locks one shard for one step of the core and awaits nothing inside. Locks do not
//! poison: a panic in a charge costs that call.

use parking_lot::{Mutex, MutexGuard};
use tollgate_core::bucket::{Bucket, Outcome};
use tollgate_core::descriptor::Charge;
use tollgate_core::key::Key;
use tollgate_core::plan::Operation;
use tollgate_core::store::{Bounds, Refused, Saved, Shard, Slot, Stats};
use tollgate_core::time::Now;

/// The fewest shards of a ledger. Enough that cores rarely meet in one, and that a shard whose index
/// must grow keeps its callers waiting for microseconds.
const SHARDS_MIN: usize = 256;

/// The most shards: memory that an empty ledger takes.
const SHARDS_MAX: usize = 16_384;

/// Ticks in which the background sweep comes round every shard.
const SWEEP_TURN: u16 = 30;

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
        // Half full shards leave room for an uneven spread.
        let wanted = bounds.keys_max.div_ceil(Shard::KEYS_MAX / 2);
        let count = wanted.clamp(SHARDS_MIN, SHARDS_MAX).next_power_of_two();
        let each = Bounds {
            keys_max: bounds.keys_max.div_ceil(count),
            bytes_max: bounds.bytes_max.div_ceil(count),
        };
        Self { shards: (0..count).map(|_| Padded(Mutex::new(Shard::new(each)))).collect() }
    }

    /// Charges one bucket.
    ///
    /// # Errors
    /// [`Refused`] if its shard is full and nothing in it may leave.
    pub fn charge(&self, operation: &Operation<'_>, now: Now) -> Result<Outcome, Refused> {
        let shard = self.shard(operation.key).ok_or(Refused)?;
        shard.lock().charge(operation, &[operation.key], now)
    }

    /// Charges every operation, and takes back those that were admitted unless `passes` says that
    /// their outcomes let the request pass. The outcomes of charges that were taken back tell what
    /// is there without them. What a refused charge left, such as a penalty, stays; but a bucket that
    /// refused only because the same request had charged it before is as if it was never asked.
    ///
    /// # Errors
    /// [`Refused`] if there is no room for one of them; nothing was charged then.
    pub fn charge_all_or_none(
        &self,
        operations: &[Operation<'_>],
        now: Now,
        passes: impl FnOnce(&[Outcome]) -> bool,
    ) -> Result<Vec<Outcome>, Refused> {
        let pinned: Vec<_> = operations.iter().map(|operation| operation.key).collect();
        let mut shards = self.lock_all(operations);
        let mut saved = Vec::with_capacity(operations.len());
        let mut outcomes = Vec::with_capacity(operations.len());
        for operation in operations {
            let Some(shard) = shards.of(operation.key) else { return Err(Refused) };
            let before = shard.save(operation.key);
            match shard.charge(operation, &pinned, now) {
                Ok(outcome) => outcomes.push(outcome),
                Err(refused) => {
                    shards.restore(saved);
                    return Err(refused);
                }
            }
            saved.push(before);
        }
        if passes(&outcomes) {
            return Ok(outcomes);
        }
        let admitted = outcomes.iter().map(|outcome| !outcome.over);
        let to_restore = saved.into_iter().zip(admitted).filter(|(_, admitted)| *admitted);
        shards.restore(to_restore.map(|(saved, _)| saved).collect());
        for (outcome, operation) in outcomes.iter_mut().zip(operations) {
            if outcome.over {
                continue;
            }
            let peek = Operation { charge: Charge::Hits(0), ..*operation };
            let Some(shard) = shards.of(operation.key) else { return Err(Refused) };
            let peek = shard.charge(&peek, &pinned, now)?;
            *outcome = Outcome { over: false, retry_after: None, ..peek };
        }
        Ok(outcomes)
    }

    /// A copy of a bucket.
    pub fn bucket(&self, key: Key) -> Option<Bucket> {
        let shard = self.shard(key)?.lock();
        shard.slot(key).map(|slot| slot.bucket.clone())
    }

    /// Forgets a bucket; true if there was one.
    pub fn reset(&self, key: Key) -> bool {
        self.shard(key).is_some_and(|shard| shard.lock().reset(key))
    }

    /// Shows every slot to `visit`, one shard at a time, in a fixed order of shards.
    pub fn visit(&self, mut visit: impl FnMut(&Slot<'_>)) {
        for Padded(shard) in &self.shards {
            shard.lock().slots().for_each(|slot| visit(&slot));
        }
    }

    /// The low half of a key hashes inside its shard, so the high half chooses the shard.
    fn index(&self, key: Key) -> usize {
        key.high() as usize % self.shards.len()
    }

    fn shard(&self, key: Key) -> Option<&Mutex<Shard>> {
        self.shards.get(self.index(key)).map(|Padded(shard)| shard)
    }

    /// Locks the shards of all operations, in the order of their numbers, so that two requests
    /// never wait for each other in a circle.
    fn lock_all(&self, operations: &[Operation<'_>]) -> Locked<'_> {
        let mut wanted: Vec<_> =
            operations.iter().map(|operation| self.index(operation.key)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let lock = |at| self.shards.get(at).map(|Padded(shard)| (at, shard.lock()));
        Locked { ledger: self, shards: wanted.into_iter().filter_map(lock).collect() }
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

/// Shards that are locked together, by number.
struct Locked<'a> {
    ledger: &'a LocalLedger,
    shards: Vec<(usize, MutexGuard<'a, Shard>)>,
}

impl Locked<'_> {
    fn of(&mut self, key: Key) -> Option<&mut Shard> {
        let wanted = self.ledger.index(key);
        self.shards.iter_mut().find(|(at, _)| *at == wanted).map(|(_, shard)| &mut **shard)
    }

    /// Takes charges back, the last one first, so that a bucket charged twice ends as it began.
    fn restore(&mut self, saved: Vec<Saved>) {
        for saved in saved.into_iter().rev() {
            if let Some(shard) = self.of(saved.key()) {
                shard.restore(saved);
            }
        }
    }
}
