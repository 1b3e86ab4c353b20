//! What a node remembers of denials, so that a flood of them costs the groups nothing.
//!
//! A denial tells when the same charge would pass if the bucket is left alone. Until then every
//! charge of the bucket that asks for as much is refused from memory. To refuse for too long would
//! be wrong, so the wait is counted from before the call was sent and shortened by the most that
//! clocks may differ; to refuse too briefly only asks once more.
//!
//! What was given back or forgotten ends a denial early. **The race**: a denial of entry 5 may reach
//! the memory after the refund of entry 7 was told. So whoever tells of entry 7 first raises its
//! group's number and then removes the key, and a denial is inserted, under the lock of its place,
//! only if its entry is behind that number. Whichever comes first, nothing older than a refund stays.
//!
//! Bounded in keys: what finds it full is not remembered.

use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use tollgate_core::bucket::Outcome;
use tollgate_core::command::Charging;
use tollgate_core::descriptor::Charge;
use tollgate_core::key::Key;
use tollgate_core::limit::Quota;
use tollgate_core::time::{LogTime, Monotonic, Now, Wall};

use super::groups::GroupId;
#[cfg(test)]
use crate::sim::planted::{self, Planted};

/// Denials that are remembered where nobody says otherwise: about 15 MiB when it is full.
pub const DENIALS_MAX: usize = 65_536;

/// A wait is shortened by this part of it: epoch time may be 500 ppm faster than the clock of the
/// node that leads, and that clock another 500 ppm faster than ours.
const DRIFT_PART: u32 = 1_000;

/// How often hits of a penalised bucket are asked for although they are sure to be refused: each is
/// one early hit of its bucket, and brings back the longer wait that it is told.
const IMPATIENT_EVERY: Duration = Duration::from_millis(100);

/// Denials, by their bucket.
#[derive(Debug)]
pub struct Denials {
    by_key: DashMap<Key, Denial, BuildHasherDefault<KeyHasher>>,
    /// For each group from 1 on: entries up to this one may be older than something forgotten.
    forgot: Box<[AtomicU64]>,
    /// Kept beside the map, whose own length asks each of its places.
    count: AtomicUsize,
    most: usize,
}

/// An answer that says no, and how long it stands.
#[derive(Clone, Copy, Debug)]
struct Denial {
    quota: Quota,
    hits: u64,
    outcome: Outcome,
    /// What the ledger's time was.
    at: Now,
    received: Monotonic,
    until: Monotonic,
    /// Hits before this one are refused from memory although the bucket counts early hits.
    asked_again_from: Monotonic,
}

/// What is known of a denial's making.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    pub(super) group: GroupId,
    /// Where it stands in the group's log. Not the place of a repetition.
    pub(super) index: u64,
    pub(super) at: Now,
    /// Before the call was sent for the first time.
    pub(super) sent: Monotonic,
    /// When the answer came.
    pub(super) received: Monotonic,
}

/// What became of a denial that was to be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// It is remembered.
    Yes,
    /// It does not tell enough, or something newer is known.
    No,
    /// There is no room.
    Full,
}

impl Denials {
    /// An empty memory of at most `most` keys of the groups 1 to `groups`.
    pub fn new(groups: usize, most: usize) -> Self {
        let forgot = (0..groups).map(|_| AtomicU64::new(0)).collect();
        Self { by_key: DashMap::default(), forgot, count: AtomicUsize::new(0), most }
    }

    /// The entry at `index` of a group gave back or forgot something of these keys.
    pub fn forgot(&self, group: GroupId, index: u64, keys: &[Key]) {
        if keys.is_empty() {
            return;
        }
        #[cfg(test)]
        if planted::is(Planted::LastingDenials) {
            return;
        }
        self.raise(group, index);
        for key in keys {
            self.remove(*key);
        }
    }

    /// The state of a group is another now, that of `index`.
    pub fn installed(&self, group: GroupId, index: u64) {
        self.raise(group, index);
        self.clear();
    }

    /// Forgets everything: limits were replaced.
    pub fn clear(&self) {
        self.retain(|_| false);
    }

    /// Forgets what is over. Called now and then.
    pub fn sweep(&self, now: Monotonic) {
        self.retain(|denial| denial.until > now);
    }

