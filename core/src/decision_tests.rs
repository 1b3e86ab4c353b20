//! The truth table of combining, after the reference's rules.

use super::*;
use crate::descriptor::Charge;
use crate::key::{DomainTag, Key, KeySecret};
use crate::limit::{Bound, Unit};
use crate::plan::Label;

/// A descriptor as the tests write it: over or not, and of which kind.
#[derive(Clone, Copy)]
enum Was {
    Ok(u32),
    Over,
    QuotaOk,
    QuotaOver,
    ShadowOver,
    Unmatched,
}

fn limit(shadow: bool, quota_mode: bool) -> Limit {
    let bound = Bound::Limited(Quota::per_unit(10, Unit::Minute));
    Limit { name: Some(Arc::from("n")), shadow, quota_mode, ..Limit::new(bound, Arc::from("d.k")) }
}

fn outcome(over: bool, remaining: u32) -> Outcome {
    let reset_after = Duration::from_secs(37);
    let retry_after = over.then_some(reset_after);
    Outcome { over, before: 0, after: 1, remaining, reset_after, retry_after }
}

struct Answer {
    overall: Code,
    shadowed: bool,
    codes: Vec<Code>,
    remaining: Vec<u32>,
    counted: Vec<bool>,
}

fn decide(all: &[Was], modes: Modes) -> Answer {
    let (normal, quota, shadow) = (limit(false, false), limit(false, true), limit(true, false));
    let mut plan = Plan::default();
    let mut outcomes = Vec::new();
    for was in all {
        let (limit, outcome) = match was {
            Was::Unmatched => {
                plan.items.push(Item::Unmatched);
                continue;
            }
            Was::Ok(remaining) => (&normal, outcome(false, *remaining)),
            Was::Over => (&normal, outcome(true, 0)),
            Was::QuotaOk => (&quota, outcome(false, 1)),
            Was::QuotaOver => (&quota, outcome(true, 0)),
            Was::ShadowOver => (&shadow, outcome(true, 0)),
        };
        plan.items.push(Item::Counted(outcomes.len()..outcomes.len() + 1));
        plan.operations.push(Operation {
            key: Key::from_halves(0, 0),
            quota: Quota::per_unit(10, Unit::Minute),
            charge: Charge::Hits(1),
            domain: DomainTag(0),
            limit: Some(limit),
            label: Label { domain: "d", entries: &[], named: None },
            first_shared: None,
        });
        outcomes.push(outcome);
    }
    let decision = Decision::of(&plan, &outcomes, modes);
    // A command is judged by itself as the plan that it was made of.
    let charges = plan.charges(&KeySecret::new([1; 16]));
    let passes = plan.combining(modes).passes(&charges, &outcomes);
    assert_eq!(passes, decision.overall == Code::Ok, "{charges:?}");
    Answer {
        overall: decision.overall,
        shadowed: decision.shadowed,
        codes: decision.statuses.iter().map(|status| status.code).collect(),
        remaining: decision.statuses.iter().map(|status| status.remaining).collect(),
        counted: decision.statuses.iter().map(|status| status.current.is_some()).collect(),
    }
}

const PLAIN: Modes = Modes { shadow: false, quota: false };
const SHADOW: Modes = Modes { shadow: true, quota: false };
const QUOTA: Modes = Modes { shadow: false, quota: true };

#[test]
fn one_descriptor_over_rejects_the_request() {
    let answer = decide(&[Was::Ok(3), Was::Over, Was::Unmatched], PLAIN);
    assert_eq!(answer.overall, Code::OverLimit);
    assert_eq!(answer.codes, [Code::Ok, Code::OverLimit, Code::Ok]);
    assert_eq!(answer.remaining, [3, 0, 0]);
    assert_eq!(answer.counted, [true, true, false]);
}

#[test]
fn a_request_without_limits_passes() {
    assert_eq!(decide(&[], PLAIN).overall, Code::Ok);
    assert_eq!(decide(&[Was::Unmatched], PLAIN).overall, Code::Ok);
}

