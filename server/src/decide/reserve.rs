//! Reservations of one node: hits that are held until their cost is known.
//!
//! The rules are core's ([`tollgate_core::reservation`], [`tollgate_core::store`]); here is the one
//! record behind its lock. A reservation owns what it needs, for it outlives the configuration that
//! it was made by; where a limit still stands, it is settled by the numbers of now.

use std::sync::Arc;
use std::time::Duration;

use tollgate_core::bucket::Outcome;
use tollgate_core::decision::{Code, Decision, Status};
use tollgate_core::descriptor::{Charge, Request};
use tollgate_core::plan::Plan;
use tollgate_core::reservation::{
    Full, HOLD_MAX, HOLD_MIN, Reservation, ReservationId, Reservations,
};
use tollgate_core::store::{self, Cost, Refused, Settled};
use tollgate_core::tally::Tally;
use tollgate_core::time::Now;

use super::{Active, Checked, Decider, Unavailable, statistics};
use crate::statistics::LimitFigures;

/// Ended reservations that a sweep clears away before it lets others have the record.
const SWEPT_AT_ONCE: usize = 256;

/// The answer to a reservation.
#[derive(Clone, Debug)]
pub struct Reserved<'a> {
    /// The decision. A denied reservation holds nothing.
    pub checked: Checked<'a>,
    /// Its name; absent where it was denied.
    pub id: Option<ReservationId>,
    /// When it ends by itself, from now.
    pub ends_after: Duration,
}

/// Why there is no decision about a reservation. Nothing is held then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreserved {
    /// As many are open as may be.
    #[error("as many reservations are open as may be: raise ledger.reservations_max")]
    Full,
    /// See [`Unavailable`].
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a reservation could not be committed or cancelled. Nothing was spent then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsettled {
    /// It was never made, or it has ended, or it was committed or cancelled.
    #[error("there is no open reservation of this name")]
    Unknown,
    /// See [`Unavailable`]; the reservation stands.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<Refused> for Unreserved {
    fn from(refused: Refused) -> Self {
        Self::Unavailable(refused.into())
    }
}

/// What became of a reservation, and what is left after it.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// Hits that were spent.
    pub charged: u64,
    /// Hits that were needed beyond that, and found no room. Never spent.
    pub uncharged: u64,
    reservation: Reservation,
    outcomes: Vec<Outcome>,
}

impl Settlement {
    /// One status for each descriptor of the reservation's request: what remains now. Over where it
    /// had less room than was needed.
    pub fn statuses(&self) -> Vec<Status<'_>> {
        self.reservation.statuses(&self.outcomes)
    }
}