    /// How many are remembered, ended ones among them.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What `charging` is told from memory, and the ledger's time then; `None` if it has to be asked.
    pub(super) fn meets(&self, charging: &Charging, now: Monotonic) -> Option<(Outcome, Now)> {
        let Charge::Hits(hits @ 1..) = charging.charge else { return None };
        if self.is_empty() {
            return None;
        }
        let denial = *self.by_key.get(&charging.key)?;
        if denial.until <= now {
            let is_over = |_: &Key, denial: &Denial| denial.until <= now;
            self.removed(self.by_key.remove_if(&charging.key, is_over).is_some());
            return None;
        }
        if denial.quota != charging.quota || hits < denial.hits {
            return None;
        }
        if denial.quota.penalty_max.is_some() && self.is_asked_again(charging.key, now) {
            return None;
        }
        Some(denial.told(hits, now))
    }

    /// Remembers what `charging` was told, if it was refused for some time.
    pub(super) fn remember(&self, charging: &Charging, outcome: &Outcome, made: &Made) -> Kept {
        let Charge::Hits(hits @ 1..) = charging.charge else { return Kept::No };
        let Some(wait) = outcome.retry_after.filter(|_| outcome.over) else { return Kept::No };
        let until = made.sent.plus(wait - wait / DRIFT_PART);
        if until <= made.received {
            return Kept::No;
        }
        let denial = Denial {
            quota: charging.quota,
            hits,
            outcome: *outcome,
            at: made.at,
            received: made.received,
            until,
            asked_again_from: made.received.plus(IMPATIENT_EVERY),
        };
        // The place is locked from here on.
        let entry = self.by_key.entry(charging.key);
        if self.is_older_than_forgotten(made) {
            return Kept::No;
        }
        match entry {
            Entry::Occupied(mut known) => {
                // The smallest request that is refused tells for all larger ones.
                let known = known.get_mut();
                let is_better = known.quota != denial.quota
                    || denial.hits <= known.hits
                    || known.until <= made.received;
                if !is_better {
                    return Kept::No;
                }
                *known = denial;
            }
            Entry::Vacant(place) => {
                if self.count.fetch_add(1, Ordering::Relaxed) >= self.most {
                    self.count.fetch_sub(1, Ordering::Relaxed);
                    return Kept::Full;
                }
                place.insert(denial);
            }
        }
        Kept::Yes
    }

    fn is_older_than_forgotten(&self, made: &Made) -> bool {
        let forgot = self.forgot_of(made.group).map(|forgot| forgot.load(Ordering::Acquire));
        forgot.is_none_or(|forgot| made.index <= forgot)
    }

    /// Whether this hit is the one in a while that is asked for all the same.
    fn is_asked_again(&self, key: Key, now: Monotonic) -> bool {
        self.by_key.get_mut(&key).is_some_and(|mut denial| {
            let is_due = denial.asked_again_from <= now;
            if is_due {
                denial.asked_again_from = now.plus(IMPATIENT_EVERY);
            }
            is_due
        })
    }

    fn raise(&self, group: GroupId, index: u64) {
        if let Some(forgot) = self.forgot_of(group) {
            forgot.fetch_max(index, Ordering::AcqRel);
        }
    }

    fn forgot_of(&self, group: GroupId) -> Option<&AtomicU64> {
        self.forgot.get(usize::try_from(group).ok()?.checked_sub(1)?)
    }

    fn remove(&self, key: Key) {
        self.removed(self.by_key.remove(&key).is_some());
    }

    fn removed(&self, was_there: bool) {
        if was_there {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn retain(&self, mut stays: impl FnMut(&Denial) -> bool) {
        if self.is_empty() {
            return;
        }
        self.by_key.retain(|_, denial| {
            let stays = stays(denial);
            self.removed(!stays);
            stays
        });
    }
}

impl Denial {
    /// The outcome of a later charge. Waits are counted down from when the answer came, so that
    /// nobody is told to come back before the one who was told it by the group.
    fn told(&self, hits: u64, now: Monotonic) -> (Outcome, Now) {
        let passed = now.since(self.received);
        let Outcome { after, reset_after, retry_after, .. } = self.outcome;
        let counted = if self.outcome.after > self.outcome.before { hits } else { 0 };
        let outcome = Outcome {
            over: true,
            before: after,
            after: after.saturating_add(counted),
            remaining: 0,
            reset_after: reset_after.saturating_sub(passed),
            retry_after: retry_after.map(|wait| wait.saturating_sub(passed)),
        };
        (outcome, later(self.at, passed))
    }
}

/// The ledger's time after so long.
fn later(at: Now, passed: Duration) -> Now {
    let (log, epoch): (LogTime, Wall) = (at.log.plus(passed), at.epoch.plus(passed));
    Now { log, epoch }
}

/// A key is a keyed hash already: what is left to do is to fold it.
#[derive(Debug, Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, half: u64) {
        self.0 = self.0.rotate_left(32) ^ half;
    }
}

#[cfg(test)]
#[path = "denials_tests.rs"]
mod tests;
