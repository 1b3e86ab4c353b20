//! Reservations: hits that are held until their cost is known.
//!
//! The rules are core's ([`tollgate_core::reservation`], [`tollgate_core::store`]). A lone node keeps
//! the one record behind its lock here, with what it needs to count a settlement; a replicated ledger
//! keeps its own.

use std::sync::Arc;
use std::time::Duration;

use tollgate_core::bucket::Outcome;
use tollgate_core::command::{Answer, Command, KeySlot, NotDone};
use tollgate_core::decision::{Code, Decision};
use tollgate_core::descriptor::Request;
use tollgate_core::plan::Plan;
use tollgate_core::reservation::{
    Full, HOLD_MAX, HOLD_MIN, Reservation, ReservationId, Reservations,
};
use tollgate_core::store::Refused;
use tollgate_core::time::Now;

use super::{
    Active, Answered, Charged, Checked, Decider, Ledger, LocalLedger, NotAnswered, Replicated,
    Terms, Unavailable, statistics,
};
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

impl From<Refused> for Unreserved {
    fn from(refused: Refused) -> Self {
        Self::Unavailable(refused.into())
    }
}

impl From<NotAnswered> for Unreserved {
    fn from(error: NotAnswered) -> Self {
        match error {
            NotAnswered::NotDone(NotDone::ReservationsFull) => Self::Full,
            error => Self::Unavailable(error.into()),
        }
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
    pub async fn reserve<'a>(
        &self,
        active: &'a Active,
        request: &Request<'a>,
        hold_for: Duration,
        terms: Terms,
    ) -> Result<Reserved<'a>, Unreserved> {
        if !active.decides(request.domain) {
            return Err(Unavailable::NotLoaded.into());
        }
        let mut plan = Plan::of(&active.limits, request);
        for operation in &mut plan.operations {
            operation.quota.counts_refused = false;
        }
        let ends_after = hold_for.clamp(HOLD_MIN, HOLD_MAX);
        let held = match &self.ledger {
            Ledger::Local(ledger) => self.hold(ledger, (&plan, request), active, ends_after)?,
            Ledger::Replicated(ledger) => {
                let asked = (&plan, request);
                Box::pin(self.hold_there(ledger, asked, active, ends_after, terms)).await?
            }
        };
        let (Charged { outcomes, decision, now }, id) = held;
        self.count_unknown_domain(&plan, request);
        statistics::count_reserved(&self.statistics, &plan, &outcomes, &decision, active);
        Ok(Reserved { checked: Checked { plan, decision, now }, id, ends_after })
    }

    fn hold<'a>(
        &self,
        ledger: &LocalLedger,
        (plan, request): (&Plan<'a>, &Request<'a>),
        active: &Active,
        ends_after: Duration,
    ) -> Result<(Charged<'a>, Option<ReservationId>), Unreserved> {
        let modes = active.answers.modes;
        let mut reservations = self.reservations.lock();
        // Read after the wait for the record, which is no part of the time that it is held.
        let now = self.own_now();
        let number = self.admit(&mut reservations, ledger, Reservation::parts_of(plan), now)?;
        let hold = (now.log.plus(ends_after), self.secret.reservation_id(number));
        let passes = |outcomes: &[Outcome]| Decision::of(plan, outcomes, modes).overall == Code::Ok;
        let outcomes = ledger.hold_all_or_none(&plan.operations, hold, now, passes)?;
        let decision = Decision::of(plan, &outcomes, modes);
        let is_held = decision.overall == Code::Ok;
        if is_held {
            let reservation = Reservation::new(hold, plan, request, &outcomes, modes);
            let of = |operation| statistics::figures(&self.statistics, plan, operation);
            reservations.insert(reservation, plan.operations.iter().map(of).collect());
        }
        Ok((Charged { outcomes, decision, now }, is_held.then_some(hold.1)))
    }

    async fn hold_there<'a>(
        &self,
        ledger: &Arc<dyn Replicated>,
        (plan, request): (&Plan<'a>, &Request<'a>),
        active: &Active,
        hold_for: Duration,
        terms: Terms,
    ) -> Result<(Charged<'a>, Option<ReservationId>), Unreserved> {
        let modes = active.answers.modes;
        let holdings = plan.holdings(request, &self.secret);
        let slots: Vec<KeySlot> = holdings.iter().map(|holding| holding.charging.slot).collect();
        let id = ledger.reservation_id(&slots);
        let combining = plan.combining(modes);
        let command = Command::Hold { id, hold_for, holdings, combining };
        let Answered { answer, at: now } = self.ask(ledger, command, terms).await?;
        match answer {
            Answer::Held { id, outcomes, is_held } if outcomes.len() == plan.operations.len() => {
                let decision = Decision::of(plan, &outcomes, modes);
                Ok((Charged { outcomes, decision, now }, is_held.then_some(id)))
            }
            _ => Err(Unavailable::Senseless.into()),
        }
    }

    /// Clears away reservations that have ended, a few at a time.
    pub(super) fn sweep_reservations(&self, ledger: &LocalLedger, now: Now) {
        while sweep_some(&mut self.reservations.lock(), ledger, now) == SWEPT_AT_ONCE {}
    }

    fn admit(
        &self,
        reservations: &mut Record,
        ledger: &LocalLedger,
        parts: usize,
        now: Now,
    ) -> Result<u64, Unreserved> {
        let admitted = reservations.admit(parts).or_else(|Full| {
            sweep_some(reservations, ledger, now);
            reservations.admit(parts)
        });
        admitted.map_err(|Full| Unreserved::Full)
    }
}

pub(super) type Record = Reservations<Vec<Arc<LimitFigures>>>;

fn sweep_some(reservations: &mut Record, ledger: &LocalLedger, now: Now) -> usize {
    let one = || reservations.sweep_one(now);
    let ended = std::iter::from_fn(one).take(SWEPT_AT_ONCE);
    // That it had ended is no news.
    ended.map(|(reservation, _)| drop(ledger.release(&reservation, now))).count()
}
