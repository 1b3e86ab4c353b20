//! Hits that reservations hold out of a shard's buckets.
//!
//! A hold charges nothing: everybody else is judged as if the held hits were spent, and the holder
//! spends what it needs when it knows it. So nothing has to be given back into a window that has
//! passed or a bucket that has refilled. A hold that ended counts no more from its end on, whether
//! or not somebody came to clear it away.
//!
//! Holds do not live in the slots: a slot stays 40 bytes, a bucket that leaves keeps its holds, and a
//! shard without any pays one branch.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::bucket::{Bucket, Outcome};
use crate::descriptor::Charge;
use crate::key::{Key, ReservationId};
use crate::limit::{Algorithm, Quota};
use crate::time::{LogTime, Now};

/// Holds of a key that a [`Held`] knows one by one. Whoever has to wait for more of them to end is
/// told the end of the last.
const SHOWN_MAX: usize = 8;

/// The holds of one shard.
#[derive(Clone, Debug, Default)]
pub(super) struct Holds {
    by_key: BTreeMap<Key, HoldsOfKey>,
}

#[derive(Clone, Debug, Default)]
struct HoldsOfKey {
    /// The sum of all that follow.
    total: u64,
    by_end: BTreeMap<(LogTime, ReservationId), u64>,
}

impl Holds {
    /// Whether nothing is held.
    pub(super) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// What is held of `key`, after those that ended by `now` are gone.
    pub(super) fn current(&mut self, key: Key, now: LogTime) -> Held {
        let Some(of_key) = self.by_key.get_mut(&key) else { return Held::NOTHING };
        while let Some(first) = of_key.by_end.first_entry() {
            if first.key().0 > now {
                break;
            }
            of_key.total = of_key.total.saturating_sub(first.remove());
        }
        if of_key.by_end.is_empty() {
            self.by_key.remove(&key);
            return Held::NOTHING;
        }
        of_key.view(now)
    }

    /// What is held of `key`, changing nothing.
    pub(super) fn view(&self, key: Key, now: LogTime) -> Held {
        self.by_key.get(&key).map_or(Held::NOTHING, |of_key| of_key.view(now))
    }

    /// Holds more of `key` for a reservation.
    pub(super) fn add(&mut self, key: Key, (end, id): (LogTime, ReservationId), hits: u64) {
        let of_key = self.by_key.entry(key).or_default();
        let held = of_key.by_end.entry((end, id)).or_default();
        *held = held.saturating_add(hits);
        of_key.total = of_key.total.saturating_add(hits);
    }

    /// What a reservation holds of `key`.
    pub(super) fn of(&self, key: Key, (end, id): (LogTime, ReservationId)) -> Option<u64> {
        self.by_key.get(&key)?.by_end.get(&(end, id)).copied()
    }

    /// All holds, by key and end.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, LogTime, ReservationId, u64)> {
        self.by_key.iter().flat_map(|(&key, of_key)| {
            of_key.by_end.iter().map(move |(&(end, id), &hits)| (key, end, id, hits))
        })
    }

    /// These holds, in the order of [`Self::iter`]; `None` if they are not, or if one is of no hits.
    pub(super) fn of_all(
        all: impl Iterator<Item = (Key, LogTime, ReservationId, u64)>,
    ) -> Option<Self> {
        let (mut holds, mut last) = (Self::default(), None);
        for (key, end, id, hits) in all {
            let at = Some((key, end, id));
            if hits == 0 || last >= at {
                return None;
            }
            last = at;
            holds.add(key, (end, id), hits);
        }
        Some(holds)
    }

    /// Gives up what a reservation holds of `key`, and returns how much that was.
    pub(super) fn remove(&mut self, key: Key, (end, id): (LogTime, ReservationId)) -> Option<u64> {
        let of_key = self.by_key.get_mut(&key)?;
        let hits = of_key.by_end.remove(&(end, id))?;
        of_key.total = of_key.total.saturating_sub(hits);
        if of_key.by_end.is_empty() {
            self.by_key.remove(&key);
        }
        Some(hits)
    }
}

impl HoldsOfKey {
    fn view(&self, now: LogTime) -> Held {
        let mut held = Held { total: self.total, ..Held::NOTHING };
        for (&(end, _), &hits) in &self.by_end {
            if end <= now {
                held.total = held.total.saturating_sub(hits);
            } else if let Some(place) = held.first.get_mut(held.shown) {
                *place = (end, hits);
                held.shown += 1;
            } else {
                break;
            }
        }
        held.last = self.by_end.last_key_value().map_or(now, |(&(end, _), _)| end);
        held
    }
}

