//! What a request would be told, spending nothing.
//!
//! [`store::preview`] charges copies of the buckets that the request meets, by the same code as a
//! decision; a replicated ledger does so itself.

use std::sync::Arc;

use tollgate_core::bucket::Outcome;
use tollgate_core::command::{Answer, Command};
use tollgate_core::decision::{Code, Decision};
use tollgate_core::descriptor::Request;
use tollgate_core::plan::Plan;
use tollgate_core::store;
use tollgate_core::time::Now;

use super::{
    Active, Decider, Ledger, LocalLedger, Replicated, Terms, Unavailable, asking, is_atomic,
};

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
    /// What `request` would be told now. Ready at once on a ledger of this node's own.
    ///
    /// # Errors
    /// [`Unavailable`], on a replicated ledger alone.
    pub async fn preview<'a>(
        &self,
        active: &'a Active,
        request: &Request<'a>,
        terms: Terms,
    ) -> Result<Previewed<'a>, Unavailable> {
        let plan = Plan::of(&active.limits, request);
        let (found, outcomes) = match &self.ledger {
            Ledger::Local(ledger) => look(ledger, &plan, active, self.own_now()),
            Ledger::Replicated(_) if plan.operations.is_empty() => (Vec::new(), Vec::new()),
            Ledger::Replicated(ledger) => {
                Box::pin(self.look_there(ledger, &plan, active, terms)).await?
            }
        };
        let decision = Decision::of(&plan, &outcomes, active.answers.modes);
        Ok(Previewed { plan, found, decision })
    }

    async fn look_there(
        &self,
        ledger: &Arc<dyn Replicated>,
        plan: &Plan<'_>,
        active: &Active,
        terms: Terms,
    ) -> Result<(Vec<Outcome>, Vec<Outcome>), Unavailable> {
        let charges = plan.charges(&self.secret);
        let rule = asking::rule(plan, active.answers.modes);
        let answered = self.ask(ledger, Command::Preview { charges, rule }, terms).await?;
        let wanted = plan.operations.len();
        match answered.answer {
            Answer::Previewed { found, outcomes }
                if (found.len(), outcomes.len()) == (wanted, wanted) =>
            {
                Ok((found, outcomes))
            }
            _ => Err(Unavailable::Senseless),
        }
    }
}

/// What the operations of a plan find, and what they would be told.
fn look(
    ledger: &LocalLedger,
    plan: &Plan<'_>,
    active: &Active,
    now: Now,
) -> (Vec<Outcome>, Vec<Outcome>) {
    let passes = |outcomes: &[Outcome]| {
        let decision = || Decision::of(plan, outcomes, active.answers.modes);
        !is_atomic(plan) || decision().overall == Code::Ok
    };
    let see = |key| ledger.seen(key, now);
    let store::Preview { found, outcomes } = store::preview(&plan.operations, now, see, passes);
    (found, outcomes)
}
