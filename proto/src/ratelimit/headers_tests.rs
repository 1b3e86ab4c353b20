//! Each style, on a request with two limits.

use std::time::Duration;

use tollgate_core::limit::{Quota, Unit};
use tollgate_core::time::{LogTime, Wall};

use super::*;

fn headers(style: HeaderStyle, over: bool) -> Vec<(String, String)> {
    headers_named(style, &HeaderNames::default(), over)
}

fn headers_named(style: HeaderStyle, names: &HeaderNames, over: bool) -> Vec<(String, String)> {
    let name: Arc<str> = Arc::from("per \"user\"");
    let status = |number, remaining, over: bool, name| Status {
        code: if over { Code::OverLimit } else { Code::Ok },
        current: Some(Current {
            quota: Quota::per_unit(number, Unit::Minute),
            name,
            reset_after: Duration::from_millis(36_100),
        }),
        remaining,
        quota_mode: false,
    };
    let overall = if over { Code::OverLimit } else { Code::Ok };
    let left = if over { 0 } else { 1 };
    let statuses = vec![status(5, left, over, Some(&name)), status(100, 60, false, None)];
    let retry_after = over.then_some(Duration::from_secs(90));
    let decision = Decision { overall, shadowed: false, statuses, retry_after };
    let epoch = Wall::from_nanos(1_700_000_003 * NANOS_PER_SECOND);
    let now = Now { log: LogTime::default(), epoch };
    let mut response = RateLimitResponse::default();
    add_headers(&mut response, &decision, (style, names), now);
    let pair = |header: HeaderValue| (header.key, header.value);
    response.response_headers_to_add.into_iter().map(pair).collect()
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn off_adds_nothing() {
    assert_eq!(headers(HeaderStyle::Off, true), []);
}

#[test]
fn the_reference_style_describes_the_tightest_limit() {
    let expected =
        pairs(&[("RateLimit-Limit", "5"), ("RateLimit-Remaining", "1"), ("RateLimit-Reset", "37")]);
    assert_eq!(headers(HeaderStyle::RateLimit, false), expected);
}

#[test]
fn the_classic_style_tells_the_reset_as_a_delta_or_as_an_instant() {
    let reset = |style| headers(style, false).pop().unwrap();
    assert_eq!(reset(HeaderStyle::XRateLimit).1, "37");
    assert_eq!(reset(HeaderStyle::XRateLimitEpoch).1, "1700000040");
}

#[test]
fn the_current_draft_lists_every_limit() {
    let expected = pairs(&[
        ("RateLimit-Policy", "\"per _user_\";q=5;w=60, \"limit-1\";q=100;w=60"),
        ("RateLimit", "\"per _user_\";r=1;t=37, \"limit-1\";r=60;t=37"),
    ]);
    assert_eq!(headers(HeaderStyle::Draft11, false), expected);
}

#[test]
fn a_denied_request_is_told_when_to_come_back() {
    for style in [HeaderStyle::RateLimit, HeaderStyle::XRateLimit, HeaderStyle::Draft11] {
        let last = headers(style, true).pop().unwrap();
        assert_eq!(last, ("Retry-After".to_owned(), "90".to_owned()));
    }
}

#[test]
fn the_reference_s_headers_may_have_other_names_and_the_drafts_may_not() {
    let names = HeaderNames { remaining: "X-Left".into(), ..HeaderNames::default() };
    let reference = headers_named(HeaderStyle::RateLimit, &names, false);
    assert_eq!(reference[1], ("X-Left".to_owned(), "1".to_owned()));
    for style in [HeaderStyle::XRateLimit, HeaderStyle::Draft11] {
        assert_eq!(headers_named(style, &names, false), headers(style, false));
    }
}
