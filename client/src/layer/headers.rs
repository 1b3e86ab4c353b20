//! Headers that tell a caller of its limits.

use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};

use crate::{CountedLimit, Decision, Status};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");
const X_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const X_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const X_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Which headers tell a caller of its limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HeaderStyle {
    /// `RateLimit-Policy` and `RateLimit` as structured fields, an item for each limit
    /// (draft-ietf-httpapi-ratelimit-headers-11).
    #[default]
    RateLimit,
    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset` (seconds from now) of the tightest limit.
    XRateLimit,
    /// None but `Retry-After` on denials.
    Off,
}

/// Adds the headers of `style`; none where no limit was met.
pub(super) fn add(headers: &mut HeaderMap, decision: &Decision, style: HeaderStyle) {
    match style {
        HeaderStyle::Off => {}
        HeaderStyle::RateLimit => {
            set(headers, POLICY, list(decision, policy));
            set(headers, LEFT, list(decision, left));
        }
        HeaderStyle::XRateLimit => {
            let Some((status, limit)) = tightest(decision) else { return };
            set(headers, X_LIMIT, limit.burst.to_string());
            set(headers, X_REMAINING, status.remaining.to_string());
            set(headers, X_RESET, seconds_up(status.reset_after).to_string());
        }
    }
}

/// Tells when to come back: in whole seconds, at least one; returns how many.
pub(super) fn add_retry_after(headers: &mut HeaderMap, wait: Option<Duration>) -> u64 {
    let seconds = wait.map_or(1, seconds_up).max(1);
    set(headers, RETRY_AFTER, seconds.to_string());
    seconds
}

/// When a denied request would pass.
pub(super) fn wait(decision: &Decision) -> Option<Duration> {
    let denying = decision.statuses().iter().filter(|status| !status.allowed);
    decision.retry_after().or_else(|| denying.map(|status| status.reset_after).max())
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: String) {
    // What is no header's value has no place in one; names of limits were made to fit.
    if let Some(value) = Some(value).filter(|value| !value.is_empty())
        && let Ok(value) = HeaderValue::try_from(value)
    {
        headers.insert(name, value);
    }
}

/// The last status that denies by itself, else the one with the least left.
fn tightest(decision: &Decision) -> Option<(&Status, &CountedLimit)> {
    let counted = || {
        let statuses = decision.statuses().iter();
        statuses.filter_map(|status| Some((status, status.limit.as_ref()?)))
    };
    let denies = |(status, _): &(&Status, _)| !status.allowed && !status.quota_mode;
    counted().rfind(denies).or_else(|| counted().min_by_key(|(status, _)| status.remaining))
}

/// A structured-field list of one item for each status that met a limit.
fn list(decision: &Decision, item: fn(&str, &Status, &CountedLimit) -> String) -> String {
    let mut list = Vec::new();
    for (index, status) in decision.statuses().iter().enumerate() {
        let Some(limit) = &status.limit else { continue };
        let name =
            if limit.name.is_empty() { format!("limit-{index}") } else { quotable(&limit.name) };
        list.push(item(&name, status, limit));
    }
    list.join(", ")
}

fn policy(name: &str, _: &Status, limit: &CountedLimit) -> String {
    format!("\"{name}\";q={};w={}", limit.limit, limit.window.as_secs().max(1))
}

fn left(name: &str, status: &Status, _: &CountedLimit) -> String {
    format!("\"{name}\";r={};t={}", status.remaining, seconds_up(status.reset_after))
}

/// What a structured-field string may hold as it is: printable ASCII without quote and backslash.
fn quotable(name: &str) -> String {
    let fits = |c: char| (' '..='~').contains(&c) && c != '"' && c != '\\';
    name.chars().map(|c| if fits(c) { c } else { '_' }).collect()
}

fn seconds_up(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(name: &str, allowed: bool, remaining: u32) -> Status {
        let window = Duration::from_secs(60);
        let limit = CountedLimit { name: name.into(), limit: 5, window, algorithm: None, burst: 7 };
        let reset_after = Duration::from_millis(1500);
        Status { allowed, limit: Some(limit), remaining, reset_after, quota_mode: false }
    }

    fn decision(statuses: Vec<Status>) -> Decision {
        let allowed = statuses.iter().all(|status| status.allowed);
        Decision { allowed, statuses, retry_after: None, shadowed: false, local: None }
    }

    fn headers(decision: &Decision, style: HeaderStyle) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        add(&mut headers, decision, style);
        let text = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        headers.iter().map(text).collect()
    }

    #[test]
    fn structured_fields_have_an_item_for_each_limit() {
        let unnamed = Status { limit: None, ..status("", true, 0) };
        let decision = decision(vec![unnamed, status("", true, 3), status("a\"b", true, 4)]);
        let expected = [
            ("ratelimit-policy", "\"limit-1\";q=5;w=60, \"a_b\";q=5;w=60"),
            ("ratelimit", "\"limit-1\";r=3;t=2, \"a_b\";r=4;t=2"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(headers(&decision, HeaderStyle::RateLimit), expected);
    }

    #[test]
    fn the_other_style_tells_of_the_tightest_limit() {
        let both = decision(vec![status("a", true, 3), status("b", true, 2)]);
        let told = headers(&both, HeaderStyle::XRateLimit);
        assert_eq!(told[0], ("x-ratelimit-limit".into(), "7".into()));
        assert_eq!(told[1], ("x-ratelimit-remaining".into(), "2".into()));
        assert_eq!(told[2], ("x-ratelimit-reset".into(), "2".into()));
        let denied = decision(vec![status("a", true, 0), status("b", false, 1)]);
        assert_eq!(headers(&denied, HeaderStyle::XRateLimit)[1].1, "1");
    }

    #[test]
    fn without_a_limit_there_is_nothing_to_tell() {
        let nothing = decision(vec![]);
        for style in [HeaderStyle::RateLimit, HeaderStyle::XRateLimit, HeaderStyle::Off] {
            assert!(headers(&nothing, style).is_empty());
        }
    }

    #[test]
    fn retry_after_is_rounded_up_and_at_least_one() {
        let mut headers = HeaderMap::new();
        assert_eq!(add_retry_after(&mut headers, None), 1);
        assert_eq!(add_retry_after(&mut headers, Some(Duration::ZERO)), 1);
        assert_eq!(add_retry_after(&mut headers, Some(Duration::from_millis(2001))), 3);
        assert_eq!(headers[RETRY_AFTER], "3");
        assert_eq!(wait(&decision(vec![status("a", false, 0)])), Some(Duration::from_millis(1500)));
    }
}
