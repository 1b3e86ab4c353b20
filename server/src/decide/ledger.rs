//! The ledger of a lone node: shards of the core's store, each behind a lock of its own.
//!
//! A charge locks one shard for one step of the core and awaits nothing inside. Locks do not
//! poison: a panic in a charge costs that call.

use std::ops::AddAssign;

use parking_lot::{Mutex, MutexGuard};
use tollgate_core::bucket::{Bucket, Outcome};
use tollgate_core::key::{Key, ReservationId};
use tollgate_core::plan::Operation;
use tollgate_core::replica;
use tollgate_core::reservation::Reservation;
use tollgate_core::store::{
    self, Bounds, Held, Refused, Settled, Shard, Shards, Slot, Stats, Unsettled,
};
use tollgate_core::time::{LogTime, Now};

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
    /// Open reservations.
    pub reservations: usize,
    /// Reservations that ended without commit or cancellation.
    pub reservations_ended: u64,
}

/// Of one group more.
impl AddAssign<replica::Totals> for Totals {
    fn add_assign(&mut self, group: replica::Totals) {
        self.keys += group.keys;
        self.bytes += group.bytes;
        self.stats += group.stats;
        self.reservations += group.reservations;
        self.reservations_ended += group.reservations_ended;
    }
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

    /// Charges every operation or none: see [`store::charge_all_or_none`].
    ///
    /// # Errors
    /// [`Refused`] if there is no room for one of them; nothing was charged then.
    pub fn charge_all_or_none(
        &self,
        operations: &[Operation<'_>],
        now: Now,
        passes: impl FnOnce(&[Outcome]) -> bool,
    ) -> Result<Vec<Outcome>, Refused> {
        let mut shards = self.lock_all(operations.iter().map(|operation| operation.key));
        store::charge_all_or_none(&mut shards, operations, now, passes)
    }

    /// Holds the hits of every operation or of none: see [`store::hold_all_or_none`].
    ///
    /// # Errors
    /// [`Refused`] if there is no room to remember a refusal; nothing is held then.
    pub fn hold_all_or_none(
        &self,
        operations: &[Operation<'_>],
        hold: (LogTime, ReservationId),
        now: Now,
        passes: impl FnOnce(&[Outcome]) -> bool,
    ) -> Result<Vec<Outcome>, Refused> {
        let mut shards = self.lock_all(operations.iter().map(|operation| operation.key));
        store::hold_all_or_none(&mut shards, operations, hold, now, passes)
    }

    /// Spends `hits` of a reservation and frees what it held: see [`store::settle`].
    ///
    /// # Errors
    /// [`Unsettled`]; nothing was spent then.
    pub fn settle(
        &self,
        reservation: &Reservation,
        hits: u64,
        now: Now,
    ) -> Result<Settled, Unsettled> {
        let mut shards = self.lock_all(reservation.parts.iter().map(|part| part.key));
        store::settle(&mut shards, &reservation.parts, reservation.hold(), hits, now)
    }

    /// Frees what a reservation held: see [`store::release`].
    ///
    /// # Errors
    /// [`Unsettled::Ended`] if it was free already.
    pub fn release(&self, reservation: &Reservation, now: Now) -> Result<Settled, Unsettled> {
        let mut shards = self.lock_all(reservation.parts.iter().map(|part| part.key));
        store::release(&mut shards, &reservation.parts, reservation.hold(), now)
    }

    /// A copy of a bucket, and what is held of it.
    pub(super) fn seen(&self, key: Key, now: Now) -> (Option<Bucket>, Held) {
        let Some(shard) = self.shard(key) else { return (None, Held::NOTHING) };
        let shard = shard.lock();
        (shard.slot(key).map(|slot| slot.bucket.clone()), shard.held(key, now))
    }

    /// Hits that reservations hold of a key.
    pub fn held(&self, key: Key, now: Now) -> u64 {
        self.seen(key, now).1.total()
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

    /// Locks the shards of all keys, in the order of their numbers, so that two requests never wait
    /// for each other in a circle.
    fn lock_all(&self, keys: impl Iterator<Item = Key>) -> Locked<'_> {
        let mut wanted: Vec<_> = keys.map(|key| self.index(key)).collect();
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
            totals.keys += shard.keys();
            totals.bytes += shard.bytes();
            totals.stats += shard.stats();
        }
        totals
    }
}

/// Shards that are locked together, by number.
struct Locked<'a> {
    ledger: &'a LocalLedger,
    shards: Vec<(usize, MutexGuard<'a, Shard>)>,
}

impl Shards for Locked<'_> {
    fn shard(&mut self, key: Key) -> Option<&mut Shard> {
        let wanted = self.ledger.index(key);
        self.shards.iter_mut().find(|(at, _)| *at == wanted).map(|(_, shard)| &mut **shard)
    }
}
