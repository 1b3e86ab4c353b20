//! What each command does to the state.

use std::collections::BTreeMap;

use super::open::Open;
use super::shards::Shards;
use crate::bucket::Outcome;
use crate::command::{Answer, Bounds, Charging, Combining, Command, Holding, NotDone, Rule};
use crate::key::{Key, ReservationId};
use crate::limit::Quota;
use crate::reservation::{HOLD_MAX, HOLD_MIN, Reservation};
use crate::store::{self, Refused, Settled, Shard, Shards as _, Unsettled};
use crate::time::{LogTime, Now};

/// Ended reservations that are cleared away to make room for a new one.
const SWEPT_FOR_ONE: usize = 256;

/// Ended reservations that a tick clears away.
const SWEPT_EACH_TICK: usize = 4_096;

/// Everything but what was answered.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) latest: Now,
    pub(super) bounds: Option<Bounds>,
    pub(super) shards: Shards,
    pub(super) open: Open,
}

impl From<Refused> for NotDone {
    fn from(_: Refused) -> Self {
        Self::Full
    }
}

impl State {
    /// This time, or the latest one if that is later.
    pub(super) fn reach(&mut self, at: Now) -> Now {
        let Now { log, epoch } = self.latest;
        self.latest = Now { log: log.max(at.log), epoch: epoch.max(at.epoch) };
        self.latest
    }

    /// Executes a command at the latest time.
    pub(super) fn execute(&mut self, command: &Command) -> Result<Answer, NotDone> {
        let now = self.latest;
        if let Command::Bound(bounds) = command {
            self.bound(*bounds);
            return Ok(Answer::Done);
        }
        if self.bounds.is_none() {
            return Err(NotDone::Unbounded);
        }
        match command {
            Command::Charge { charges, rule } => self.charge(charges, rule, now),
            Command::Preview { .. } => Err(NotDone::Malformed),
            Command::TakeBack { charges, charged_at } => {
                self.each(charges, |shard, charging| shard.take_back(charging, *charged_at, now))
            }
            Command::Impatient { charges } => {
                self.each(charges, |shard, charging| shard.impatient(charging, now))
            }
            Command::Hold { id, hold_for, holdings, combining } => {
                let end = now.log.plus((*hold_for).clamp(HOLD_MIN, HOLD_MAX));
                self.hold((end, *id), holdings, combining, now)
            }
            Command::Describe { id } => {
                let found = self.open.find(*id, now).ok_or(NotDone::UnknownReservation)?;
                Ok(Answer::Described(found.parts.clone()))
            }
            Command::Settle { id, hits, quotas } => self.settle(*id, *hits, quotas, now),
            Command::Release { id } => {
                let found = self.open.find(*id, now).ok_or(NotDone::UnknownReservation)?;
                let (hold, parts) = (found.hold(), &found.parts);
                let released = store::release(&mut self.shards, parts, hold, now);
                self.closed(*id, released)
            }
            Command::Forget { keys } => Ok(self.forget(keys)),
            Command::Bound(_) => Ok(Answer::Done),
            Command::Tick => {
                self.shards.sweep(now);
                self.sweep_reservations(SWEPT_EACH_TICK, now);
                Ok(Answer::Done)
            }
        }
    }

    fn bound(&mut self, bounds: Bounds) {
        self.bounds = Some(bounds);
        self.shards.bound(bounds);
        self.open.bound(bounds.reservations_max);
    }

    fn charge(&mut self, charges: &[Charging], rule: &Rule, now: Now) -> Result<Answer, NotDone> {
        let shards = &mut self.shards;
        let outcomes = match rule {
            Rule::Each => {
                let mut outcomes = Vec::with_capacity(charges.len());
                for charging in charges {
                    let shard = shards.shard(charging.key).ok_or(Refused)?;
                    outcomes.push(shard.charge(charging, &[charging.key], now)?);
                }
                outcomes
            }
            Rule::All => store::charge_all_or_none(shards, charges, now, |_| true)?,
            Rule::AllOrNone(combining) => {
                let passes = |outcomes: &[Outcome]| combining.passes(charges, outcomes);
                store::charge_all_or_none(shards, charges, now, passes)?
            }
        };
        Ok(Answer::Outcomes(outcomes))
    }

