//! What a request would be told and why: the rules on its way, the limits it meets, their counters.
//!
//! It goes through the same plan and the same charges as a decision, on copies: nothing is spent.

use tollgate_core::bucket::Outcome;
use tollgate_core::decision::{Code, Status};
use tollgate_core::descriptor::{Charge, Descriptor, Entry, Request};
use tollgate_core::limit::{Domain, Node};
use tollgate_core::plan::{Item, Operation};
use tollgate_proto::json;
use tollgate_proto::ratelimit::{self, Bounds};

use super::api::Refused;
use super::view::{EntryView, Explained, ExplainedCounter, ExplainedDescriptor, Step};
use super::{instant, limits, meets};
use crate::decide::{Decider, Terms, Unavailable};

/// Explains the request in `body`, a `RateLimitRequest` in JSON.
pub(super) async fn explain(
    decider: &Decider,
    bounds: &Bounds,
    body: &[u8],
) -> Result<Explained, Refused> {
    let refuse = |refusal: ratelimit::Refusal| Refused::bad_request(refusal.to_string());
    let message = json::parse_request(body).map_err(Refused::bad_request)?;
    let entries = ratelimit::entries(&message, bounds).map_err(refuse)?;
    let descriptors = ratelimit::descriptors(&message, &entries).map_err(refuse)?;
    let request = Request {
        domain: &message.domain,
        descriptors: &descriptors,
        hits_addend: message.hits_addend,
    };
    let active = decider.active();
    if !active.decides(request.domain) {
        return Err(Unavailable::NotLoaded.into());
    }
    let previewed = decider.preview(&active, &request, Terms::default()).await?;
    let plan = &previewed.plan;
    let items = plan.items.iter().zip(&previewed.decision.statuses);
    let explained = descriptors.iter().zip(items).map(|(descriptor, (item, status))| {
        let range = match item {
            Item::Counted(range) => range.clone(),
            Item::Unmatched | Item::Unlimited(_) | Item::Replaced => 0..0,
        };
        let operations = plan.operations.get(range.clone()).unwrap_or_default();
        let found = previewed.found.get(range).unwrap_or_default();
        let way = Way::of(plan.domain, &request, descriptor);
        ExplainedDescriptor {
            hits: signed(request.charge_of(descriptor)),
            counters: operations
                .iter()
                .zip(found)
                .map(|(o, f)| counter(plan.domain, o, f))
                .collect(),
            ..answer(descriptor, item, status, way)
        }
    });
    Ok(Explained {
        domain: message.domain.clone(),
        domain_known: plan.domain.is_some(),
        atomic: plan.domain.is_some_and(|domain| domain.options.atomic),
        overall: code(previewed.decision.overall).to_owned(),
        shadowed: previewed.decision.shadowed,
        descriptors: explained.collect(),
    })
}

/// What one descriptor would be told; its hits and counters are for the caller to fill in.
fn answer(
    descriptor: &Descriptor<'_>,
    item: &Item<'_>,
    status: &Status<'_>,
    way: Way,
) -> ExplainedDescriptor {
    let counted = matches!(item, Item::Counted(_));
    let outcome = match item {
        Item::Unmatched => "unmatched",
        Item::Unlimited(_) => "unlimited",
        Item::Replaced => "replaced",
        Item::Counted(_) => "counted",
    };
    let reset_after = status.current.map(|current| instant::seconds(current.reset_after));
    ExplainedDescriptor {
        entries: descriptor.entries.iter().copied().map(EntryView::from).collect(),
        hits: 0,
        way: way.steps,
        unmatched: way.failure.filter(|_| matches!(item, Item::Unmatched)),
        outcome: outcome.to_owned(),
        code: code(status.code).to_owned(),
        remaining: counted.then_some(status.remaining),
        reset_after_seconds: reset_after,
        quota_mode: status.quota_mode,
        counters: Vec::new(),
    }
}

/// The rules that a descriptor passes, and why it ends before a limit, if it does.
struct Way {
    steps: Vec<Step>,
    failure: Option<String>,
}

impl Way {
    fn of(domain: Option<&Domain>, request: &Request<'_>, descriptor: &Descriptor<'_>) -> Self {
        let Some(domain) = domain else {
            let failure = format!("no domain `{}` is configured", request.domain);
            return Self { steps: Vec::new(), failure: Some(failure) };
        };
        // A limit that the caller brings replaces the rules: none is looked at.
        if descriptor.limit_override.is_some() {
            return Self { steps: Vec::new(), failure: None };
        }
        let mut nodes = Vec::new();
        let found = domain.rules.find(descriptor.entries, |node| nodes.push(node));
        let steps: Vec<_> =
            nodes.iter().zip(descriptor.entries).map(|(n, e)| step(n, *e)).collect();
        let below = |steps: &[Step]| match steps.last() {
            Some(last) => format!("below rule `{}`", last.rule),
            None => format!("in domain `{}`", domain.name()),
        };
        let failure = match (found, descriptor.entries.get(steps.len())) {
            (Some(found), _) if !found.node.limits.is_empty() => None,
            (Some(_), _) => {
                let rule = steps.last().map_or("", |step| &step.rule);
                Some(format!("rule `{rule}` has no limit of its own: a descriptor must go deeper"))
            }
            (None, Some(Entry { key, value })) => {
                Some(format!("no rule for `{key}={value}` {}", below(&steps)))
            }
            (None, None) => Some("the descriptor has no entries".to_owned()),
        };
        Self { steps, failure }
    }
}

fn step(node: &Node, entry: Entry<'_>) -> Step {
    let rule = node.text();
    let by = if rule == format!("{}_{}", entry.key, entry.value) {
        "value"
    } else if rule == entry.key {
        "key"
    } else {
        "pattern"
    };
    Step { entry: entry.into(), rule, by: by.to_owned(), shared: node.share_threshold }
}

fn counter(
    domain: Option<&Domain>,
    operation: &Operation<'_>,
    found: &Outcome,
) -> ExplainedCounter {
    let domain = domain.map_or("", |domain| domain.name());
    ExplainedCounter {
        key: meets::key_text(operation.key),
        limit: operation.limit.map(|limit| limits::row(domain, limit)),
        number: operation.quota.limit,
        hits: found.before,
        remaining: found.remaining,
        reset_after_seconds: instant::seconds(found.reset_after),
    }
}

const fn code(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::OverLimit => "OVER_LIMIT",
    }
}

fn signed(charge: Charge) -> i64 {
    let number = |hits: u64| i64::try_from(hits).unwrap_or(i64::MAX);
    match charge {
        Charge::Hits(hits) => number(hits),
        Charge::Refund(hits) => -number(hits),
    }
}
