//! HOT PATH: one question, one answer.
//!
//! [`Decider::check`] plans against the active limits, charges the ledger and combines. On a ledger
//! of this node's own it reads the clock once, awaits nothing, so that it is ready when it is first
//! polled, and holds one shard's lock at a time (those of all its buckets where the domain charges
//! all or none). A replicated ledger is asked once, and waited for.

mod active;
mod apart;
mod asking;
mod ledger;
mod ledgers;
mod preview;
mod replicated;
mod reserve;
mod settle;
mod spent;
mod statistics;
mod unavailable;

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use tollgate_core::bucket::Outcome;
use tollgate_core::command::Once;
use tollgate_core::decision::{Code, Decision};
use tollgate_core::descriptor::Request;
use tollgate_core::key::KeySecret;
use tollgate_core::plan::Plan;
use tollgate_core::reservation::Reservations;
use tollgate_core::store::Bounds;
use tollgate_core::time::{Clock, LogClock, Monotonic, Now};

use self::apart::Apart;
use crate::metrics;
use crate::statistics::Statistics;
pub use active::{Active, Answers, Withheld};
pub use ledger::{LocalLedger, Totals};
pub use ledgers::Ledger;
pub use preview::Previewed;
pub use replicated::{Answered, NotAnswered, Replicated};
pub use reserve::{Reserved, Unreserved};
pub use settle::{Settlement, Unsettled};
pub use spent::{Forgotten, Refunded};
pub use unavailable::Unavailable;

/// Open reservations of a decider that is told no other number.
pub const RESERVATIONS_MAX: usize = 100_000;

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

/// What a question is asked with, beside its request. A ledger of this node's own needs none of it.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Until when it is worth waiting; where it is absent, the ledger has a bound of its own.
    pub deadline: Option<Monotonic>,
    /// The replicated ledger executes it once by this key.
    pub once: Option<Once>,
}

/// What charges were told, and what was decided of it.
struct Charged<'a> {
    outcomes: Vec<Outcome>,
    decision: Decision<'a>,
    now: Now,
}

/// Answers requests from the active limits and one ledger.
pub struct Decider {
    active: ArcSwap<Active>,
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    time: LogClock,
    secret: KeySecret,
    statistics: Arc<Statistics>,
    /// Those of a ledger of this node's own, each with the figures of its parts. Its lock is taken
    /// before those of shards, never after.
    reservations: Mutex<reserve::Record>,
    /// What decides while a replicated ledger is out of reach.
    apart: Apart,
}

impl Decider {
    /// A decider with an empty ledger of its own, whose keys are hashed with `secret`; `active` must
    /// have been made with the same.
    pub fn new(active: Active, secret: KeySecret, bounds: Bounds, clock: Arc<dyn Clock>) -> Self {
        let nothing = Bounds { keys_max: 0, bytes_max: 0 };
        Self::on(Ledger::Local(LocalLedger::new(bounds)), active, secret, nothing, clock)
    }

    /// A decider on a ledger that several nodes keep. What limits ask of this node alone while that
    /// ledger is out of reach is bounded by `apart`.
    pub fn replicated(
        active: Active,
        secret: KeySecret,
        ledger: Arc<dyn Replicated>,
        apart: Bounds,
        clock: Arc<dyn Clock>,
    ) -> Self {
        metrics::unavailable_answers_awaited();
        Self::on(Ledger::Replicated(ledger), active, secret, apart, clock)
    }

