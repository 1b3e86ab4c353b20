//! One part of the store: an index of slots, and the rules for leaving it.
//!
//! **Expiry** costs a constant: every insertion looks at [`SWEEP_STEPS`] places behind a moving
//! hand and frees those that say no more than a fresh bucket would. Nothing ever walks the whole.
//!
//! **Eviction** happens only when the shard is full: see `eviction.rs`. A bucket that exists and need
//! not grow is always charged.

use std::ops::AddAssign;

use hashbrown::HashTable;

use super::asked::{Asked, apply};
use super::domains::{DomainNumber, Domains};
use super::eviction::Room;
use super::holds::{Held, Holds};
use super::slots::{self, FULL, SLOTS_MAX, Slots};
use super::taken_back::loosens;
use super::texts::{self, Texts};
use crate::bucket::{Bucket, Outcome};
use crate::descriptor::Charge;
use crate::key::{DomainTag, Key};
use crate::time::{LogTime, Now};

/// Places looked at for expiry with each insertion: two, so that the hand comes round before the
/// shard has grown by half again of what is alive.
const SWEEP_STEPS: u16 = 2;

/// What a key costs beside its text and its heap: the slot, three bytes of index at a load between
/// 7/16 and 7/8, and two bytes before the text.
const FIXED_BYTES: usize = size_of::<slots::Slot>() + 5 + texts::PREFIX;

/// Keys for which a shard's index is made ready at once: growing it later moves every entry while
/// callers wait. Costs a byte of memory a place until the place is used.
const INDEX_READY: usize = 4_096;

/// The most that one charge can add to a bucket's heap: a sliding window's runs, doubled from 128.
const GROWTH_MAX: usize = 4_096;

/// How much a shard may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Keys.
    pub keys_max: usize,
    /// Bytes: slots, index and texts.
    pub bytes_max: usize,
}

/// How buckets left the shard, and what was refused, since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Freed after they had ended.
    pub expired: u64,
    /// Given up while they still counted.
    pub evicted_live: u64,
    /// Given up although their limit was spent, because another domain needed its share.
    pub evicted_over_limit: u64,
    /// Operations refused because nobody could leave.
    pub refused: u64,
}

/// Of several shards together.
impl AddAssign for Stats {
    fn add_assign(&mut self, more: Self) {
        self.expired += more.expired;
        self.evicted_live += more.evicted_live;
        self.evicted_over_limit += more.evicted_over_limit;
        self.refused += more.refused;
    }
}

/// The shard is full and nothing in reach may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ledger is full and nothing in reach may be evicted")]
pub struct Refused;

/// A bucket in the store, to be looked at.
#[derive(Clone, Copy, Debug)]
pub struct Slot<'a> {
    /// The bucket's identity.
    pub key: Key,
    /// The live state.
    pub bucket: &'a Bucket,
    /// What the key stands for, in words.
    pub text: &'a str,
    /// Whose share it counts against.
    pub domain: DomainTag,
    /// Which part of its limit is spent, in 254ths; [`FULL`] once nothing is left.
    pub fill: u8,
}

/// One part of the store.
#[derive(Clone, Debug)]
pub struct Shard {
    index: HashTable<u16>,
    pub(super) slots: Slots,
    pub(super) holds: Holds,
    pub(super) bytes: usize,
    pub(super) hand: u16,
    pub(super) texts: Texts,
    pub(super) domains: Domains,
    pub(super) bounds: Bounds,
    pub(super) stats: Stats,
    /// The latest time of any charge or sweep. Threads read the clock before they wait for the
    /// shard, so that charges come a little out of order; what is answered after another answer was
    /// not given before it, and a bucket that ended at this time may be gone. So whatever comes late
    /// is judged at this time.
    latest: Now,
    /// The latest time at which spent hits were lost otherwise than by the passing of time: see
    /// [`Self::take_back`].
    pub(super) loosened: Option<LogTime>,
}

impl Shard {
    /// The most keys of one shard; a ledger of more keys has more shards.
    pub const KEYS_MAX: usize = SLOTS_MAX;

    /// An empty shard. It holds no more than [`Shard::KEYS_MAX`] keys, whatever the bounds say.
    pub fn new(bounds: Bounds) -> Self {
        let bounds = Bounds { keys_max: bounds.keys_max.min(Self::KEYS_MAX), ..bounds };
        Self {
            index: HashTable::with_capacity(bounds.keys_max.min(INDEX_READY)),
            slots: Slots::default(),
            holds: Holds::default(),
            bytes: 0,
            hand: 0,
            texts: Texts::default(),
            domains: Domains::default(),
            bounds,
            stats: Stats::default(),
            latest: Now::default(),
            loosened: None,
        }
    }

