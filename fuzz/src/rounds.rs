//! The same request again and again at one instant: what was admitted never exceeds the limit, and
//! where and when it was asked plays no part.

use std::collections::BTreeMap;

use tollgate_core::descriptor::{Entry, HITS_ADDEND_MAX};
use tollgate_core::limit::{Bound, Domain};
use tollgate_proto::rls::rate_limit_response::{Code, DescriptorStatus};
use tollgate_proto::rls::{RateLimitDescriptor, RateLimitRequest, RateLimitResponse};
use tollgate_server::error::CallError;

use crate::rig::Rig;

/// Enough to spend the small limits of the rules.
const ROUNDS: usize = 6;

/// What an answer says that must not depend on time or on the secret.
pub(crate) type View = Result<(i32, Vec<Status>), &'static str>;
/// A status's code, limit, and what is left of it.
type Status = (i32, Option<(u32, i32, String)>, u32);

/// What identifies a bucket from outside: the entries, and the limit that the caller brought.
type Who = (Vec<(String, String)>, Option<(u32, i32)>);

/// Asks both rigs, several times. Panics if their answers differ, are malformed, or admit more than
/// the limits allow.
pub(crate) fn ask(rigs: [&Rig; 2], request: &RateLimitRequest) -> Vec<View> {
    let mut admitted: BTreeMap<Who, u64> = BTreeMap::new();
    let mut views = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let [one, other] = rigs.map(|rig| rig.answer(request));
        if let Ok(response) = &one {
            assert_well_formed(request, response);
            count(rigs[0], request, response, &mut admitted);
        }
        let view = view(&one);
        assert_eq!(view, self::view(&other), "time or secret decide");
        views.push(view);
    }
    assert_within_limits(rigs[0], request, &admitted);
    let refused = |view: &View| matches!(view, Err("bad_request"));
    assert!(views.iter().all(refused) || !views.iter().any(refused), "refused only sometimes");
    views
}

/// What an answer says.
pub(crate) fn view(answer: &Result<RateLimitResponse, CallError>) -> View {
    let status = |status: &DescriptorStatus| {
        let limit = status.current_limit.as_ref();
        let limit = limit.map(|limit| (limit.requests_per_unit, limit.unit, limit.name.clone()));
        (status.code, limit, status.limit_remaining)
    };
    match answer {
        Ok(response) => Ok((response.overall_code, response.statuses.iter().map(status).collect())),
        Err(error) => Err(error.reason()),
    }
}

fn assert_well_formed(request: &RateLimitRequest, response: &RateLimitResponse) {
    assert_eq!(response.statuses.len(), request.descriptors.len());
    let says = |code: i32| code == Code::Ok as i32 || code == Code::OverLimit as i32;
    assert!(says(response.overall_code), "{response:?}");
    for status in &response.statuses {
        assert!(says(status.code), "{status:?}");
        let over = status.code == Code::OverLimit as i32;
        assert!(!over || status.current_limit.is_some(), "over without a limit: {status:?}");
        let waits = status.duration_until_reset.as_ref();
        assert!(waits.is_none_or(|wait| wait.seconds >= 0 && wait.nanos == 0), "{status:?}");
    }
    if response.overall_code == Code::OverLimit as i32 {
        let over = |status: &DescriptorStatus| status.code == Code::OverLimit as i32;
        assert!(response.statuses.iter().any(over), "denied by nobody: {response:?}");
    }
}

/// Adds up what passed. Refunds would make room again, so a request with one is not added up.
fn count(
    rig: &Rig,
    request: &RateLimitRequest,
    response: &RateLimitResponse,
    admitted: &mut BTreeMap<Who, u64>,
) {
    if request.descriptors.iter().any(|descriptor| descriptor.is_negative_hits) {
        return;
    }
    let active = rig.active();
    let atomic = active.limits.domain(&request.domain).is_some_and(|domain| domain.options.atomic);
    // Where all or none are charged, a request that was denied has spent nothing.
    if atomic && response.overall_code != Code::Ok as i32 {
        return;
    }
    for (descriptor, status) in request.descriptors.iter().zip(&response.statuses) {
        if status.code == Code::Ok as i32 && status.current_limit.is_some() {
            let hits = match &descriptor.hits_addend {
                Some(own) => own.value.min(HITS_ADDEND_MAX),
                None => u64::from(request.hits_addend).clamp(1, HITS_ADDEND_MAX),
            };
            *admitted.entry(who(descriptor)).or_default() += hits;
        }
    }
}

fn assert_within_limits(rig: &Rig, request: &RateLimitRequest, admitted: &BTreeMap<Who, u64>) {
    let active = rig.active();
    let Some(domain) = active.limits.domain(&request.domain) else {
        assert!(admitted.is_empty(), "a limit in a domain that does not exist");
        return;
    };
    for (who, hits) in admitted {
        if let Some(most) = most(domain, who) {
            assert!(*hits <= most, "{hits} of {most} admitted: {who:?} in {}", domain.name());
        }
    }
}

/// The most hits that may pass at one instant; `None` where more may on purpose.
fn most(domain: &Domain, (entries, own): &Who) -> Option<u64> {
    if let Some((limit, _)) = own {
        return Some(u64::from(*limit));
    }
    let entry = |(key, value): &'_ (String, String)| (key.clone(), value.clone());
    let owned: Vec<(String, String)> = entries.iter().map(entry).collect();
    let entries: Vec<Entry<'_>> = owned.iter().map(|(key, value)| Entry { key, value }).collect();
    let found = domain.rules.find(&entries, |_| ());
    let limits = found.as_ref().map(|found| &*found.node.limits).unwrap_or_default();
    assert!(!limits.is_empty(), "a limit where no rule is: {entries:?}");
    if limits.iter().any(|limit| limit.shadow) {
        return None;
    }
    let burst = |bound: &Bound| match bound {
        Bound::Limited(quota) => Some(u64::from(quota.burst())),
        Bound::Unlimited => None,
    };
    limits.iter().filter_map(|limit| burst(&limit.bound)).min()
}

fn who(descriptor: &RateLimitDescriptor) -> Who {
    let entries = descriptor.entries.iter();
    let entries = entries.map(|entry| (entry.key.clone(), entry.value.clone())).collect();
    let own = descriptor.limit.as_ref().map(|own| (own.requests_per_unit, own.unit));
    (entries, own)
}
