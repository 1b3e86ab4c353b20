//! The vectors that follow from the reference service's rules, one a test, in its own terms.

use tollgate_core::decision::Modes;
use tollgate_core::limit::HeaderStyle;
use tollgate_core::time::{NANOS_PER_SECOND, Wall};
use tollgate_proto::json::parse_request;
use tollgate_proto::rls::RateLimitResponse;
use tollgate_proto::rls::rate_limit_response::Code;

use super::*;
use crate::decide::Answers;
use crate::decide::double::{On, on_both};
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

fn service(on: On, answers: Answers) -> RateLimit {
    testing::service(on, [("d.yaml", YAML)], answers, NOW)
}

fn plain(on: On) -> RateLimit {
    service(on, Answers::default())
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

fn basic(on: On) {
    let service = plain(on);
    let hit = || codes(&ask(&service, &one("two", "", Some(1)))).1[0];
    assert_eq!([hit(), hit(), hit()], [(OK, 1), (OK, 0), (OVER, 0)]);
}

fn big_addend(on: On) {
    let service = plain(on);
    assert_eq!(codes(&ask(&service, &one("ten", "", Some(15)))).1, [(OVER, 0)]);
    assert_eq!(codes(&ask(&service, &one("ten", "", Some(1)))).1, [(OVER, 0)], "it stays at 15");
}

fn peek(on: On) {
    let service = plain(on);
    let hits = [(9, OK, 1), (0, OK, 1), (1, OK, 0), (0, OK, 0), (1, OVER, 0), (0, OVER, 0)];
    for (hits, code, remaining) in hits {
        let answer = codes(&ask(&service, &one("ten", "", Some(hits))));
        assert_eq!(answer.1, [(code, remaining)]);
    }
}

fn zero_limit(on: On) {
    let service = plain(on);
    assert_eq!(codes(&ask(&service, &one("zero", "", Some(0)))).0, OK);
    assert_eq!(codes(&ask(&service, &one("zero", "", Some(1)))).0, OVER);
}

fn reset(on: On) {
    let answer = ask(&plain(on), &one("two", "", None));
    assert_eq!(answer.statuses[0].duration_until_reset.as_ref().unwrap().seconds, 37);
}

fn shared_pattern(on: On) {
    let service = plain(on);
    let hit = |value| codes(&ask(&service, &one("k", value, None))).1[0];
    assert_eq!([hit("files/a"), hit("files/b"), hit("files/a")], [(OK, 2), (OK, 1), (OK, 0)]);
    assert_eq!(hit("files/c"), (OVER, 0));
}

fn override_in_a_known_and_in_an_unknown_domain(on: On) {
    let service = plain(on);
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

fn quota_descriptors(on: On) {
    let service = plain(on);
    let (a, b) = (one("qa", "", None), one("qb", "", None));
    assert_eq!(codes(&ask(&service, &a)).0, OK);
    assert_eq!(codes(&ask(&service, &format!("{a},{b}"))).0, OK, "one is over, one is not");
    assert_eq!(codes(&ask(&service, &format!("{a},{b}"))).0, OVER, "both are over");
    let with_normal = format!("{a},{}", one("ten", "", None));
    assert_eq!(codes(&ask(&service, &with_normal)).0, OVER, "all quota descriptors are over");
}

fn quota_and_unmatched_under_the_global_mode(on: On) {
    let both = format!("{},{}", one("qa", "", None), one("nowhere", "", None));
    for (quota, expected) in [(false, OVER), (true, OK)] {
        let modes = Modes { quota, ..Modes::default() };
        let service = service(on, Answers { modes, ..Answers::default() });
        assert_eq!(codes(&ask(&service, &both)).0, OK);
        assert_eq!(codes(&ask(&service, &both)).0, expected);
    }
}

fn replaces(on: On) {
    let service = plain(on);
    let answer = ask(&service, &format!("{},{}", one("a", "", None), one("b", "", None)));
    assert_eq!(answer.statuses[0].current_limit, None);
    assert_eq!(codes(&answer).1, [(OK, 0), (OK, 4)]);
    assert_eq!(codes(&ask(&service, &one("a", "", None))).1, [(OK, 4)], "a was not counted");
}

fn unlimited_replaces(on: On) {
    let answer = ask(&plain(on), &format!("{},{}", one("u", "", None), one("a", "", None)));
    assert_eq!(codes(&answer).1, [(OK, u32::MAX), (OK, 0)]);
    assert!(answer.statuses.iter().all(|status| status.current_limit.is_none()));
}

fn shadow_rule_over(on: On) {
    let service = plain(on);
    ask(&service, &one("shadow", "", None));
    let answer = ask(&service, &one("shadow", "", None));
    assert_eq!(codes(&answer), (OK, vec![(OK, 0)]));
    assert!(answer.statuses[0].current_limit.is_some());
}

fn global_shadow_over(on: On) {
    let modes = Modes { shadow: true, ..Modes::default() };
    let headers = HeaderStyle::RateLimit;
    let service = service(on, Answers { modes, headers, ..Answers::default() });
    ask(&service, &one("one", "", None));
    let answer = ask(&service, &one("one", "", None));
    assert_eq!(codes(&answer), (OK, vec![(OVER, 0)]));
    assert_eq!(answer.response_headers_to_add[1].value, "0");
}

fn headers_describe_the_last_denial(on: On) {
    let service = service(on, Answers { headers: HeaderStyle::RateLimit, ..Answers::default() });
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

fn duplicates_are_counted_one_after_the_other(on: On) {
    let twice = format!("{},{}", one("one", "", None), one("one", "", None));
    assert_eq!(codes(&ask(&plain(on), &twice)), (OVER, vec![(OK, 0), (OVER, 0)]));
}

on_both! {
    basic,
    big_addend,
    peek,
    zero_limit,
    reset,
    shared_pattern,
    override_in_a_known_and_in_an_unknown_domain,
    quota_descriptors,
    quota_and_unmatched_under_the_global_mode,
    replaces,
    unlimited_replaces,
    shadow_rule_over,
    global_shadow_over,
    headers_describe_the_last_denial,
    duplicates_are_counted_one_after_the_other,
}