    /// Does something to the bucket of each charge.
    fn each(
        &mut self,
        charges: &[Charging],
        mut act: impl FnMut(&mut Shard, &Charging),
    ) -> Result<Answer, NotDone> {
        for charging in charges {
            act(self.shards.shard(charging.key).ok_or(Refused)?, charging);
        }
        Ok(Answer::Done)
    }

    fn hold(
        &mut self,
        hold: (LogTime, ReservationId),
        holdings: &[Holding],
        combining: &Combining,
        now: Now,
    ) -> Result<Answer, NotDone> {
        // Whoever asks never names two alike; the one that is open stands.
        if self.open.find(hold.1, now).is_some() {
            return Err(NotDone::Malformed);
        }
        self.clear_away(hold.1, now);
        let parts = Reservation::parts_of_holdings(holdings, combining);
        if self.open.admit(parts).is_err() {
            self.sweep_reservations(SWEPT_FOR_ONE, now);
            self.open.admit(parts).map_err(|_| NotDone::ReservationsFull)?;
        }
        let passes = |outcomes: &[Outcome]| combining.passes(holdings, outcomes);
        let outcomes = store::hold_all_or_none(&mut self.shards, holdings, hold, now, passes)?;
        let is_held = combining.passes(holdings, &outcomes);
        if is_held {
            let of = combining.clone();
            self.open.insert(Reservation::of_holdings(hold, holdings, &outcomes, of));
        }
        Ok(Answer::Held { id: hold.1, outcomes, is_held })
    }

    fn settle(
        &mut self,
        id: ReservationId,
        hits: u64,
        quotas: &[(Key, Quota)],
        now: Now,
    ) -> Result<Answer, NotDone> {
        let found = self.open.find(id, now).ok_or(NotDone::UnknownReservation)?;
        let (hold, mut parts) = (found.hold(), found.parts.clone());
        let of_now: BTreeMap<_, _> = quotas.iter().copied().collect();
        for part in &mut parts {
            // One that is gone, or that the caller brought, bounds as it did.
            part.quota = of_now.get(&part.key).copied().unwrap_or(part.quota);
        }
        let settled = store::settle(&mut self.shards, &parts, hold, hits, now);
        let mut answer = self.closed(id, settled)?;
        if let Answer::Settled { reservation, .. } = &mut answer {
            reservation.parts = parts;
        }
        Ok(answer)
    }

    /// Takes the reservation out of the record, unless it stands.
    fn closed(
        &mut self,
        id: ReservationId,
        settled: Result<Settled, Unsettled>,
    ) -> Result<Answer, NotDone> {
        match settled {
            Ok(settled) => {
                let reservation = self.open.take(id).ok_or(NotDone::UnknownReservation)?;
                Ok(Answer::Settled { settled, reservation: Box::new(reservation) })
            }
            Err(Unsettled::Ended) => {
                self.open.take_ended(id);
                Err(NotDone::UnknownReservation)
            }
            Err(Unsettled::Refused(refused)) => Err(refused.into()),
        }
    }

    fn forget(&mut self, keys: &[Key]) -> Answer {
        let one = |key: &Key| {
            let slot = self.shards.of(*key)?.slot(*key)?;
            let was = (slot.bucket.clone(), Box::from(slot.text));
            self.shards.shard(*key)?.reset(*key);
            Some(was)
        };
        Answer::Forgotten(keys.iter().map(one).collect())
    }

    fn sweep_reservations(&mut self, most: usize, now: Now) {
        for _ in 0..most {
            let Some(id) = self.open.next_ended(now) else { return };
            self.clear_away(id, now);
        }
    }

    /// Takes out one that has ended, and what it held.
    fn clear_away(&mut self, id: ReservationId, now: Now) {
        let Some(ended) = self.open.take_ended(id) else { return };
        // That it had ended is no news.
        drop(store::release(&mut self.shards, &ended.parts, ended.hold(), now));
    }
}
