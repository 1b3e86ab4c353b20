//! The vectors that follow from the reference service's rules, one a test, in its own terms.

use tollgate_core::decision::Modes;
use tollgate_core::limit::HeaderStyle;
use tollgate_core::time::{NANOS_PER_SECOND, Wall};
use tollgate_proto::json::parse_request;
use tollgate_proto::rls::RateLimitResponse;
use tollgate_proto::rls::rate_limit_response::Code;

use super::*;
use crate::decide::Answers;
use crate::done::Done as _;

const NOW: Wall = Wall::from_nanos(1_700_000_003 * NANOS_PER_SECOND);
const OK: Code = Code::Ok;
const OVER: Code = Code::OverLimit;

const YAML: &str = "
domain: d
descriptors:
  - {key: two, rate_limit: {unit: minute, requests_per_unit: 2}}
  - {key: ten, rate_limit: {unit: minute, requests_per_unit: 10}}
  - {key: zero, rate_limit: {unit: minute, requests_per_unit: 0}}
  - {key: one, rate_limit: {unit: minute, requests_per_unit: 1}}
  - {key: k, value: files/*, share_threshold: true, rate_limit: {unit: minute, requests_per_unit: 3}}
  - {key: qa, quota_mode: true, rate_limit: {unit: minute, requests_per_unit: 1}}
  - {key: qb, quota_mode: true, rate_limit: {unit: minute, requests_per_unit: 1}}
  - {key: a, rate_limit: {unit: minute, requests_per_unit: 5, name: a}}
  - {key: b, rate_limit: {unit: minute, requests_per_unit: 5, name: b, replaces: [{name: a}]}}
  - {key: u, rate_limit: {unlimited: true, replaces: [{name: a}]}}
  - {key: shadow, shadow_mode: true, rate_limit: {unit: minute, requests_per_unit: 1}}
";

fn service(answers: Answers) -> RateLimit {
    testing::service([("d.yaml", YAML)], answers, NOW)
}

fn plain() -> RateLimit {
    service(Answers::default())
}

/// Asks in domain `d`; `descriptors` as JSON.
fn ask(service: &RateLimit, descriptors: &str) -> RateLimitResponse {
    ask_in(service, "d", descriptors)
}

fn ask_in(service: &RateLimit, domain: &str, descriptors: &str) -> RateLimitResponse {
    let text = format!(r#"{{"domain":"{domain}","descriptors":[{descriptors}]}}"#);
    service.answer(&parse_request(text.as_bytes()).unwrap(), None).done().unwrap()
}

/// A descriptor of one entry, with its own number of hits if there is one.
fn one(key: &str, value: &str, hits: Option<u32>) -> String {
    let hits = hits.map(|hits| format!(r#","hitsAddend":{hits}"#)).unwrap_or_default();
    format!(r#"{{"entries":[{{"key":"{key}","value":"{value}"}}]{hits}}}"#)
}

fn codes(answer: &RateLimitResponse) -> (Code, Vec<(Code, u32)>) {
    let status = |status: &tollgate_proto::rls::rate_limit_response::DescriptorStatus| {
        (status.code(), status.limit_remaining)
    };
    (answer.overall_code(), answer.statuses.iter().map(status).collect())
}

#[test]
fn basic() {
    let service = plain();
    let hit = || codes(&ask(&service, &one("two", "", Some(1)))).1[0];
    assert_eq!([hit(), hit(), hit()], [(OK, 1), (OK, 0), (OVER, 0)]);
}

#[test]
fn big_addend() {
    let service = plain();
    assert_eq!(codes(&ask(&service, &one("ten", "", Some(15)))).1, [(OVER, 0)]);
    assert_eq!(codes(&ask(&service, &one("ten", "", Some(1)))).1, [(OVER, 0)], "it stays at 15");
}

#[test]
fn peek() {
    let service = plain();
    let hits = [(9, OK, 1), (0, OK, 1), (1, OK, 0), (0, OK, 0), (1, OVER, 0), (0, OVER, 0)];
    for (hits, code, remaining) in hits {
        let answer = codes(&ask(&service, &one("ten", "", Some(hits))));
        assert_eq!(answer.1, [(code, remaining)]);
    }
}

#[test]
fn zero_limit() {
    let service = plain();
    assert_eq!(codes(&ask(&service, &one("zero", "", Some(0)))).0, OK);
    assert_eq!(codes(&ask(&service, &one("zero", "", Some(1)))).0, OVER);
}

#[test]
fn reset() {
    let answer = ask(&plain(), &one("two", "", None));
    assert_eq!(answer.statuses[0].duration_until_reset.as_ref().unwrap().seconds, 37);
}

#[test]
fn shared_pattern() {
    let service = plain();
    let hit = |value| codes(&ask(&service, &one("k", value, None))).1[0];
    assert_eq!([hit("files/a"), hit("files/b"), hit("files/a")], [(OK, 2), (OK, 1), (OK, 0)]);
    assert_eq!(hit("files/c"), (OVER, 0));
}

#[test]
fn override_in_a_known_and_in_an_unknown_domain() {
    let service = plain();
    let brought = r#"{"entries":[{"key":"nowhere","value":"x"}],
        "limit":{"requestsPerUnit":5,"unit":"MINUTE"}}"#;
    for remaining in [4, 3, 2, 1, 0] {
        let answer = ask(&service, brought);
        assert_eq!(codes(&answer), (OK, vec![(OK, remaining)]));
        let limit = answer.statuses[0].current_limit.as_ref().unwrap();
        assert_eq!((limit.requests_per_unit, limit.name.as_str()), (5, ""));
    }
    assert_eq!(codes(&ask(&service, brought)).0, OVER);
    let unknown = ask_in(&service, "elsewhere", brought);
    assert_eq!((codes(&unknown).0, &unknown.statuses[0].current_limit), (OK, &None));
}

#[test]
fn quota_descriptors() {
    let service = plain();
    let (a, b) = (one("qa", "", None), one("qb", "", None));
    assert_eq!(codes(&ask(&service, &a)).0, OK);
    assert_eq!(codes(&ask(&service, &format!("{a},{b}"))).0, OK, "one is over, one is not");
    assert_eq!(codes(&ask(&service, &format!("{a},{b}"))).0, OVER, "both are over");
    let with_normal = format!("{a},{}", one("ten", "", None));
    assert_eq!(codes(&ask(&service, &with_normal)).0, OVER, "all quota descriptors are over");
}

#[test]
fn quota_and_unmatched_under_the_global_mode() {
    let both = format!("{},{}", one("qa", "", None), one("nowhere", "", None));
    for (quota, expected) in [(false, OVER), (true, OK)] {
        let modes = Modes { quota, ..Modes::default() };
        let service = service(Answers { modes, ..Answers::default() });
        assert_eq!(codes(&ask(&service, &both)).0, OK);
        assert_eq!(codes(&ask(&service, &both)).0, expected);
    }
}

#[test]
fn replaces() {
    let service = plain();
    let answer = ask(&service, &format!("{},{}", one("a", "", None), one("b", "", None)));
    assert_eq!(answer.statuses[0].current_limit, None);
    assert_eq!(codes(&answer).1, [(OK, 0), (OK, 4)]);
    assert_eq!(codes(&ask(&service, &one("a", "", None))).1, [(OK, 4)], "a was not counted");
}

#[test]
fn unlimited_replaces() {
    let answer = ask(&plain(), &format!("{},{}", one("u", "", None), one("a", "", None)));
    assert_eq!(codes(&answer).1, [(OK, u32::MAX), (OK, 0)]);
    assert!(answer.statuses.iter().all(|status| status.current_limit.is_none()));
}

#[test]
fn shadow_rule_over() {
    let service = plain();
    ask(&service, &one("shadow", "", None));
    let answer = ask(&service, &one("shadow", "", None));
    assert_eq!(codes(&answer), (OK, vec![(OK, 0)]));
    assert!(answer.statuses[0].current_limit.is_some());
}

#[test]
fn global_shadow_over() {
    let modes = Modes { shadow: true, ..Modes::default() };
    let headers = HeaderStyle::RateLimit;
    let service = service(Answers { modes, headers, ..Answers::default() });
    ask(&service, &one("one", "", None));
    let answer = ask(&service, &one("one", "", None));
    assert_eq!(codes(&answer), (OK, vec![(OVER, 0)]));
    assert_eq!(answer.response_headers_to_add[1].value, "0");
}

#[test]
fn headers_describe_the_last_denial() {
    let service = service(Answers { headers: HeaderStyle::RateLimit, ..Answers::default() });
    ask(&service, &one("one", "x", Some(1)));
    let all = [
        one("ten", "", Some(7)),
        one("two", "", Some(1)),
        one("zero", "", None),
        one("one", "x", None),
    ];
    let answer = ask(&service, &all.join(","));
    assert_eq!(answer.response_headers_to_add[0].value, "1");
}

#[test]
fn duplicates_are_counted_one_after_the_other() {
    let twice = format!("{},{}", one("one", "", None), one("one", "", None));
    assert_eq!(codes(&ask(&plain(), &twice)), (OVER, vec![(OK, 0), (OVER, 0)]));
}
