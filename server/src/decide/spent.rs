//! What was spent and is taken back: refunds, and counters that are forgotten.

use std::collections::BTreeSet;

use tollgate_core::bucket::Outcome;
use tollgate_core::decision::Decision;
use tollgate_core::descriptor::{Charge, Request};
use tollgate_core::key::Key;
use tollgate_core::plan::Plan;

use super::{Active, Checked, Decider, Unavailable, statistics};

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
    /// [`Unavailable`]; nothing was given back then.
    pub fn refund<'a>(
        &self,
        active: &'a Active,
        request: &Request<'a>,
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
        let now = self.now();
        let outcomes = self.ledger.charge_all_or_none(&plan.operations, now, |_| true)?;
        let decision = Decision::of(&plan, &outcomes, active.answers.modes);
        self.count_unknown_domain(&plan, request);
        statistics::count(&self.statistics, &plan, &outcomes, &decision, active);
        Ok(Refunded { checked: Checked { plan, decision, now }, outcomes })
    }

    /// Forgets what was spent in the buckets that `request` meets, and returns those that were
    /// there. What reservations hold stays held.
    ///
    /// # Errors
    /// [`Unavailable::NotLoaded`].
    pub fn reset(
        &self,
        active: &Active,
        request: &Request<'_>,
    ) -> Result<Vec<Forgotten>, Unavailable> {
        if !active.decides(request.domain) {
            return Err(Unavailable::NotLoaded);
        }
        let plan = Plan::of(&active.limits, request);
        let now = self.now();
        let mut met = BTreeSet::new();
        let mut forgotten = Vec::new();
        for operation in plan.operations.iter().filter(|operation| met.insert(operation.key)) {
            let Some(mut bucket) = self.ledger.bucket(operation.key) else { continue };
            if self.ledger.reset(operation.key) && !bucket.is_expired(now) {
                let hits = bucket.charge(&operation.quota, Charge::Hits(0), now).before;
                let text = operation.label.to_text();
                forgotten.push(Forgotten { key: operation.key, text, hits });
            }
        }
        Ok(forgotten)
    }
}
