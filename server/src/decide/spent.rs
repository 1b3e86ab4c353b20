//! What was spent and is taken back: refunds, and counters that are forgotten.

use std::collections::BTreeSet;
use std::sync::Arc;

use tollgate_core::bucket::{Bucket, Outcome};
use tollgate_core::command::{Answer, Command, Rule};
use tollgate_core::decision::Decision;
use tollgate_core::descriptor::{Charge, Request};
use tollgate_core::key::Key;
use tollgate_core::plan::{Operation, Plan};
use tollgate_core::time::Now;

use super::{
    Active, Answered, Checked, Decider, Ledger, LocalLedger, Replicated, Terms, Unavailable,
    asking, statistics,
};

/// What was given back.
#[derive(Clone, Debug)]
pub struct Refunded<'a> {
    /// What remains after it.
    pub checked: Checked<'a>,
    /// What each operation of the plan found and left.
    pub outcomes: Vec<Outcome>,
}

/// A counter that was forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// Its bucket's identity.
    pub key: Key,
    /// The key's text: see [`Label::to_text`](tollgate_core::plan::Label::to_text).
    pub text: Box<str>,
    /// Hits that counted in it.
    pub hits: u64,
}

impl Decider {
    /// Gives back to every limit of `request` the hits that it asks for; to none of them more than
    /// was spent of it. What reservations hold stays held. The statuses tell what remains then.
    ///
    /// # Errors
    /// [`Unavailable`]; nothing was given back then, unless it says that something may have been.
    pub async fn refund<'a>(
        &self,
        active: &'a Active,
        request: &Request<'a>,
        terms: Terms,
    ) -> Result<Refunded<'a>, Unavailable> {
        if !active.decides(request.domain) {
            return Err(Unavailable::NotLoaded);
        }
        let mut plan = Plan::of(&active.limits, request);
        for operation in &mut plan.operations {
            if let Charge::Hits(hits) = operation.charge {
                operation.charge = Charge::Refund(hits);
            }
        }
        let (outcomes, now) = match &self.ledger {
            Ledger::Local(ledger) => {
                let now = self.own_now();
                (ledger.charge_all_or_none(&plan.operations, now, |_| true)?, now)
            }
            Ledger::Replicated(ledger) => Box::pin(self.refund_there(ledger, &plan, terms)).await?,
        };
        let decision = Decision::of(&plan, &outcomes, active.answers.modes);
        self.count_unknown_domain(&plan, request);
        statistics::count(&self.statistics, &plan, &outcomes, &decision, active);
        Ok(Refunded { checked: Checked { plan, decision, now }, outcomes })
    }

    async fn refund_there(
        &self,
        ledger: &Arc<dyn Replicated>,
        plan: &Plan<'_>,
        terms: Terms,
    ) -> Result<(Vec<Outcome>, Now), Unavailable> {
        if plan.operations.is_empty() {
            return Ok((Vec::new(), ledger.now()));
        }
        let command = Command::Charge { charges: plan.charges(&self.secret), rule: Rule::All };
        let Answered { answer, at } = self.ask(ledger, command, terms).await?;
        Ok((asking::outcomes(answer, plan)?, at))
    }

    /// Forgets what was spent in the buckets that `request` meets, and returns those that were
    /// there. What reservations hold stays held.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn reset(
        &self,
        active: &Active,
        request: &Request<'_>,
        terms: Terms,
    ) -> Result<Vec<Forgotten>, Unavailable> {
        if !active.decides(request.domain) {
            return Err(Unavailable::NotLoaded);
        }
        let plan = Plan::of(&active.limits, request);
        let mut met = BTreeSet::new();
        let operations = plan.operations.iter().filter(|operation| met.insert(operation.key));
        let operations: Vec<_> = operations.collect();
        let keys = operations.iter().map(|operation| operation.key).collect();
        let (buckets, now) = match &self.ledger {
            Ledger::Local(ledger) => (forgotten(ledger, keys), self.own_now()),
            Ledger::Replicated(_) if operations.is_empty() => return Ok(Vec::new()),
            Ledger::Replicated(ledger) => Box::pin(self.forget_there(ledger, keys, terms)).await?,
        };
        let all = std::iter::zip(operations, buckets);
        Ok(all.filter_map(|(operation, bucket)| told(operation, bucket?, now)).collect())
    }

    /// Forgets what was spent in one bucket, and returns it as it was.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn forget(&self, key: Key, terms: Terms) -> Result<Option<Bucket>, Unavailable> {
        let mut buckets = match &self.ledger {
            Ledger::Local(ledger) => forgotten(ledger, vec![key]),
            Ledger::Replicated(ledger) => {
                Box::pin(self.forget_there(ledger, vec![key], terms)).await?.0
            }
        };
        Ok(buckets.pop().flatten())
    }

    async fn forget_there(
        &self,
        ledger: &Arc<dyn Replicated>,
        keys: Vec<Key>,
        terms: Terms,
    ) -> Result<(Vec<Option<Bucket>>, Now), Unavailable> {
        let wanted = keys.len();
        let Answered { answer, at } = self.ask(ledger, Command::Forget { keys }, terms).await?;
        match answer {
            Answer::Forgotten(found) if found.len() == wanted => {
                let buckets = found.into_iter().map(|found| found.map(|(bucket, _)| bucket));
                Ok((buckets.collect(), at))
            }
            _ => Err(Unavailable::Senseless),
        }
    }
}

/// The bucket of each key as it was, where there was one.
fn forgotten(ledger: &LocalLedger, keys: Vec<Key>) -> Vec<Option<Bucket>> {
    let forgotten = |key| ledger.bucket(key).filter(|_| ledger.reset(key));
    keys.into_iter().map(forgotten).collect()
}

/// What is told of a forgotten bucket, unless it had ended.
fn told(operation: &Operation<'_>, mut bucket: Bucket, now: Now) -> Option<Forgotten> {
    if bucket.is_expired(now) {
        return None;
    }
    let hits = bucket.charge(&operation.quota, Charge::Hits(0), now).before;
    Some(Forgotten { key: operation.key, text: operation.label.to_text(), hits })
}
