//! Which figures a decision counts in.

use std::sync::Arc;

use tollgate_core::bucket::Outcome;
use tollgate_core::decision::{Code, Decision};
use tollgate_core::descriptor::Entry;
use tollgate_core::limit::{Limit, level};
use tollgate_core::plan::{Label, Operation, Plan};
use tollgate_core::store::Part;
use tollgate_core::tally::Tally;

use super::Active;
use crate::statistics::{LimitFigures, Names, Origin, Statistics};

/// Counts what a decision did. Where a denied request was charged nothing, only the limits that
/// denied it count.
pub(super) fn count(
    statistics: &Statistics,
    plan: &Plan<'_>,
    outcomes: &[Outcome],
    decision: &Decision<'_>,
    active: &Active,
) {
    let is_atomic = plan.domain.is_some_and(|domain| domain.options.atomic);
    let only_over = is_atomic && decision.overall == Code::OverLimit;
    count_some(statistics, plan, outcomes, active, |outcome| !only_over || outcome.over);
    if decision.shadowed {
        statistics.count_shadowed();
    }
}

/// Counts what a reservation found: the limits that were over. What it holds is counted when it is
/// spent.
pub(super) fn count_reserved(
    statistics: &Statistics,
    plan: &Plan<'_>,
    outcomes: &[Outcome],
    decision: &Decision<'_>,
    active: &Active,
) {
    count_some(statistics, plan, outcomes, active, |outcome| outcome.over);
    if decision.shadowed {
        statistics.count_shadowed();
    }
}

/// The figures of an operation, for whoever counts in them when the configuration may be gone.
pub(super) fn figures(
    statistics: &Statistics,
    plan: &Plan<'_>,
    operation: &Operation<'_>,
) -> Arc<LimitFigures> {
    let names = &statistics.limits;
    match operation.limit {
        None => brought_along(names, operation),
        Some(limit) if limit.shows_request => of_request(names, plan, operation, limit),
        Some(limit) => configured(names, plan, operation, limit),
    }
}

/// The figures of a part of a reservation, found by its label: the node that settles it may not be
/// the one that made it. None where the label does not say all.
pub(super) fn figures_of_part(
    statistics: &Statistics,
    active: &Active,
    part: &Part,
) -> Option<Arc<LimitFigures>> {
    let met = active.met_in(part.key, &part.text, |plan, one| figures(statistics, plan, one));
    met.or_else(|| {
        // Its rule is gone, or the caller brought it along.
        let (domain, entries) = Label::parse(&part.text)?;
        Some(named_by_entries(&statistics.limits, domain, &entries))
    })
}

fn count_some(
    statistics: &Statistics,
    plan: &Plan<'_>,
    outcomes: &[Outcome],
    active: &Active,
    counts: impl Fn(&Outcome) -> bool,
) {
    let names = &statistics.limits;
    for (operation, outcome) in plan.operations.iter().zip(outcomes) {
        if !counts(outcome) {
            continue;
        }
        let ratio = active.answers.near_limit_ratio;
        let is_shadow = operation.limit.is_some_and(|limit| limit.shadow);
        let number = operation.quota.burst();
        let tally = Tally::of(outcome, operation.charge, number, is_shadow, ratio);
        let Some(limit) = operation.limit else {
            brought_along(names, operation).figures.add(&tally);
            continue;
        };
        match active.figures.get(limit.id as usize) {
            Some(known) if !limit.shows_request => {
                known.get_or_init(|| configured(names, plan, operation, limit)).figures.add(&tally);
            }
            _ => of_request(names, plan, operation, limit).figures.add(&tally),
        }
    }
}

/// The figures of a limit that has its path as its name.
fn configured(
    names: &Names,
    plan: &Plan<'_>,
    operation: &Operation<'_>,
    limit: &Limit,
) -> Arc<LimitFigures> {
    let levels = || levels(plan, operation, limit);
    names.figures(Origin::Configuration, operation.label.domain, &limit.path, levels)
}

/// The figures of a limit whose name shows the request.
fn of_request(
    names: &Names,
    plan: &Plan<'_>,
    operation: &Operation<'_>,
    limit: &Limit,
) -> Arc<LimitFigures> {
    let domain = operation.label.domain;
    let levels = levels(plan, operation, limit);
    names.figures(Origin::Request, domain, &joined(domain, &levels), || levels.clone())
}

/// The figures of a limit that the caller brought along: named by the descriptor itself.
fn brought_along(names: &Names, operation: &Operation<'_>) -> Arc<LimitFigures> {
    named_by_entries(names, operation.label.domain, operation.label.entries)
}

fn named_by_entries(names: &Names, domain: &str, entries: &[Entry<'_>]) -> Arc<LimitFigures> {
    let levels: Vec<_> = entries.iter().map(|entry| level(entry.key, entry.value)).collect();
    names.figures(Origin::Request, domain, &joined(domain, &levels), || levels.clone())
}

/// The levels of a limit's name; several limits of one rule are told apart by their number.
fn levels(plan: &Plan<'_>, operation: &Operation<'_>, limit: &Limit) -> Vec<String> {
    let entries = operation.label.entries;
    let rules = plan.domain.map(|domain| &domain.rules);
    let shown = rules.and_then(|rules| rules.statistics_levels(entries));
    let mut levels = shown.unwrap_or_else(|| vec![limit.path.to_string()]);
    let found = rules.and_then(|rules| rules.find(entries, |_| ()));
    let siblings = found.map_or(&[][..], |found| &found.node.limits);
    let index = siblings.iter().position(|sibling| sibling.id == limit.id);
    if let (true, Some(index), Some(last)) = (siblings.len() > 1, index, levels.last_mut()) {
        last.push_str(&format!("[{index}]"));
    }
    levels
}

fn joined(domain: &str, levels: &[String]) -> String {
    levels.iter().fold(domain.to_owned(), |name, level| name + "." + level)
}

#[cfg(test)]
#[path = "statistics_tests.rs"]
mod tests;
