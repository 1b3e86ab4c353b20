//! The end of a reservation: what it needed is spent, what it held is free again.
//!
//! A reservation owns what it needs, for it outlives the configuration that it was made by; where a
//! limit still stands, it is settled by the numbers of now.

use std::sync::Arc;

use tollgate_core::bucket::Outcome;
use tollgate_core::command::{Answer, Command, NotDone};
use tollgate_core::decision::Status;
use tollgate_core::descriptor::Charge;
use tollgate_core::key::Key;
use tollgate_core::limit::Quota;
use tollgate_core::reservation::{Reservation, ReservationId};
use tollgate_core::store::{self, Cost, Part, Settled};
use tollgate_core::tally::Tally;
use tollgate_core::time::Now;

use super::reserve::Record;
use super::{
    Active, Answered, Decider, Ledger, LocalLedger, NotAnswered, Replicated, Terms, Unavailable,
    statistics,
};
use crate::statistics::LimitFigures;

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

impl From<NotAnswered> for Unsettled {
    fn from(error: NotAnswered) -> Self {
        match error {
            NotAnswered::NotDone(NotDone::UnknownReservation) => Self::Unknown,
            error => Self::Unavailable(error.into()),
        }
    }
}

impl Decider {
    /// Spends what a reservation really needed, in the windows of now, and frees the rest of what it
    /// held. More than it held is spent only as far as every enforced limit has room, and of what it
    /// held no more than limits allow that were lowered since.
    ///
    /// # Errors
    /// [`Unsettled`].
    pub async fn commit(
        &self,
        id: ReservationId,
        hits: u64,
        terms: Terms,
    ) -> Result<Settlement, Unsettled> {
        let ledger = match &self.ledger {
            Ledger::Local(ledger) => return self.settle(ledger, id, hits),
            Ledger::Replicated(ledger) => ledger,
        };
        let quotas = Box::pin(self.quotas(ledger, id, &terms)).await?;
        let command = Command::Settle { id, hits, quotas };
        let settlement = Box::pin(self.settled(ledger, command, terms)).await?;
        let active = self.active();
        let of = |part| statistics::figures_of_part(&self.statistics, &active, part);
        let figures: Vec<_> = settlement.reservation.parts.iter().map(of).collect();
        self.count_settled(&settlement, hits, figures.iter().map(Option::as_ref));
        Ok(settlement)
    }

    /// Frees all that a reservation held.
    ///
    /// # Errors
    /// [`Unsettled`].
    pub async fn cancel(&self, id: ReservationId, terms: Terms) -> Result<Settlement, Unsettled> {
        match &self.ledger {
            Ledger::Local(ledger) => self.release(ledger, id),
            Ledger::Replicated(ledger) => {
                Box::pin(self.settled(ledger, Command::Release { id }, terms)).await
            }
        }
    }

    fn settle(
        &self,
        ledger: &LocalLedger,
        id: ReservationId,
        hits: u64,
    ) -> Result<Settlement, Unsettled> {
        let mut reservations = self.reservations.lock();
        let now = self.own_now();
        let reservation = open(&mut reservations, id, now)?;
        let active = self.active();
        for part in &mut reservation.parts {
            // One that is gone, or that the caller brought, bounds as it did.
            part.quota = quota_of(&active, part).unwrap_or(part.quota);
        }
        let settled = ledger.settle(reservation, hits, now);
        let (settlement, figures) = closed(&mut reservations, id, settled)?;
        drop(reservations);
        self.count_settled(&settlement, hits, figures.iter().map(Some));
        Ok(settlement)
    }

    fn release(&self, ledger: &LocalLedger, id: ReservationId) -> Result<Settlement, Unsettled> {
        let mut reservations = self.reservations.lock();
        let now = self.own_now();
        let reservation = open(&mut reservations, id, now)?;
        let released = ledger.release(reservation, now);
        Ok(closed(&mut reservations, id, released)?.0)
    }

    /// The numbers of now for what a reservation holds, as far as there are any: only the ledger
    /// knows what that is, and only the configuration knows the numbers.
    async fn quotas(
        &self,
        ledger: &Arc<dyn Replicated>,
        id: ReservationId,
        terms: &Terms,
    ) -> Result<Vec<(Key, Quota)>, Unsettled> {
        let describe = Terms { deadline: terms.deadline, once: None };
        match self.ask(ledger, Command::Describe { id }, describe).await {
            Ok(Answered { answer: Answer::Described(parts), .. }) => {
                let active = self.active();
                let known = |part: &Part| Some((part.key, quota_of(&active, part)?));
                Ok(parts.iter().filter_map(known).collect())
            }
            Ok(_) => Err(Unavailable::Senseless.into()),
            // It may be settled already by the same key, and the answer to that remembered.
            Err(NotAnswered::NotDone(NotDone::UnknownReservation)) if terms.once.is_some() => {
                Ok(Vec::new())
            }
            // Nothing is settled by looking.
            Err(NotAnswered::TimedOut) => Err(Unavailable::NotSent.into()),
            Err(error) => Err(error.into()),
        }
    }

    async fn settled(
        &self,
        ledger: &Arc<dyn Replicated>,
        command: Command,
        terms: Terms,
    ) -> Result<Settlement, Unsettled> {
        match self.ask(ledger, command, terms).await?.answer {
            Answer::Settled { settled, reservation } => {
                let Settled { charged, uncharged, outcomes } = settled;
                Ok(Settlement { charged, uncharged, reservation: *reservation, outcomes })
            }
            _ => Err(Unavailable::Senseless.into()),
        }
    }

    /// Hits count in a limit's figures when they are spent; what found no room counts as refused.
    fn count_settled<'f>(
        &self,
        settlement: &Settlement,
        hits: u64,
        figures: impl Iterator<Item = Option<&'f Arc<LimitFigures>>>,
    ) {
        let ratio = self.active().answers.near_limit_ratio;
        let parts = settlement.reservation.parts.iter().zip(&settlement.outcomes);
        for ((part, outcome), figures) in parts.zip(figures) {
            let Some(figures) = figures else { continue };
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

/// What a part's limit allows now, if it still stands.
fn quota_of(active: &Active, part: &Part) -> Option<Quota> {
    active.met(part.key, &part.text, |operation| operation.quota)
}

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
