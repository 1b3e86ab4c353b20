//! What a request would be told, spending nothing.
//!
//! [`store::preview`] charges copies of the buckets that the request meets, by the same code as a
//! decision.

use tollgate_core::bucket::Outcome;
use tollgate_core::decision::{Code, Decision};
use tollgate_core::descriptor::Request;
use tollgate_core::plan::Plan;
use tollgate_core::store;

use super::{Active, Decider};

/// What would be decided, and why.
#[derive(Clone, Debug)]
pub struct Previewed<'a> {
    /// Which limits are met.
    pub plan: Plan<'a>,
    /// What each operation of the plan finds now: a peek at its bucket.
    pub found: Vec<Outcome>,
    /// What would be decided.
    pub decision: Decision<'a>,
}

impl Decider {
    /// What `request` would be told now.
    pub fn preview<'a>(&self, active: &'a Active, request: &Request<'a>) -> Previewed<'a> {
        let plan = Plan::of(&active.limits, request);
        let now = self.now();
        let see = |key| self.ledger().seen(key, now);
        let is_atomic = plan.domain.is_some_and(|domain| domain.options.atomic);
        let modes = active.answers.modes;
        let passes = |outcomes: &[Outcome]| {
            !is_atomic || Decision::of(&plan, outcomes, modes).overall == Code::Ok
        };
        let store::Preview { found, outcomes } = store::preview(&plan.operations, now, see, passes);
        let decision = Decision::of(&plan, &outcomes, modes);
        Previewed { plan, found, decision }
    }
}
