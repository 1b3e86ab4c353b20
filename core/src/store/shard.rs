//! One part of the store: an index of slots, and the rules for leaving it.
//!
//! **Expiry** costs a constant: every insertion looks at [`SWEEP_STEPS`] places behind a moving
//! hand and frees those that say no more than a fresh bucket would. Nothing ever walks the whole.
//!
//! **Eviction** happens only when the shard is full and serves the operation's own domain first: a
//! domain that holds its fair share or more makes room among its own buckets, one that holds less
//! takes room from a domain that holds more. So one tenant's flood of keys costs that tenant. The
//! victim is the emptiest bucket in reach; a bucket whose limit is spent is never given up for its
//! own domain (that would re-open the limit), and where another domain's share demands it, it is
//! counted apart. If nobody can leave, the operation is refused.

use std::collections::BTreeMap;

use hashbrown::HashTable;

use super::slots::{FULL, Slot, Slots};
use crate::bucket::{Bucket, Outcome};
use crate::descriptor::Charge;
use crate::key::{DomainTag, Key};
use crate::plan::Operation;
use crate::time::Now;

/// Places looked at for expiry with each insertion: two, so that the hand comes round before the
/// shard has grown by half again of what is alive.
const SWEEP_STEPS: u32 = 2;

/// Places looked at for a victim. Bounds the cost of an insertion into a full shard.
const REACH: u32 = 256;

/// Victims that one charge may claim. A sliding window is the largest newcomer; the longest text and
/// the most that a window grows by at once are each less than this many of the smallest slots.
const VICTIMS_MAX: usize = 32;

/// What the index costs per key, beside the slot: five bytes at a load between 7/16 and 7/8.
const INDEX_BYTES: usize = 8;

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

/// The shard is full and nothing in reach may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ledger is full and nothing in reach may be evicted")]
pub struct Refused;

/// A bucket as it was before a charge that may have to be taken back.
#[derive(Clone, Debug)]
pub struct Saved {
    key: Key,
    state: Option<(Bucket, u8)>,
}

impl Saved {
    /// Whose state it is.
    pub fn key(&self) -> Key {
        self.key
    }
}

/// One part of the store.
#[derive(Clone, Debug)]
pub struct Shard {
    index: HashTable<u32>,
    slots: Slots,
    bytes: usize,
    hand: u32,
    keys_by_domain: BTreeMap<DomainTag, usize>,
    bounds: Bounds,
    stats: Stats,
}

