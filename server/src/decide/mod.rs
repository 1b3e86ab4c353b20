//! HOT PATH: one question, one answer.
//!
//! [`Decider::check`] plans against the active limits, charges the ledger and combines. It reads
//! the clock once, awaits nothing, and holds one shard's lock at a time (those of all its buckets
//! where the domain charges all or none).

mod active;
mod ledger;
mod preview;
mod reserve;
mod spent;
mod statistics;

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tollgate_core::bucket::Outcome;
use tollgate_core::decision::{Code, Decision};
use tollgate_core::descriptor::Request;
use tollgate_core::key::KeySecret;
use tollgate_core::plan::Plan;
use tollgate_core::reservation::Reservations;
use tollgate_core::store::{Bounds, Refused};
use tollgate_core::time::{Clock, LogClock, Now};

use crate::statistics::Statistics;
pub use active::{Active, Answers, Withheld};
pub use ledger::{LocalLedger, Totals};
pub use preview::Previewed;
pub use reserve::{Reserved, Settlement, Unreserved, Unsettled};
pub use spent::{Forgotten, Refunded};

/// Open reservations of a decider that is told no other number.
pub const RESERVATIONS_MAX: usize = 100_000;

/// A decision could not be made; the caller's failure mode applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The ledger holds as many keys or bytes as it may, and none may leave.
    #[error("the ledger is full: raise ledger.keys_max or ledger.bytes_max")]
    LedgerFull,
    /// No configuration was right yet. The text is the reference service's.
    #[error("no rate limit configuration loaded")]
    NotLoaded,
}

impl From<Refused> for Unavailable {
    fn from(_: Refused) -> Self {
        Self::LedgerFull
    }
}

/// A decision, with what it was made of.
#[derive(Clone, Debug)]
pub struct Checked<'a> {
    /// Which limits were met.
    pub plan: Plan<'a>,
    /// What was decided.
    pub decision: Decision<'a>,
    /// When.
    pub now: Now,
}

/// Answers requests from the active limits and one ledger.
pub struct Decider {
    active: ArcSwap<Active>,
    ledger: LocalLedger,
    clock: Arc<dyn Clock>,
    time: LogClock,
    secret: KeySecret,
    statistics: Arc<Statistics>,
    /// Each with the figures of its parts. Its lock is taken before those of shards, never after.
    reservations: Mutex<reserve::Record>,
}

impl Decider {
    /// A decider with an empty ledger, whose keys are hashed with `secret`; `active` must have been
    /// made with the same.
    pub fn new(active: Active, secret: KeySecret, bounds: Bounds, clock: Arc<dyn Clock>) -> Self {
        let time = LogClock::new(clock.monotonic(), clock.wall());
        Self {
            active: ArcSwap::from_pointee(active),
            ledger: LocalLedger::new(bounds),
            clock,
            time,
            secret,
            statistics: Arc::default(),
            reservations: Mutex::new(Reservations::new(RESERVATIONS_MAX)),
        }
    }

    /// The same with room for so many open reservations; with zero none can be made. To be called
    /// before there are any.
    pub fn with_reservations_max(self, most: usize) -> Self {
        Self { reservations: Mutex::new(Reservations::new(most)), ..self }
    }

    /// What decides now. Take it once per request and pass it to [`Self::check`].
    pub fn active(&self) -> arc_swap::Guard<Arc<Active>> {
        self.active.load()
    }

    /// Decides by `active` from the next request on; made with [`Self::secret`].
    pub fn replace(&self, active: Active) {
        self.active.store(Arc::new(active));
    }

    /// What keys are hashed with.
    pub fn secret(&self) -> &KeySecret {
        &self.secret
    }

    /// The ledger, for operators.
    pub fn ledger(&self) -> &LocalLedger {
        &self.ledger
    }

    /// What is counted, of all decisions and calls.
    pub fn statistics(&self) -> &Arc<Statistics> {
        &self.statistics
    }

    /// The clock that decisions are taken by.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The time of a decision taken now.
    pub fn now(&self) -> Now {
        self.time.now(self.clock.monotonic())
    }

    /// Decides `request` and charges for it.
    ///
    /// # Errors
    /// [`Unavailable`] if a bucket could not be charged. Where each limit counts by itself, buckets
    /// that were charged before it stay charged: a limit may be reached early, never exceeded.
    pub fn check<'a>(
        &self,
        active: &'a Active,
        request: &Request<'a>,
    ) -> Result<Checked<'a>, Unavailable> {
        if !active.decides(request.domain) {
            return Err(Unavailable::NotLoaded);
        }
        let plan = Plan::of(&active.limits, request);
        let now = self.now();
        let is_atomic = plan.domain.is_some_and(|domain| domain.options.atomic);
        let (outcomes, decision) = if is_atomic {
            self.charge_all_or_none(&plan, active, now)?
        } else {
            let mut outcomes = Vec::with_capacity(plan.operations.len());
            for operation in &plan.operations {
                outcomes.push(self.ledger.charge(operation, now)?);
            }
            let decision = Decision::of(&plan, &outcomes, active.answers.modes);
            (outcomes, decision)
        };
        self.count_unknown_domain(&plan, request);
        statistics::count(&self.statistics, &plan, &outcomes, &decision, active);
        Ok(Checked { plan, decision, now })
    }

    fn count_unknown_domain(&self, plan: &Plan<'_>, request: &Request<'_>) {
        if plan.domain.is_none() {
            let descriptors = request.descriptors.len() as u64;
            self.statistics.unknown_domains.count(request.domain, descriptors);
        }
    }

    fn charge_all_or_none<'a>(
        &self,
        plan: &Plan<'a>,
        active: &Active,
        now: Now,
    ) -> Result<(Vec<Outcome>, Decision<'a>), Unavailable> {
        let passes = |outcomes: &[Outcome]| {
            Decision::of(plan, outcomes, active.answers.modes).overall == Code::Ok
        };
        let outcomes = self.ledger.charge_all_or_none(&plan.operations, now, passes)?;
        let decision = Decision::of(plan, &outcomes, active.answers.modes);
        Ok((outcomes, decision))
    }

    /// Keeps time and frees ended buckets and reservations. To be called about once a second by one
    /// owner.
    pub fn tick(&self) {
        let monotonic = self.clock.monotonic();
        self.time.discipline(monotonic, self.clock.wall());
        let now = self.time.now(monotonic);
        self.ledger.sweep(now);
        self.sweep_reservations(now);
    }

    /// What the ledger and the record of reservations hold.
    pub fn totals(&self) -> Totals {
        let (reservations, reservations_ended) = {
            let reservations = self.reservations.lock();
            (reservations.len(), reservations.ended())
        };
        Totals { reservations, reservations_ended, ..self.ledger.totals() }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

#[cfg(test)]
#[path = "reserve_tests.rs"]
mod reserve_tests;

#[cfg(test)]
#[path = "atomic_tests.rs"]
mod atomic_tests;
