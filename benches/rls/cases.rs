//! The cases: what is asked, and which answer Tollgate must give to it.
//!
//! The limits they meet are in `limits.yaml` beside this file.

use std::ops::Range;
use std::sync::Arc;

use envoy_types::pb::envoy::extensions::common::ratelimit::v3::RateLimitDescriptor;
use envoy_types::pb::envoy::extensions::common::ratelimit::v3::rate_limit_descriptor::Entry;
use envoy_types::pb::envoy::service::ratelimit::v3::RateLimitRequest;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::Code;
use tollgate_benches::bodies::Bodies;

/// The limits that the cases meet, in the domain they name.
pub(crate) const LIMITS: &str = include_str!("limits.yaml");

/// The cases' names, in the order they run.
pub(crate) const NAMES: [&str; 7] = [
    "one-key-ok",
    "one-key-over",
    "100k-keys-ok",
    "4-descriptors-ok",
    "wildcard-nested",
    "sliding-window",
    "token-bucket",
];

const DOMAIN: &str = "bench";
const MANY_KEYS: u32 = 100_000;

/// One kind of request.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Its name in the report.
    pub(crate) name: &'static str,
    /// The requests, one or many to draw from.
    pub(crate) bodies: Arc<Bodies>,
    /// How many statuses an answer holds.
    pub(crate) descriptors: usize,
    /// What Tollgate must answer. The floor answers OK to everything.
    pub(crate) expected: Code,
}

impl Case {
    /// The case of that name.
    pub(crate) fn named(name: &'static str) -> Option<Self> {
        let (requests, expected) = requests(name)?;
        let descriptors = requests.first().map_or(0, |request| request.descriptors.len());
        Some(Self { name, bodies: Arc::new(Bodies::encode(requests)), descriptors, expected })
    }
}

/// The requests of the case of that name, and what Tollgate must answer to each of them.
pub(crate) fn requests(name: &str) -> Option<(Vec<RateLimitRequest>, Code)> {
    Some(match name {
        "one-key-ok" => (vec![request([&[("remote_address", "203.0.113.7")]])], Code::Ok),
        "one-key-over" => (vec![request([&[("blocked", "203.0.113.7")]])], Code::OverLimit),
        "100k-keys-ok" => (many("remote_address"), Code::Ok),
        "4-descriptors-ok" => (vec![four_descriptors()], Code::Ok),
        "wildcard-nested" => (vec![nested()], Code::Ok),
        "sliding-window" => (many("sliding"), Code::Ok),
        "token-bucket" => (many("bucket"), Code::Ok),
        _ => return None,
    })
}

/// Requests of the keys numbered `range`, all different: one address each.
pub(crate) fn addresses(key: &str, range: Range<u32>) -> Vec<RateLimitRequest> {
    let request = |index: u32| {
        let [_, high, middle, low] = index.to_be_bytes();
        request([&[(key, &format!("10.{high}.{middle}.{low}"))]])
    };
    range.map(request).collect()
}

fn many(key: &str) -> Vec<RateLimitRequest> {
    addresses(key, 0..MANY_KEYS)
}

/// What a proxy sends that limits the route, the client, the endpoint and the tenant at once.
fn four_descriptors() -> RateLimitRequest {
    request([
        &[("generic_key", "orders")],
        &[("remote_address", "203.0.113.7")],
        &[("path", "/api/v2/orders"), ("method", "POST")],
        &[("x-tenant", "acme")],
    ])
}

fn nested() -> RateLimitRequest {
    request([&[("region", "eu-west-1"), ("route", "/api/v2/orders"), ("account", "acme")]])
}

/// A request of some descriptors, each a list of keys and values.
fn request<const N: usize>(descriptors: [&[(&str, &str)]; N]) -> RateLimitRequest {
    let entry =
        |&(key, value): &(&str, &str)| Entry { key: key.to_owned(), value: value.to_owned() };
    let descriptor = |entries: &[(&str, &str)]| RateLimitDescriptor {
        entries: entries.iter().map(entry).collect(),
        ..RateLimitDescriptor::default()
    };
    RateLimitRequest {
        domain: DOMAIN.to_owned(),
        descriptors: descriptors.into_iter().map(descriptor).collect(),
        hits_addend: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_its_case() {
        for name in NAMES {
            let case = Case::named(name).unwrap();
            assert!(case.descriptors > 0, "{name} asks for something");
            assert!(case.bodies.first().len() > 5, "{name} has a body");
        }
    }

    #[test]
    fn a_hundred_thousand_keys_are_all_different() {
        let requests = many("key");
        let values = requests.iter().map(|request| &request.descriptors[0].entries[0].value);
        assert_eq!(values.collect::<std::collections::HashSet<_>>().len(), 100_000);
    }

    #[test]
    fn the_limits_are_in_the_domain_that_is_asked() {
        assert!(LIMITS.contains(&format!("\ndomain: {DOMAIN}\n")));
    }
}