/// What is held of one key at one moment, and how charges are judged beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    total: u64,
    /// The first holds to end, in that order.
    first: [(LogTime, u64); SHOWN_MAX],
    shown: usize,
    /// When the last of all ends.
    last: LogTime,
}

impl Held {
    /// No hold.
    pub const NOTHING: Self = Self {
        total: 0,
        first: [(LogTime::from_nanos(0), 0); SHOWN_MAX],
        shown: 0,
        last: LogTime::from_nanos(0),
    };

    /// Hits.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The same without so many of its hits, for the reservation that they belong to.
    pub(super) fn without(self, hits: u64) -> Self {
        Self { total: self.total.saturating_sub(hits), ..self }
    }

    /// Applies `charge` to a bucket of which these hits are held: it passes if the bucket has room
    /// for it beside them, and spends only itself. Hits that are refused beside a hold are not
    /// counted, whatever the quota says: they would close the window to those who hold it. Who is
    /// refused only for what others hold did nothing impatient: no penalty begins.
    pub fn charge(&self, bucket: &mut Bucket, quota: &Quota, charge: Charge, now: Now) -> Outcome {
        if self.total == 0 {
            return bucket.charge(quota, charge, now);
        }
        match charge {
            Charge::Refund(_) => self.beside(bucket.charge(quota, charge, now)),
            Charge::Hits(0) => self.peek(bucket, quota, now),
            Charge::Hits(hits) => {
                let found = bucket.charge(quota, Charge::Hits(0), now);
                if hits.saturating_add(self.total) <= u64::from(found.remaining) {
                    return self.beside(bucket.charge(quota, charge, now));
                }
                let quota = Quota { counts_refused: false, ..*quota };
                let mut alone = bucket.clone();
                let judged = alone.charge(&quota, charge, now);
                if judged.over {
                    *bucket = alone;
                    return self.refused(judged, bucket, &quota, hits, now);
                }
                self.refused(found, bucket, &quota, hits, now)
            }
        }
    }

    fn peek(&self, bucket: &mut Bucket, quota: &Quota, now: Now) -> Outcome {
        let found = self.beside(bucket.charge(quota, Charge::Hits(0), now));
        // A fixed window's peek does not ask whether a hit would pass.
        if found.remaining > 0 || quota.algorithm == Algorithm::FixedWindow {
            return found;
        }
        self.refused(Outcome { over: true, ..found }, bucket, quota, 1, now)
    }

    fn beside(&self, outcome: Outcome) -> Outcome {
        let left = u64::from(outcome.remaining).saturating_sub(self.total);
        Outcome { remaining: u32::try_from(left).unwrap_or(u32::MAX), ..outcome }
    }

    fn refused(
        &self,
        outcome: Outcome,
        bucket: &Bucket,
        quota: &Quota,
        hits: u64,
        now: Now,
    ) -> Outcome {
        let wait = self.wait(bucket, quota, hits, now);
        let penalty = outcome.retry_after.filter(|_| quota.penalty_max.is_some());
        let retry_after = Some(wait.max(penalty.unwrap_or_default()));
        Outcome { over: true, remaining: 0, retry_after, ..outcome }
    }

    /// A time after which `hits` would pass if nobody comes: when the bucket has room for them
    /// beside all holds, or when enough holds have ended, whichever is first.
    fn wait(&self, bucket: &Bucket, quota: &Quota, hits: u64, now: Now) -> Duration {
        let quota = Quota { counts_refused: false, penalty_max: None, ..*quota };
        let try_out = |hits| bucket.clone().charge(&quota, Charge::Hits(hits), now);
        let alone = try_out(hits);
        let burst = u64::from(quota.burst());
        if hits > burst || quota.limit == 0 {
            return alone.retry_after.unwrap_or_default();
        }
        let ended = match alone.retry_after {
            Some(wait) => wait.max(self.last.since(now.log)),
            None => self.leaves_room_at(u64::from(alone.remaining)).since(now.log),
        };
        let with = hits.saturating_add(self.total);
        if with > burst {
            return ended;
        }
        ended.min(try_out(with).retry_after.unwrap_or_default())
    }

    /// When no more than `room` is held.
    fn leaves_room_at(&self, room: u64) -> LogTime {
        let mut left = self.total;
        for (end, hits) in self.first.iter().take(self.shown) {
            left = left.saturating_sub(*hits);
            if left <= room {
                return *end;
            }
        }
        self.last
    }
}
