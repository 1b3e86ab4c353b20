//! What a shard does for reservations: hold, spend what was held, give it up.

use super::asked::{Asked, Text};
use super::holds::Held;
use super::settle::Part;
use super::shard::{Refused, Shard, fill};
use crate::bucket::{Bucket, Outcome};
use crate::descriptor::Charge;
use crate::key::{Key, ReservationId};
use crate::limit::Quota;
use crate::time::{LogTime, Now};

impl Shard {
    /// Holds the hits that are asked for until `end`, if the bucket has room for them beside what is held
    /// already; otherwise the outcome is over and nothing is held, and what is left is what a
    /// refused charge leaves. Refunds and zero hits hold nothing.
    ///
    /// # Errors
    /// [`Refused`] if there is no room to remember a refusal.
    pub fn hold<'a>(
        &mut self,
        asked: impl Into<Asked<'a>>,
        (end, id): (LogTime, ReservationId),
        pinned: &[Key],
        now: Now,
    ) -> Result<Outcome, Refused> {
        let asked = asked.into();
        let hits = match asked.charge {
            Charge::Hits(hits) => hits,
            Charge::Refund(_) => 0,
        };
        let quota = Quota { counts_refused: false, ..*asked.quota };
        let asked = Asked { quota: &quota, charge: Charge::Hits(hits), ..asked };
        let now = self.reach(now);
        let held = self.holds.current(asked.key, now.log);
        let live = self.slot(asked.key).map(|slot| slot.bucket.clone());
        let mut copy = live.unwrap_or_else(|| Bucket::fresh(&quota, now));
        let found = held.charge(&mut copy, &quota, Charge::Hits(0), now);
        if hits == 0 {
            return Ok(found);
        }
        let judged = held.charge(&mut copy, &quota, asked.charge, now);
        if judged.over {
            return self.charge(asked, pinned, now);
        }
        self.holds.add(asked.key, (end, id), hits);
        let outcome =
            Outcome { over: false, retry_after: None, remaining: judged.remaining, ..found };
        self.set_fill(asked.key, &quota, &outcome);
        Ok(outcome)
    }

    /// What is held of `key` at `now`, or at the latest time that the shard has seen.
    pub fn held(&self, key: Key, now: Now) -> Held {
        if self.holds.is_empty() {
            return Held::NOTHING;
        }
        self.holds.view(key, self.latest().log.max(now.log))
    }

    /// Whether a reservation still holds something of `key`: it does until its end.
    pub(super) fn still_holds(
        &mut self,
        key: Key,
        (end, id): (LogTime, ReservationId),
        now: Now,
    ) -> Option<u64> {
        let now = self.reach(now);
        self.holds.of(key, (end, id)).filter(|_| end > now.log)
    }

    /// Gives up what a reservation holds of `key`.
    pub(super) fn give_up_hold(&mut self, key: Key, of: (LogTime, ReservationId)) -> Option<u64> {
        self.holds.remove(key, of)
    }

    /// Takes [`Self::give_up_hold`] back.
    pub(super) fn hold_again(&mut self, key: Key, of: (LogTime, ReservationId), hits: u64) {
        self.holds.add(key, of, hits);
    }

    /// Hits that `part` may spend beside what others hold, where `own` is what it holds itself.
    /// Whoever waits out a penalty has what it holds and no more.
    pub(super) fn room(&mut self, part: &Part, own: u64, now: Now) -> u64 {
        let now = self.reach(now);
        let others = self.holds.current(part.key, now.log).without(own).total();
        let live = self.slot(part.key).map(|slot| slot.bucket.clone());
        let mut copy = live.unwrap_or_else(|| Bucket::fresh(&part.quota, now));
        let found = copy.charge(&part.quota, Charge::Hits(0), now);
        let patient = Quota { penalty_max: None, ..part.quota };
        let room = u64::from(copy.charge(&patient, Charge::Hits(0), now).remaining);
        let room = room.saturating_sub(others);
        let waits_for_penalty = found.remaining == 0 && part.quota.penalty_max.is_some();
        if waits_for_penalty { room.min(own) } else { room }
    }

    /// Spends hits that a reservation has no longer to hold, without asking whether it was patient.
    pub(super) fn spend(
        &mut self,
        part: &Part,
        hits: u64,
        pinned: &[Key],
        now: Now,
    ) -> Result<Outcome, Refused> {
        let quota = Quota { penalty_max: None, counts_refused: false, ..part.quota };
        let (key, domain, text) = (part.key, part.domain, Text::Kept(&part.text));
        let charge = Charge::Hits(hits);
        self.charge(Asked { key, quota: &quota, charge, domain, text }, pinned, now)
    }

    /// What the bucket of `key` tells now. It is asked on a copy: what was settled or taken back
    /// already must neither fail for want of room nor give up the bucket that it is about.
    pub(super) fn look_at(&mut self, key: Key, quota: &Quota, now: Now) -> Outcome {
        let now = self.reach(now);
        let held = self.holds.current(key, now.log);
        let live = self.slot(key).map(|slot| slot.bucket.clone());
        let mut copy = live.unwrap_or_else(|| Bucket::fresh(quota, now));
        let outcome = held.charge(&mut copy, quota, Charge::Hits(0), now);
        self.set_fill(key, quota, &outcome);
        outcome
    }

    /// Says anew how full the bucket is, if there is one: holds came or went.
    fn set_fill(&mut self, key: Key, quota: &Quota, outcome: &Outcome) {
        if let Some(slot) = self.find(key).and_then(|at| self.slots.at_mut(at)) {
            slot.fill = fill(outcome, quota.burst());
        }
    }
}