impl Decider {
    /// Holds the hits of `request` for `hold_for` ([`HOLD_MIN`] to [`HOLD_MAX`]; what is beyond is
    /// cut to them), so that nobody else gets them. It holds those of all limits or, where it is
    /// denied, of none, *whatever the option of its domain says*: half a reservation is good for
    /// nothing. A limit that is over and does not deny, such as a shadow, holds nothing.
    ///
    /// Hits that a descriptor brings itself are a fixed cost; for all others a commit tells the real
    /// number.
    ///
    /// # Errors
    /// [`Unreserved`].
    pub fn reserve<'a>(
        &self,
        active: &'a Active,
        request: &Request<'a>,
        hold_for: Duration,
    ) -> Result<Reserved<'a>, Unreserved> {
        if !active.decides(request.domain) {
            return Err(Unavailable::NotLoaded.into());
        }
        let mut plan = Plan::of(&active.limits, request);
        for operation in &mut plan.operations {
            operation.quota.counts_refused = false;
        }
        let modes = active.answers.modes;
        let ends_after = hold_for.clamp(HOLD_MIN, HOLD_MAX);
        let mut reservations = self.reservations.lock();
        // Read after the wait for the record, which is no part of the time that it is held.
        let now = self.now();
        let number = self.admit(&mut reservations, Reservation::parts_of(&plan), now)?;
        let hold = (now.log.plus(ends_after), self.secret.reservation_id(number));
        let passes =
            |outcomes: &[Outcome]| Decision::of(&plan, outcomes, modes).overall == Code::Ok;
        let outcomes = self.ledger.hold_all_or_none(&plan.operations, hold, now, passes)?;
        let decision = Decision::of(&plan, &outcomes, modes);
        let is_held = decision.overall == Code::Ok;
        if is_held {
            let reservation = Reservation::new(hold, &plan, request, &outcomes, modes);
            let of = |operation| statistics::figures(&self.statistics, &plan, operation);
            reservations.insert(reservation, plan.operations.iter().map(of).collect());
        }
        drop(reservations);
        self.count_unknown_domain(&plan, request);
        statistics::count_reserved(&self.statistics, &plan, &outcomes, &decision, active);
        let id = is_held.then_some(hold.1);
        Ok(Reserved { checked: Checked { plan, decision, now }, id, ends_after })
    }

    /// Spends what a reservation really needed, in the windows of now, and frees the rest of what it
    /// held. More than it held is spent only as far as every enforced limit has room, and of what it
    /// held no more than limits allow that were lowered since.
    ///
    /// # Errors
    /// [`Unsettled`].
    pub fn commit(&self, id: ReservationId, hits: u64) -> Result<Settlement, Unsettled> {
        let mut reservations = self.reservations.lock();
        let now = self.now();
        let reservation = open(&mut reservations, id, now)?;
        let active = self.active();
        for part in &mut reservation.parts {
            let quota = active.met(part.key, &part.text, |operation| operation.quota);
            // One that is gone, or that the caller brought, bounds as it did.
            part.quota = quota.unwrap_or(part.quota);
        }
        let settled = self.ledger.settle(reservation, hits, now);
        let (settlement, figures) = closed(&mut reservations, id, settled)?;
        drop(reservations);
        self.count_settled(&settlement, hits, &figures);
        Ok(settlement)
    }

    /// Frees all that a reservation held.
    ///
    /// # Errors
    /// [`Unsettled::Unknown`].
    pub fn cancel(&self, id: ReservationId) -> Result<Settlement, Unsettled> {
        let mut reservations = self.reservations.lock();
        let now = self.now();
        let reservation = open(&mut reservations, id, now)?;
        let released = self.ledger.release(reservation, now);
        Ok(closed(&mut reservations, id, released)?.0)
    }

    /// Clears away reservations that have ended, a few at a time.
    pub(super) fn sweep_reservations(&self, now: Now) {
        while self.sweep_some(&mut self.reservations.lock(), now) == SWEPT_AT_ONCE {}
    }

    fn sweep_some(&self, reservations: &mut Record, now: Now) -> usize {
        let one = || reservations.sweep_one(now);
        let ended = std::iter::from_fn(one).take(SWEPT_AT_ONCE);
        // That it had ended is no news.
        ended.map(|(reservation, _)| drop(self.ledger.release(&reservation, now))).count()
    }

    fn admit(&self, reservations: &mut Record, parts: usize, now: Now) -> Result<u64, Unreserved> {
        let admitted = reservations.admit(parts).or_else(|Full| {
            self.sweep_some(reservations, now);
            reservations.admit(parts)
        });
        admitted.map_err(|Full| Unreserved::Full)
    }

    /// Hits count in a limit's figures when they are spent; what found no room counts as refused.
    fn count_settled(&self, settlement: &Settlement, hits: u64, figures: &[Arc<LimitFigures>]) {
        let ratio = self.active().answers.near_limit_ratio;
        let parts = settlement.reservation.parts.iter().zip(&settlement.outcomes);
        for ((part, outcome), figures) in parts.zip(figures) {
            let spent = outcome.after.saturating_sub(outcome.before);
            let needed = match part.cost {
                Cost::Told => hits,
                Cost::Fixed(fixed) => fixed,
            };
            let admitted = Outcome { over: false, ..*outcome };
            let number = part.quota.burst();
            let mut tally = Tally::of(&admitted, Charge::Hits(spent), number, part.shadow, ratio);
            if outcome.over {
                let over = needed.saturating_sub(spent);
                let shadow = if part.shadow { over } else { 0 };
                tally = Tally { total: tally.total + over, over, shadow, ..tally };
            }
            figures.figures.add(&tally);
        }
    }
}

pub(super) type Record = Reservations<Vec<Arc<LimitFigures>>>;

fn open(
    reservations: &mut Record,
    id: ReservationId,
    now: Now,
) -> Result<&mut Reservation, Unsettled> {
    let found = reservations.find(id, now).ok_or(Unsettled::Unknown)?;
    Ok(&mut found.0)
}

/// Takes the reservation out of the record, unless it stands.
fn closed(
    reservations: &mut Record,
    id: ReservationId,
    settled: Result<Settled, store::Unsettled>,
) -> Result<(Settlement, Vec<Arc<LimitFigures>>), Unsettled> {
    match settled {
        Ok(Settled { charged, uncharged, outcomes }) => {
            let (reservation, figures) = reservations.take(id).ok_or(Unsettled::Unknown)?;
            Ok((Settlement { charged, uncharged, reservation, outcomes }, figures))
        }
        Err(store::Unsettled::Ended) => {
            reservations.take_ended(id);
            Err(Unsettled::Unknown)
        }
        Err(store::Unsettled::Refused(refused)) => Err(Unavailable::from(refused).into()),
    }
}
