//! HOT PATH: one question, one answer.
//!
//! [`Decider::check`] plans against the active limits, charges the ledger and combines. It reads
//! the clock once, awaits nothing, and holds one shard's lock at a time.

mod ledger;

use std::sync::Arc;

use arc_swap::ArcSwap;
use tollgate_core::decision::{Decision, Modes};
use tollgate_core::descriptor::Request;
use tollgate_core::limit::LimitSet;
use tollgate_core::plan::Plan;
use tollgate_core::store::Bounds;
use tollgate_core::time::{Clock, LogClock};

pub use ledger::{LocalLedger, Totals};

/// What decides at the moment: replaced as a whole by a reload, so that no decision sees half of
/// one configuration and half of another.
#[derive(Debug, Default)]
pub struct Active {
    /// The limits, by domain.
    pub limits: LimitSet,
    /// Modes that hold for every domain.
    pub modes: Modes,
}

/// A decision could not be made; the caller's failure mode applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The ledger holds as many keys or bytes as it may, and none may leave.
    #[error("the ledger is full: raise ledger.keys_max or ledger.bytes_max")]
    LedgerFull,
}

/// Answers requests from the active limits and one ledger.
pub struct Decider {
    active: ArcSwap<Active>,
    ledger: LocalLedger,
    clock: Arc<dyn Clock>,
    time: LogClock,
}

impl Decider {
    /// A decider with an empty ledger.
    pub fn new(active: Active, bounds: Bounds, clock: Arc<dyn Clock>) -> Self {
        let time = LogClock::new(clock.monotonic(), clock.wall());
        Self {
            active: ArcSwap::from_pointee(active),
            ledger: LocalLedger::new(bounds),
            clock,
            time,
        }
    }

    /// What decides now. Take it once per request and pass it to [`Self::check`].
    pub fn active(&self) -> arc_swap::Guard<Arc<Active>> {
        self.active.load()
    }

    /// Decides `request` and charges for it.
    ///
    /// # Errors
    /// [`Unavailable`] if a bucket could not be charged. Buckets that were charged before it stay
    /// charged: a limit may be reached early, never exceeded.
    pub fn check<'a>(
        &self,
        active: &'a Active,
        request: &Request<'a>,
    ) -> Result<Decision<'a>, Unavailable> {
        let plan = Plan::of(&active.limits, request);
        let now = self.time.now(self.clock.monotonic());
        let mut outcomes = Vec::with_capacity(plan.operations.len());
        for operation in &plan.operations {
            let outcome = self.ledger.charge(operation, now);
            outcomes.push(outcome.map_err(|_| Unavailable::LedgerFull)?);
        }
        Ok(Decision::of(&plan, &outcomes, active.modes))
    }

    /// Keeps time and frees ended buckets. To be called about once a second by one owner.
    pub fn tick(&self) {
        let monotonic = self.clock.monotonic();
        self.time.discipline(monotonic, self.clock.wall());
        self.ledger.sweep(self.time.now(monotonic));
    }

    /// What the ledger holds.
    pub fn totals(&self) -> Totals {
        self.ledger.totals()
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
