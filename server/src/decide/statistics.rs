//! Hits by limit, for metrics: bounded in names, whatever clients send.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use metrics::Counter;
use parking_lot::RwLock;
use tollgate_core::bucket::Outcome;
use tollgate_core::decision::{Code, Decision};
use tollgate_core::limit::Limit;
use tollgate_core::plan::{Operation, Plan};
use tollgate_core::tally::Tally;

use super::Active;
use crate::metrics::{count_shadowed, limit_hits};

/// Names that requests chose (`detailed_metric`, `value_to_metric`) and that get figures of their own;
/// later ones share one name. Each is five series. Names of the configuration are not counted: the
/// configuration bounds them.
const REQUEST_NAMES_MAX: usize = 2_000;

/// The name that all others share.
const OTHER: &str = "_other";

/// The figures of all limits, for as long as the process lives.
#[derive(Debug, Default)]
pub(super) struct Statistics {
    by_request: RwLock<HashMap<Box<str>, Arc<Figures>>>,
    other: OnceLock<Arc<Figures>>,
}

/// The figures of one limit.
#[derive(Debug)]
pub(super) struct Figures {
    within: Counter,
    near: Counter,
    over: Counter,
    shadow_over: Counter,
    refunded: Counter,
}

impl Statistics {
    /// Counts what a decision did. Where a denied request was charged nothing, only the limits
    /// that denied it count.
    pub(super) fn count(
        &self,
        plan: &Plan<'_>,
        outcomes: &[Outcome],
        decision: &Decision<'_>,
        active: &Active,
    ) {
        let is_atomic = plan.domain.is_some_and(|domain| domain.options.atomic);
        let only_over = is_atomic && decision.overall == Code::OverLimit;
        for (operation, outcome) in plan.operations.iter().zip(outcomes) {
            let Some(limit) = operation.limit else { continue };
            if only_over && !outcome.over {
                continue;
            }
            let ratio = active.answers.near_limit_ratio;
            let number = operation.quota.burst();
            let tally = Tally::of(outcome, operation.charge, number, limit, ratio);
            match active.figures.get(limit.id as usize) {
                Some(figures) if !limit.shows_request => {
                    let domain = plan.domain.map_or("", |domain| domain.name());
                    figures.get_or_init(|| Arc::new(Figures::of(domain, &limit.path))).add(&tally);
                }
                _ => self.of_request(plan, operation, limit).add(&tally),
            }
        }
        if decision.shadowed {
            count_shadowed();
        }
    }

    /// The figures of a limit whose name shows the request.
    fn of_request(
        &self,
        plan: &Plan<'_>,
        operation: &Operation<'_>,
        limit: &Limit,
    ) -> Arc<Figures> {
        let entries = operation.label.entries;
        let domain = plan.domain.map_or("", |domain| domain.name());
        let rules = plan.domain.map(|domain| &domain.rules);
        let shown = rules.and_then(|rules| rules.statistics_name(domain, entries));
        let mut name = shown.unwrap_or_else(|| limit.path.to_string());
        let found = rules.and_then(|rules| rules.find(entries, |_| ()));
        let siblings = found.map_or(&[][..], |found| &found.node.limits);
        if let (true, Some(index)) =
            (siblings.len() > 1, siblings.iter().position(|sibling| sibling.id == limit.id))
        {
            name.push_str(&format!("[{index}]"));
        }
        self.named(domain, &name)
    }

    fn named(&self, domain: &str, name: &str) -> Arc<Figures> {
        let by_request = self.by_request.read();
        if let Some(figures) = by_request.get(name) {
            return Arc::clone(figures);
        }
        if by_request.len() >= REQUEST_NAMES_MAX {
            let other = self.other.get_or_init(|| Arc::new(Figures::of(OTHER, OTHER)));
            return Arc::clone(other);
        }
        drop(by_request);
        let mut by_request = self.by_request.write();
        let fresh = || Arc::new(Figures::of(domain, name));
        Arc::clone(by_request.entry(name.into()).or_insert_with(fresh))
    }
}

impl Figures {
    fn of(domain: &str, limit: &str) -> Self {
        Self {
            within: limit_hits(domain, limit, "within"),
            near: limit_hits(domain, limit, "near"),
            over: limit_hits(domain, limit, "over"),
            shadow_over: limit_hits(domain, limit, "shadow_over"),
            refunded: limit_hits(domain, limit, "refunded"),
        }
    }

    fn add(&self, tally: &Tally) {
        let add = |counter: &Counter, hits: u64| {
            if hits > 0 {
                counter.increment(hits);
            }
        };
        add(&self.within, tally.within);
        add(&self.near, tally.near);
        add(&self.over, tally.over);
        add(&self.shadow_over, tally.shadow);
        add(&self.refunded, tally.refunded);
    }
}