#[test]
fn quota_descriptors_reject_only_together() {
    assert_eq!(decide(&[Was::QuotaOver, Was::QuotaOk], PLAIN).overall, Code::Ok);
    assert_eq!(decide(&[Was::QuotaOver, Was::QuotaOver], PLAIN).overall, Code::OverLimit);
    assert_eq!(decide(&[Was::QuotaOver, Was::Ok(1)], PLAIN).overall, Code::OverLimit);
    assert_eq!(decide(&[Was::QuotaOk, Was::Over], PLAIN).overall, Code::OverLimit);
}

#[test]
fn in_quota_mode_a_descriptor_without_a_limit_counts_as_passing() {
    assert_eq!(decide(&[Was::QuotaOver, Was::Unmatched], PLAIN).overall, Code::OverLimit);
    assert_eq!(decide(&[Was::QuotaOver, Was::Unmatched], QUOTA).overall, Code::Ok);
    assert_eq!(decide(&[Was::Over, Was::Ok(1)], QUOTA).overall, Code::Ok);
}

#[test]
fn a_shadowed_limit_reports_and_does_not_reject() {
    let answer = decide(&[Was::ShadowOver], PLAIN);
    assert_eq!((answer.overall, answer.codes[0]), (Code::Ok, Code::Ok));
    assert_eq!((answer.remaining[0], answer.counted[0]), (0, true));
}

#[test]
fn global_shadow_passes_the_request_and_still_shows_the_status() {
    let answer = decide(&[Was::Over], SHADOW);
    assert_eq!((answer.overall, answer.shadowed), (Code::Ok, true));
    assert_eq!(answer.codes, [Code::OverLimit]);
    assert!(!decide(&[Was::Ok(1)], SHADOW).shadowed);
}

#[test]
fn an_operation_without_an_outcome_reads_as_over() {
    let limit = limit(false, false);
    let mut plan = Plan { items: vec![Item::Counted(0..1)], ..Plan::default() };
    plan.operations.push(Operation {
        key: Key::from_halves(0, 0),
        quota: Quota::per_unit(10, Unit::Minute),
        charge: Charge::Hits(1),
        domain: DomainTag(0),
        limit: Some(&limit),
        label: Label { domain: "d", entries: &[], named: None },
        first_shared: None,
    });
    assert_eq!(Decision::of(&plan, &[], PLAIN).overall, Code::OverLimit);
    let dangling = Plan { items: vec![Item::Counted(3..9)], ..Plan::default() };
    assert_eq!(Decision::of(&dangling, &[], PLAIN).overall, Code::OverLimit);
}

#[test]
fn headers_describe_the_last_denial_else_the_least_remaining() {
    let status = |code, remaining, quota_mode| Status {
        code,
        current: Some(Current {
            quota: Quota::per_unit(remaining + 10, Unit::Minute),
            name: None,
            reset_after: Duration::ZERO,
        }),
        remaining,
        quota_mode,
    };
    let described = |statuses: Vec<Status<'static>>| {
        let decision = Decision { overall: Code::Ok, shadowed: false, statuses, retry_after: None };
        decision.tightest().and_then(|status| status.current).map(|current| current.quota.limit)
    };
    let (ok, over) = (Code::Ok, Code::OverLimit);
    assert_eq!(described(vec![Status::without_limit(false)]), None);
    assert_eq!(described(vec![status(ok, 3, false), status(ok, 1, false)]), Some(11));
    let first = status(ok, 1, false);
    let second = Status {
        current: Some(Current {
            quota: Quota::per_unit(99, Unit::Minute),
            ..first.current.unwrap()
        }),
        ..first
    };
    assert_eq!(described(vec![first, second]), Some(11), "the first of equals");
    let c = status(over, 0, false);
    let d = Status {
        current: Some(Current { quota: Quota::per_unit(77, Unit::Minute), ..c.current.unwrap() }),
        ..c
    };
    assert_eq!(described(vec![status(ok, 3, false), c, d]), Some(77), "the last denial");
    assert_eq!(
        described(vec![status(ok, 3, false), status(over, 0, true)]),
        Some(10),
        "least left"
    );
}