    fn on(
        ledger: Ledger,
        active: Active,
        secret: KeySecret,
        apart: Bounds,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            active: ArcSwap::from_pointee(active),
            ledger,
            time: LogClock::new(clock.monotonic(), clock.wall()),
            clock,
            secret,
            statistics: Arc::default(),
            reservations: Mutex::new(Reservations::new(RESERVATIONS_MAX)),
            apart: Apart::new(apart),
        }
    }

    /// The same with room for so many open reservations; with zero none can be made. To be called
    /// before there are any. A replicated ledger has a bound of its own.
    pub fn with_reservations_max(self, most: usize) -> Self {
        Self { reservations: Mutex::new(Reservations::new(most)), ..self }
    }

    /// What decides now. Take it once per request and pass it to [`Self::check`].
    pub fn active(&self) -> Guard<Arc<Active>> {
        match self.ledger {
            Ledger::Local(_) => self.active.load(),
            // It is kept while others ask: a core has few places for what it only borrows.
            Ledger::Replicated(_) => Guard::from_inner(self.active.load_full()),
        }
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
    pub fn ledger(&self) -> &Ledger {
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

    /// The time of a decision taken now, as far as this node knows it.
    pub fn now(&self) -> Now {
        match &self.ledger {
            Ledger::Local(_) => self.own_now(),
            Ledger::Replicated(ledger) => ledger.now(),
        }
    }

    /// The time of what this node decides by itself.
    fn own_now(&self) -> Now {
        self.time.now(self.clock.monotonic())
    }

    /// Decides `request` and charges for it. Ready at once on a ledger of this node's own.
    ///
    /// # Errors
    /// [`Unavailable`] if a bucket could not be charged. Where each limit counts by itself, buckets
    /// that were charged before it stay charged: a limit may be reached early, never exceeded. Where
    /// a replicated ledger is out of reach, only if a limit of the request wants that:
    /// [`OnUnavailable`](tollgate_core::limit::OnUnavailable).
    pub async fn check<'a>(
        &self,
        active: &'a Active,
        request: &Request<'a>,
        terms: Terms,
    ) -> Result<Checked<'a>, Unavailable> {
        if !active.decides(request.domain) {
            return Err(Unavailable::NotLoaded);
        }
        let plan = Plan::of(&active.limits, request);
        let charged = match &self.ledger {
            Ledger::Local(ledger) => charge(ledger, &plan, active, self.own_now())?,
            // In a place of its own, so that the future of a lone node stays small.
            Ledger::Replicated(ledger) => {
                Box::pin(self.charge_there(ledger, &plan, active, terms)).await?
            }
        };
        let Charged { outcomes, decision, now } = charged;
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

    /// Keeps time and frees ended buckets and reservations. To be called about once a second by one
    /// owner.
    pub fn tick(&self) {
        let monotonic = self.clock.monotonic();
        self.time.discipline(monotonic, self.clock.wall());
        let now = self.time.now(monotonic);
        if let Ledger::Local(ledger) = &self.ledger {
            ledger.sweep(now);
            self.sweep_reservations(ledger, now);
        }
        self.apart.sweep(now);
    }

    /// What the ledger and the record of reservations hold.
    pub fn totals(&self) -> Totals {
        if self.ledger.is_replicated() {
            return self.ledger.totals();
        }
        let (reservations, reservations_ended) = {
            let reservations = self.reservations.lock();
            (reservations.len(), reservations.ended())
        };
        Totals { reservations, reservations_ended, ..self.ledger.totals() }
    }
}

/// Charges the operations of a plan, each by itself or all or none, as their domain says.
fn charge<'a>(
    ledger: &LocalLedger,
    plan: &Plan<'a>,
    active: &Active,
    now: Now,
) -> Result<Charged<'a>, Unavailable> {
    let modes = active.answers.modes;
    let outcomes = if is_atomic(plan) {
        let passes = |outcomes: &[Outcome]| Decision::of(plan, outcomes, modes).overall == Code::Ok;
        ledger.charge_all_or_none(&plan.operations, now, passes)?
    } else {
        let mut outcomes = Vec::with_capacity(plan.operations.len());
        for operation in &plan.operations {
            outcomes.push(ledger.charge(operation, now)?);
        }
        outcomes
    };
    let decision = Decision::of(plan, &outcomes, modes);
    Ok(Charged { outcomes, decision, now })
}

fn is_atomic(plan: &Plan<'_>) -> bool {
    plan.domain.is_some_and(|domain| domain.options.atomic)
}

#[cfg(test)]
pub(crate) mod double;

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

#[cfg(test)]
#[path = "reserve_tests.rs"]
mod reserve_tests;

#[cfg(test)]
#[path = "atomic_tests.rs"]
mod atomic_tests;
