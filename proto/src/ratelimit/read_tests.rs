//! Reading requests: bounds, order of refusals, charges, overrides.

use super::*;
use crate::rls::UInt64Value;
use crate::rls::rate_limit_descriptor::{Entry as WireEntry, RateLimitOverride};

const BOUNDS: Bounds = Bounds {
    descriptors_max: 3,
    entries_max: 2,
    domain_bytes_max: 8,
    key_bytes_max: 4,
    value_bytes_max: 6,
};

fn descriptor(entries: &[(&str, &str)]) -> RateLimitDescriptor {
    let entry = |&(key, value): &(&str, &str)| WireEntry { key: key.into(), value: value.into() };
    RateLimitDescriptor { entries: entries.iter().map(entry).collect(), ..Default::default() }
}

fn request(descriptors: Vec<RateLimitDescriptor>) -> RateLimitRequest {
    RateLimitRequest { domain: "d".into(), descriptors, hits_addend: 0 }
}

fn refusal(request: &RateLimitRequest) -> String {
    match entries(request, &BOUNDS) {
        Err(refusal) => refusal.to_string(),
        Ok(entries) => descriptors(request, &entries).unwrap_err().to_string(),
    }
}

#[test]
fn the_reference_texts_come_first_and_in_its_order() {
    let nothing = RateLimitRequest::default();
    assert_eq!(refusal(&nothing), "rate limit domain must not be empty");
    assert_eq!(refusal(&request(vec![])), "rate limit descriptor list must not be empty");
}

#[test]
fn every_bound_is_named_with_its_place() {
    let cases = [
        (request(vec![descriptor(&[]); 4]), "descriptors: 4 is more than the 3"),
        (request(vec![descriptor(&[("a", "b"); 3])]), "descriptors[0].entries: 3 is more than"),
        (
            request(vec![descriptor(&[]), descriptor(&[("a", "b"), ("toolong", "")])]),
            "bytes in descriptors[1].entries[1].key: 7 is more than the 4",
        ),
        (
            request(vec![descriptor(&[("a", "toolong")])]),
            "bytes in descriptors[0].entries[0].value: 7 is more than the 6",
        ),
        (
            RateLimitRequest { domain: "123456789".into(), ..request(vec![descriptor(&[])]) },
            "bytes in domain: 9 is more than the 8",
        ),
    ];
    for (request, text) in cases {
        let refusal = refusal(&request);
        assert!(refusal.starts_with(text), "{refusal}");
    }
}

#[test]
fn an_override_with_an_undefined_unit_is_refused() {
    for number in [0, 8, 99, -1, i32::MIN] {
        let limit = Some(RateLimitOverride { requests_per_unit: 1, unit: number });
        let wire = RateLimitDescriptor { limit, ..descriptor(&[("a", "b")]) };
        let text = format!("descriptors[0].limit.unit: {number} is not a unit");
        assert_eq!(refusal(&request(vec![wire])), text);
    }
}

#[test]
fn entries_stay_with_their_descriptor() {
    let wire = request(vec![
        descriptor(&[("a", "1"), ("b", "2")]),
        descriptor(&[]),
        descriptor(&[("c", "3")]),
    ]);
    let entries = entries(&wire, &BOUNDS).unwrap();
    let read = descriptors(&wire, &entries).unwrap();
    let keys: Vec<Vec<_>> =
        read.iter().map(|one| one.entries.iter().map(|entry| entry.key).collect()).collect();
    assert_eq!(keys, [vec!["a", "b"], vec![], vec!["c"]]);
}

#[test]
fn charges_are_spent_looked_at_or_given_back() {
    let with = |hits: Option<u64>, is_negative_hits| {
        let hits_addend = hits.map(|value| UInt64Value { value });
        let wire = RateLimitDescriptor { hits_addend, is_negative_hits, ..descriptor(&[]) };
        read_charge(&RateLimitRequest { hits_addend: 7, ..request(vec![]) }, &wire)
    };
    assert_eq!(with(None, false), None);
    assert_eq!(with(Some(0), false), Some(Charge::Hits(0)));
    assert_eq!(with(Some(5), false), Some(Charge::Hits(5)));
    assert_eq!(with(Some(5), true), Some(Charge::Refund(5)));
    assert_eq!(with(None, true), Some(Charge::Refund(7)));
}
