//! What a request would be told, spending nothing.
//!
//! [`store::preview`] charges copies of the buckets that the request meets, by the same code as a
//! decision.

<<<<<<< HEAD
use std::sync::Arc;

use tollgate_core::bucket::{Bucket, Outcome};
use tollgate_core::command::{Answer, Command};
=======
use tollgate_core::bucket::Outcome;
>>>>>>> refs/heads/store
use tollgate_core::decision::{Code, Decision};
use tollgate_core::descriptor::Request;
use tollgate_core::plan::Plan;
use tollgate_core::store;

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
<<<<<<< HEAD
        let (found, outcomes) = match &self.ledger {
            Ledger::Local(ledger) => look(ledger, &plan, active, self.own_now()),
            Ledger::Replicated(_) if plan.operations.is_empty() => (Vec::new(), Vec::new()),
            Ledger::Replicated(ledger) => {
                Box::pin(self.look_there(ledger, &plan, active, terms)).await?
            }
        };
        let decision = Decision::of(&plan, &outcomes, active.answers.modes);
        Ok(Previewed { plan, found, decision })
=======
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
>>>>>>> refs/heads/store
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
    let mut copies = Copies { ledger, now, buckets: Vec::new() };
    let found = plan.operations.iter().map(|operation| copies.peek(operation)).collect();
    let mut outcomes: Vec<_> =
        plan.operations.iter().map(|operation| copies.charge(operation)).collect();
    let is_denied =
        || Decision::of(plan, &outcomes, active.answers.modes).overall == Code::OverLimit;
    if is_atomic(plan) && is_denied() {
        for (outcome, operation) in outcomes.iter_mut().zip(&plan.operations) {
            if !outcome.over {
                let peek = copies.peek(operation);
                *outcome = Outcome { over: false, retry_after: None, ..peek };
            }
        }
    }
    (found, outcomes)
}
<<<<<<< HEAD

/// Copies of buckets and of what is held of them, made when they are first met.
struct Copies<'a> {
    ledger: &'a LocalLedger,
    now: Now,
    buckets: Vec<(Key, Bucket, Held)>,
}

impl Copies<'_> {
    fn charge(&mut self, operation: &Operation<'_>) -> Outcome {
        let (quota, charge, now) = (&operation.quota, operation.charge, self.now);
        let mut known = self.buckets.iter_mut();
        if let Some((_, bucket, held)) = known.find(|(key, ..)| *key == operation.key) {
            return held.charge(bucket, quota, charge, now);
        }
        let (mut bucket, held) = self.copy(operation);
        let outcome = held.charge(&mut bucket, quota, charge, now);
        self.buckets.push((operation.key, bucket, held));
        outcome
    }

    /// What is there now, without the charge.
    fn peek(&self, operation: &Operation<'_>) -> Outcome {
        let (mut bucket, held) = self.copy(operation);
        held.charge(&mut bucket, &operation.quota, Charge::Hits(0), self.now)
    }

    fn copy(&self, operation: &Operation<'_>) -> (Bucket, Held) {
        let (live, held) = self.ledger.seen(operation.key, self.now);
        (live.unwrap_or_else(|| Bucket::fresh(&operation.quota, self.now)), held)
    }
}
=======
>>>>>>> refs/heads/store