    /// Changes what it may hold. What it holds beyond that leaves with the charges that need room.
    pub fn set_bounds(&mut self, bounds: Bounds) {
        self.bounds = Bounds { keys_max: bounds.keys_max.min(Self::KEYS_MAX), ..bounds };
    }

    /// Charges the bucket that is asked for, creating it if hits are to be kept. Room that is needed is
    /// never made by giving up a bucket of `pinned`, which are the keys of the whole request.
    ///
    /// # Errors
    /// [`Refused`] if there is no room, for a new bucket or for what an old one must remember;
    /// nothing was charged then.
    pub fn charge<'a>(
        &mut self,
        asked: impl Into<Asked<'a>>,
        pinned: &[Key],
        now: Now,
    ) -> Result<Outcome, Refused> {
        let asked = &asked.into();
        let now = self.reach(now);
        // Most shards hold nothing: they pay this branch.
        let held = (!self.holds.is_empty()).then(|| self.holds.current(asked.key, now.log));
        match self.find(asked.key) {
            Some(at) => self.charge_old(at, (asked, pinned), held.as_ref(), now),
            None => self.charge_new((asked, pinned), held.as_ref(), now),
        }
    }

    fn charge_old(
        &mut self,
        at: u16,
        (asked, pinned): (&Asked<'_>, &[Key]),
        held: Option<&Held>,
        now: Now,
    ) -> Result<Outcome, Refused> {
        let quota = asked.quota;
        let is_tight = self.bytes.saturating_add(GROWTH_MAX) > self.bounds.bytes_max;
        let Some(slot) = self.slots.at_mut(at) else { return Err(Refused) };
        let before = slot.bucket.heap_bytes();
        // Only what remembers hits on the heap can grow; the copy is for the rare refusal.
        let undo = (is_tight && before > 0).then(|| (slot.bucket.clone(), slot.fill));
        let loosens = loosens(asked, &slot.bucket);
        let outcome = apply(asked, held, &mut slot.bucket, now);
        slot.fill = fill(&outcome, quota.burst());
        let (after, domain) = (slot.bucket.heap_bytes(), slot.domain);
        if loosens {
            self.loosen();
        }
        self.resize(domain, before, after);
        if after <= before || self.bytes <= self.bounds.bytes_max {
            return Ok(outcome);
        }
        let room = Room { keys: 0, bytes: 0, domain: asked.domain, pinned };
        if let (Err(refused), Some((bucket, fill))) = (self.make_room(&room, now), undo) {
            self.put_back(at, bucket, fill);
            return Err(refused);
        }
        Ok(outcome)
    }

    fn charge_new(
        &mut self,
        (asked, pinned): (&Asked<'_>, &[Key]),
        held: Option<&Held>,
        now: Now,
    ) -> Result<Outcome, Refused> {
        let Asked { quota, domain, .. } = *asked;
        let mut bucket = Bucket::fresh(quota, now);
        let outcome = apply(asked, held, &mut bucket, now);
        if matches!(asked.charge, Charge::Hits(1..)) {
            self.sweep_sparing(pinned, SWEEP_STEPS, now);
            let text = asked.text.to_text();
            let bytes = FIXED_BYTES + text.len() + bucket.heap_bytes();
            self.make_room(&Room { keys: 1, bytes, domain, pinned }, now)?;
            let fill = fill(&outcome, quota.burst());
            self.insert(asked, bucket, &text, fill)?;
        }
        Ok(outcome)
    }

    pub(super) fn resize(&mut self, domain: DomainNumber, before: usize, after: usize) {
        self.bytes = self.bytes - before + after;
        self.domains.resize(domain, before, after);
    }

    /// Forgets the bucket; true if there was one.
    pub fn reset(&mut self, key: Key) -> bool {
        let Some(at) = self.find(key) else { return false };
        self.loosen();
        self.remove(at);
        true
    }

    /// The slot of `key`.
    pub fn slot(&self, key: Key) -> Option<Slot<'_>> {
        Some(self.view(self.slots.at(self.find(key)?)?))
    }

    /// Looks at the next `steps` places and frees the ended buckets among them.
    pub fn sweep(&mut self, steps: u16, now: Now) {
        self.sweep_sparing(&[], steps, now);
    }

    /// Spares the keys of a request, which may have emptied a bucket that it has to fill again.
    fn sweep_sparing(&mut self, pinned: &[Key], steps: u16, now: Now) {
        let now = self.reach(now);
        for _ in 0..steps.min(self.slots.places()) {
            let at = self.advance_hand();
            let ended =
                |slot: &slots::Slot| slot.bucket.is_expired(now) && !pinned.contains(&slot.key);
            if self.slots.at(at).is_some_and(ended) {
                self.remove(at);
                self.stats.expired += 1;
            }
        }
    }

    /// This time, or the latest one if that is later.
    pub(super) fn reach(&mut self, now: Now) -> Now {
        let Now { log, epoch } = self.latest;
        self.latest = Now { log: log.max(now.log), epoch: epoch.max(now.epoch) };
        self.latest
    }

    /// The latest time it has seen.
    pub(super) fn latest(&self) -> Now {
        self.latest
    }

    /// How many keys it holds.
    pub fn keys(&self) -> usize {
        self.slots.taken()
    }

    /// How many places a sweep of the whole has to look at.
    pub fn places(&self) -> u16 {
        self.slots.places()
    }

    /// The bytes that its keys account for.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How buckets left it, and what it refused.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Its buckets, in a fixed order.
    pub fn slots(&self) -> impl Iterator<Item = Slot<'_>> {
        self.slots.iter().map(|slot| self.view(slot))
    }

    fn view<'a>(&'a self, slot: &'a slots::Slot) -> Slot<'a> {
        Slot {
            key: slot.key,
            bucket: &slot.bucket,
            text: self.texts.at(slot.text),
            domain: self.domains.tag(slot.domain),
            fill: slot.fill,
        }
    }

    pub(super) fn find(&self, key: Key) -> Option<u16> {
        let same = |at: &u16| self.slots.at(*at).is_some_and(|slot| slot.key == key);
        self.index.find(key.low(), same).copied()
    }

    fn insert(
        &mut self,
        asked: &Asked<'_>,
        bucket: Bucket,
        text: &str,
        fill: u8,
    ) -> Result<(), Refused> {
        let text = self.texts.insert(text).ok_or(Refused)?;
        let domain = self.domains.add(asked.domain);
        self.put(slots::Slot { key: asked.key, bucket, text, domain, fill });
        Ok(())
    }

    /// Puts a slot, whose key has none, into the next free place, or behind the last one.
    pub(super) fn put(&mut self, slot: slots::Slot) {
        let key = slot.key;
        self.resize(slot.domain, 0, self.cost(&slot));
        let at = self.slots.insert(slot);
        let slots = &self.slots;
        let rehash = |at: &u16| slots.at(*at).map_or(0, |slot| slot.key.low());
        self.index.insert_unique(key.low(), at, rehash);
    }

    /// Frees the place at `at`.
    pub(super) fn remove(&mut self, at: u16) {
        let Some(slot) = self.slots.remove(at) else { return };
        if let Ok(entry) = self.index.find_entry(slot.key.low(), |&other| other == at) {
            entry.remove();
        }
        self.resize(slot.domain, self.cost(&slot), 0);
        self.domains.remove(slot.domain);
        self.texts.remove(slot.text);
        if self.texts.wants_move() {
            self.move_texts();
        }
    }

    /// Leaves the holes behind. Costs a copy of all texts, after as many bytes were freed.
    fn move_texts(&mut self) {
        let mut moved = Texts::default();
        for slot in self.slots.iter_mut() {
            // What fitted with holes fits without them.
            if let Some(at) = moved.insert(self.texts.at(slot.text)) {
                slot.text = at;
            }
        }
        self.texts = moved;
    }

    /// The bytes that a slot accounts for.
    fn cost(&self, slot: &slots::Slot) -> usize {
        let text = self.texts.cost(slot.text) - texts::PREFIX;
        FIXED_BYTES + text + slot.bucket.heap_bytes()
    }

    /// The next place under the hand that sweeps and seeks victims.
    pub(super) fn advance_hand(&mut self) -> u16 {
        let at = self.hand;
        self.hand = if at + 1 < self.slots.places() { at + 1 } else { 0 };
        at
    }
}

/// The part of the limit that is spent or held; [`FULL`] exactly when nothing remains.
pub(super) fn fill(outcome: &Outcome, limit: u32) -> u8 {
    if outcome.remaining == 0 {
        return FULL;
    }
    let spent = u64::from(limit - outcome.remaining.min(limit));
    u8::try_from(spent * u64::from(FULL - 1) / u64::from(limit.max(1))).unwrap_or(FULL - 1)
}

#[cfg(test)]
#[path = "shard_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "order_tests.rs"]
mod order_tests;
