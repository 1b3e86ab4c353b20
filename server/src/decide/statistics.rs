//! Hits by limit, for metrics: bounded in names, whatever clients send.

use std::collections::HashMap;
use std::sync::Arc;

use metrics::Counter;
use parking_lot::RwLock;
use tollgate_core::bucket::Outcome;
use tollgate_core::decision::{Code, Decision};
use tollgate_core::plan::{Operation, Plan};
use tollgate_core::tally::Tally;

use super::Active;
use crate::metrics::limit_hits;

/// Names of limits that get figures of their own; later ones share one name. Each is five series.
const NAMES_MAX: usize = 2_000;

/// The name that all others share.
const OTHER: &str = "_other";

/// The figures of all limits, for as long as the process lives.
#[derive(Debug, Default)]
pub(super) struct Statistics {
    by_name: RwLock<HashMap<Box<str>, Arc<Figures>>>,
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
                    figures.get_or_init(|| self.named(plan, &limit.path)).add(&tally);
                }
                _ => self.of_request(plan, operation, &limit.path).add(&tally),
            }
        }
    }

    /// The figures of a limit whose name shows the request.
    fn of_request(&self, plan: &Plan<'_>, operation: &Operation<'_>, path: &str) -> Arc<Figures> {
        let shown = plan.domain.and_then(|domain| {
            domain.rules.statistics_name(domain.name(), operation.label.entries)
        });
        self.named(plan, shown.as_deref().unwrap_or(path))
    }

    fn named(&self, plan: &Plan<'_>, name: &str) -> Arc<Figures> {
        if let Some(figures) = self.by_name.read().get(name) {
            return Arc::clone(figures);
        }
        let domain = plan.domain.map_or("", |domain| domain.name());
        let mut by_name = self.by_name.write();
        let (domain, name) =
            if by_name.len() < NAMES_MAX { (domain, name) } else { (OTHER, OTHER) };
        let figures =
            by_name.entry(name.into()).or_insert_with(|| Arc::new(Figures::of(domain, name)));
        Arc::clone(figures)
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
