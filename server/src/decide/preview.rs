//! What a request would be told, spending nothing.
//!
//! It charges copies of the buckets that the request meets, by the same code as a decision, so the
//! two agree on everything but a full ledger, which only a real charge meets.

use tollgate_core::bucket::{Bucket, Outcome};
use tollgate_core::decision::{Code, Decision};
use tollgate_core::descriptor::{Charge, Request};
use tollgate_core::key::Key;
use tollgate_core::plan::{Operation, Plan};
use tollgate_core::store::Held;
use tollgate_core::time::Now;

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
        let mut copies = Copies { decider: self, now, buckets: Vec::new() };
        let found = plan.operations.iter().map(|operation| copies.peek(operation)).collect();
        let mut outcomes: Vec<_> =
            plan.operations.iter().map(|operation| copies.charge(operation)).collect();
        let mut decision = Decision::of(&plan, &outcomes, active.answers.modes);
        let is_atomic = plan.domain.is_some_and(|domain| domain.options.atomic);
        if is_atomic && decision.overall == Code::OverLimit {
            for (outcome, operation) in outcomes.iter_mut().zip(&plan.operations) {
                if !outcome.over {
                    let peek = copies.peek(operation);
                    *outcome = Outcome { over: false, retry_after: None, ..peek };
                }
            }
            decision = Decision::of(&plan, &outcomes, active.answers.modes);
        }
        Previewed { plan, found, decision }
    }
}

/// Copies of buckets and of what is held of them, made when they are first met.
struct Copies<'a> {
    decider: &'a Decider,
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
        let (live, held) = self.decider.ledger().seen(operation.key, self.now);
        (live.unwrap_or_else(|| Bucket::fresh(&operation.quota, self.now)), held)
    }
}