impl Shard {
    /// An empty shard.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            index: HashTable::new(),
            slots: Slots::default(),
            bytes: 0,
            hand: 0,
            keys_by_domain: BTreeMap::new(),
            bounds,
            stats: Stats::default(),
        }
    }

    /// Charges the operation's bucket, creating it if hits are to be kept.
    ///
    /// # Errors
    /// [`Refused`] if there is no room, for a new bucket or for what an old one must remember;
    /// nothing was charged then.
    pub fn charge(&mut self, operation: &Operation<'_>, now: Now) -> Result<Outcome, Refused> {
        let quota = &operation.quota;
        if self.bytes > self.bounds.bytes_max {
            self.make_room(0, 0, operation.domain, now)?;
        }
        if let Some(at) = self.find(operation.key)
            && let Some(slot) = self.slots.at_mut(at)
        {
            let before = slot.bucket.heap_bytes();
            let outcome = slot.bucket.charge(quota, operation.charge, now);
            slot.fill = fill(&outcome, quota.burst());
            self.bytes = self.bytes - before + slot.bucket.heap_bytes();
            return Ok(outcome);
        }
        let mut bucket = Bucket::fresh(quota, now);
        let outcome = bucket.charge(quota, operation.charge, now);
        if matches!(operation.charge, Charge::Hits(1..)) {
            self.sweep(SWEEP_STEPS, now);
            let slot = Slot {
                key: operation.key,
                bucket,
                text: Box::new(operation.label.to_text()),
                domain: operation.domain,
                fill: fill(&outcome, quota.burst()),
            };
            self.make_room(1, cost(&slot), operation.domain, now)?;
            self.insert(slot);
        }
        Ok(outcome)
    }

    /// What [`Self::restore`] needs to take back every charge of `key` made since.
    pub fn save(&self, key: Key) -> Saved {
        let slot = self.find(key).and_then(|at| self.slots.at(at));
        Saved { key, state: slot.map(|slot| (slot.bucket.clone(), slot.fill)) }
    }

    /// Makes the bucket what it was when it was saved.
    pub fn restore(&mut self, saved: Saved) {
        let Some(at) = self.find(saved.key) else { return };
        let Some((bucket, fill)) = saved.state else { return self.remove(at) };
        if let Some(slot) = self.slots.at_mut(at) {
            self.bytes = self.bytes - slot.bucket.heap_bytes() + bucket.heap_bytes();
            slot.bucket = bucket;
            slot.fill = fill;
        }
    }

    /// Forgets the bucket; true if there was one.
    pub fn reset(&mut self, key: Key) -> bool {
        let found = self.find(key);
        found.into_iter().for_each(|at| self.remove(at));
        found.is_some()
    }

    /// The slot of `key`.
    pub fn slot(&self, key: Key) -> Option<&Slot> {
        self.slots.at(self.find(key)?)
    }

    /// Looks at the next `steps` places and frees the ended buckets among them.
    pub fn sweep(&mut self, steps: u32, now: Now) {
        for _ in 0..steps.min(self.slots.places()) {
            let at = self.advance_hand();
            if self.slots.at(at).is_some_and(|slot| slot.bucket.is_expired(now)) {
                self.remove(at);
                self.stats.expired += 1;
            }
        }
    }

    /// How many keys it holds.
    pub fn keys(&self) -> usize {
        self.slots.taken()
    }

    /// How many places a sweep of the whole has to look at.
    pub fn places(&self) -> u32 {
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
    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter()
    }

    fn find(&self, key: Key) -> Option<u32> {
        let same = |at: &u32| self.slots.at(*at).is_some_and(|slot| slot.key == key);
        self.index.find(key.low(), same).copied()
    }

    fn insert(&mut self, slot: Slot) {
        *self.keys_by_domain.entry(slot.domain).or_default() += 1;
        self.bytes += cost(&slot);
        let low = slot.key.low();
        let at = self.slots.insert(slot);
        let slots = &self.slots;
        let rehash = |at: &u32| slots.at(*at).map_or(0, |slot| slot.key.low());
        self.index.insert_unique(low, at, rehash);
    }

    fn remove(&mut self, at: u32) {
        let Some(slot) = self.slots.remove(at) else {
            return;
        };
        if let Ok(entry) = self.index.find_entry(slot.key.low(), |&other| other == at) {
            entry.remove();
        }
        self.bytes -= cost(&slot);
        if let Some(keys) = self.keys_by_domain.get_mut(&slot.domain) {
            *keys -= 1;
            if *keys == 0 {
                self.keys_by_domain.remove(&slot.domain);
            }
        }
    }

    /// Gives up buckets until `keys` more keys and `bytes` more bytes fit.
    fn make_room(
        &mut self,
        keys: usize,
        bytes: usize,
        domain: DomainTag,
        now: Now,
    ) -> Result<(), Refused> {
        for _ in 0..VICTIMS_MAX {
            let fits = self.keys().saturating_add(keys) <= self.bounds.keys_max
                && self.bytes.saturating_add(bytes) <= self.bounds.bytes_max;
            if fits {
                return Ok(());
            }
            let Some(victim) = self.victim(domain, now) else { break };
            self.give_up(victim, now);
        }
        self.stats.refused += 1;
        Err(Refused)
    }

    /// The place to free for a key of `domain`: an ended bucket, else the emptiest that may leave.
    fn victim(&mut self, domain: DomainTag, now: Now) -> Option<u32> {
        let held = |tag: DomainTag| self.keys_by_domain.get(&tag).copied().unwrap_or(0);
        let newcomer = usize::from(held(domain) == 0);
        let share = (self.bounds.keys_max / (self.keys_by_domain.len() + newcomer).max(1)).max(1);
        let under_share = held(domain) < share;
        let mut best: Option<(u8, u32)> = None;
        for _ in 0..REACH.min(self.slots.places()) {
            let at = self.advance_hand();
            let Some(slot) = self.slots.at(at) else {
                continue;
            };
            if slot.bucket.is_expired(now) {
                return Some(at);
            }
            let may_leave = if slot.domain == domain {
                slot.fill < FULL
            } else {
                under_share && self.keys_by_domain.get(&slot.domain).is_some_and(|&k| k > share)
            };
            if may_leave && best.is_none_or(|(fill, _)| slot.fill < fill) {
                best = Some((slot.fill, at));
            }
        }
        best.map(|(_, at)| at)
    }

    fn give_up(&mut self, at: u32, now: Now) {
        let Some(slot) = self.slots.at(at) else {
            return;
        };
        if slot.bucket.is_expired(now) {
            self.stats.expired += 1;
        } else if slot.fill == FULL {
            self.stats.evicted_over_limit += 1;
        } else {
            self.stats.evicted_live += 1;
        }
        self.remove(at);
    }

    fn advance_hand(&mut self) -> u32 {
        let at = self.hand;
        self.hand = if at + 1 < self.slots.places() { at + 1 } else { 0 };
        at
    }
}

/// The bytes that a key accounts for.
fn cost(slot: &Slot) -> usize {
    let fixed = size_of::<Slot>() + INDEX_BYTES + size_of::<Box<str>>();
    fixed + slot.text.len() + slot.bucket.heap_bytes()
}

/// The part of the limit that is spent; [`FULL`] exactly when nothing remains.
fn fill(outcome: &Outcome, limit: u32) -> u8 {
    if outcome.remaining == 0 {
        return FULL;
    }
    let spent = u64::from(limit - outcome.remaining.min(limit));
    u8::try_from(spent * u64::from(FULL - 1) / u64::from(limit.max(1))).unwrap_or(FULL - 1)
}

#[cfg(test)]
#[path = "shard_tests.rs"]
mod tests;
