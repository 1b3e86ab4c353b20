//! Headers that tell a client of its limits, added to the response by the proxy.

use std::sync::Arc;

use tollgate_core::decision::{Code, Current, Decision, Status};
use tollgate_core::limit::HeaderStyle;
use tollgate_core::time::{NANOS_PER_SECOND, Now};

use super::write::seconds_up;
use crate::rls::{HeaderValue, RateLimitResponse};

/// The names of the headers of [`HeaderStyle::RateLimit`]; all others are fixed by their drafts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderNames {
    /// The limit's number.
    pub limit: Arc<str>,
    /// What remains of it.
    pub remaining: Arc<str>,
    /// Seconds until it is whole again.
    pub reset: Arc<str>,
}

impl Default for HeaderNames {
    fn default() -> Self {
        Self {
            limit: "RateLimit-Limit".into(),
            remaining: "RateLimit-Remaining".into(),
            reset: "RateLimit-Reset".into(),
        }
    }
}

/// Adds the headers of `style`, which describe the tightest status; none where no limit was met.
/// A denied request also gets `Retry-After`, at least one second.
pub fn add_headers(
    response: &mut RateLimitResponse,
    decision: &Decision<'_>,
    (style, names): (HeaderStyle, &HeaderNames),
    now: Now,
) {
    let Some(status) = decision.tightest() else { return };
    let Some(current) = &status.current else { return };
    let reset = seconds_up(current.reset_after);
    let mut add = |key: &str, value: String| {
        let header = HeaderValue { key: key.to_owned(), value, ..HeaderValue::default() };
        response.response_headers_to_add.push(header);
    };
    match style {
        HeaderStyle::Off => return,
        HeaderStyle::RateLimit => {
            add(&names.limit, current.quota.limit.to_string());
            add(&names.remaining, status.remaining.to_string());
            add(&names.reset, reset.to_string());
        }
        HeaderStyle::XRateLimit | HeaderStyle::XRateLimitEpoch => {
            add("X-RateLimit-Limit", current.quota.burst().to_string());
            add("X-RateLimit-Remaining", status.remaining.to_string());
            let epoch = now.epoch.as_nanos() / NANOS_PER_SECOND;
            let is_epoch = style == HeaderStyle::XRateLimitEpoch;
            add("X-RateLimit-Reset", if is_epoch { epoch + reset } else { reset }.to_string());
        }
        HeaderStyle::Draft11 => {
            add("RateLimit-Policy", list(decision, policy));
            add("RateLimit", list(decision, left));
        }
    }
    if decision.overall == Code::OverLimit {
        // Of all limits that deny, not only of the one that is described.
        let wait = decision.retry_after.map_or(reset, seconds_up);
        add("Retry-After", wait.max(1).to_string());
    }
}

/// A structured-field list of one item for each status that met a limit.
fn list(decision: &Decision<'_>, item: fn(&str, &Status<'_>, &Current<'_>) -> String) -> String {
    let mut list = Vec::new();
    for (index, status) in decision.statuses.iter().enumerate() {
        let Some(current) = &status.current else { continue };
        let name = current.name.map_or_else(|| format!("limit-{index}"), |name| quotable(name));
        list.push(item(&name, status, current));
    }
    list.join(", ")
}

fn policy(name: &str, _: &Status<'_>, current: &Current<'_>) -> String {
    let window = (current.quota.window.nanos() / NANOS_PER_SECOND).max(1);
    format!("\"{name}\";q={};w={window}", current.quota.limit)
}

fn left(name: &str, status: &Status<'_>, current: &Current<'_>) -> String {
    format!("\"{name}\";r={};t={}", status.remaining, seconds_up(current.reset_after))
}

/// What a structured-field string may hold as it is: printable ASCII without quote and backslash.
fn quotable(name: &str) -> String {
    let fits = |c: char| (' '..='~').contains(&c) && c != '"' && c != '\\';
    name.chars().map(|c| if fits(c) { c } else { '_' }).collect()
}

#[cfg(test)]
#[path = "headers_tests.rs"]
mod tests;
