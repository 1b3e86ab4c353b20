//! Headers of a decision: `RateLimit-Policy` and `RateLimit`
//! (draft-ietf-httpapi-ratelimit-headers-11), and `Retry-After` where it is denied.

use http::HeaderName;
use http::header::RETRY_AFTER;
use tollgate_proto::v1::{CheckResponse, CountedLimit, LimitStatus, Verdict};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");

/// Statuses that the headers describe: a head has a bound at the other side, too.
const LISTED_MAX: usize = 16;

/// The headers of an answer.
pub(super) fn of(answer: &CheckResponse) -> Vec<(HeaderName, String)> {
    let mut headers = Vec::new();
    let counted = || {
        let all = answer.statuses.iter().enumerate();
        all.filter_map(|(at, status)| Some((at, status, status.limit.as_ref()?))).take(LISTED_MAX)
    };
    let policies: Vec<_> = counted().map(|(at, _, limit)| policy(at, limit)).collect();
    if !policies.is_empty() {
        let left: Vec<_> = counted().map(|(at, status, limit)| left(at, status, limit)).collect();
        headers.push((POLICY, policies.join(", ")));
        headers.push((LEFT, left.join(", ")));
    }
    if answer.verdict() == Verdict::Denied {
        // At least a second: whoever waits that long finds the window over.
        let wait = answer.retry_after.as_ref().map_or(1, seconds_up).max(1);
        headers.push((RETRY_AFTER, wait.to_string()));
    }
    headers
}

fn policy(at: usize, limit: &CountedLimit) -> String {
    let window = limit.window.as_ref().map_or(0, |window| window.seconds).max(1);
    format!("\"{}\";q={};w={window}", name(at, limit), limit.limit)
}

fn left(at: usize, status: &LimitStatus, limit: &CountedLimit) -> String {
    let reset = status.reset_after.as_ref().map_or(0, seconds_up);
    format!("\"{}\";r={};t={reset}", name(at, limit), status.remaining)
}

/// What a structured-field string may hold as it is: printable ASCII without quote and backslash.
fn name(at: usize, limit: &CountedLimit) -> String {
    if limit.name.is_empty() {
        return format!("limit-{at}");
    }
    let fits = |c: char| (' '..='~').contains(&c) && c != '"' && c != '\\';
    limit.name.chars().map(|c| if fits(c) { c } else { '_' }).collect()
}

fn seconds_up(duration: &prost_types::Duration) -> i64 {
    duration.seconds + i64::from(duration.nanos > 0)
}
