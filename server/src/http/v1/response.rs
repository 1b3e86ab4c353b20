//! Answers: twins of the messages, with durations in seconds.

use schemars::JsonSchema;
use serde::Serialize;
use tollgate_proto::v1::{self, check_result::Outcome};

use super::seconds;

/// May it pass?
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// It may.
    Allowed,
    /// A limit says no.
    Denied,
}

/// The answer to a check.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "CheckResponse")]
pub(crate) struct Check<'a> {
    /// May it pass?
    verdict: Verdict,
    /// One for each descriptor of the request, in its order; one for a named or inline limit.
    statuses: Vec<LimitStatus<'a>>,
    /// When the same request would pass if it is left alone. Absent where it passes.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<f64>,
    /// It passes only because the node enforces nothing (shadow mode).
    shadowed: bool,
}

/// What one descriptor was told.
#[derive(Debug, Serialize, JsonSchema)]
struct LimitStatus<'a> {
    /// May it pass?
    verdict: Verdict,
    /// The limit that was counted; absent where no rule was met or the rule has no bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<CountedLimit<'a>>,
    /// Hits left now.
    remaining: u32,
    /// Until nothing is spent any more; where it is denied, until it would pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    reset_after_seconds: Option<f64>,
    /// Denies only together with every other quota descriptor of its request.
    quota_mode: bool,
}

/// The numbers of a limit.
#[derive(Debug, Serialize, JsonSchema)]
struct CountedLimit<'a> {
    /// Its name; empty where it has none.
    name: &'a str,
    /// Hits in each window.
    limit: u32,
    /// The window's length.
    window_seconds: f64,
    /// How hits are counted.
    algorithm: &'static str,
    /// Hits that can pass at once.
    burst: u32,
}

/// The answers to several checks.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "CheckBatchResponse")]
pub(crate) struct Batch<'a> {
    /// One for each check, in its order.
    results: Vec<CheckResult<'a>>,
}

/// The answer to one check among several.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum CheckResult<'a> {
    /// It was decided.
    Response(Check<'a>),
    /// It was not.
    Error(CheckError<'a>),
}

/// Why one check among several has no answer.
#[derive(Debug, Serialize, JsonSchema)]
struct CheckError<'a> {
    /// The word for it, as an error alone would have.
    error: String,
    /// A sentence for people.
    message: &'a str,
    /// Whether it may have changed something; where it has not, it may be sent again.
    executed: bool,
    /// Absent where no wait is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<f64>,
}

/// The answer to a reservation.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ReserveResponse")]
pub(crate) struct Reserve<'a> {
    /// The decision. A denied reservation holds nothing.
    decision: Option<Check<'a>>,
    /// Names the reservation; absent where it was denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    reservation: Option<&'a str>,
    /// When it ends by itself, from now; absent where it was denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_after_seconds: Option<f64>,
}

/// The answer to a commit.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "CommitResponse")]
pub(crate) struct Commit<'a> {
    /// What was spent.
    charged: u64,
    /// What was needed beyond that and found no room. Never spent.
    uncharged: u64,
    /// As of a check, after the commit.
    statuses: Vec<LimitStatus<'a>>,
}

/// The answer to a cancellation.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "CancelResponse")]
pub(crate) struct Cancel<'a> {
    /// As of a check, after the cancellation.
    statuses: Vec<LimitStatus<'a>>,
}

/// The answer to a reset.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ResetResponse")]
pub(crate) struct Reset {
    /// Counters that were forgotten.
    pub(super) counters: u32,
}

impl<'a> Check<'a> {
    pub(super) fn of(answer: &'a v1::CheckResponse) -> Self {
        Self {
            verdict: Verdict::of(answer.verdict()),
            statuses: statuses(&answer.statuses),
            retry_after_seconds: answer.retry_after.as_ref().map(seconds),
            shadowed: answer.shadowed,
        }
    }
}

impl<'a> Batch<'a> {
    pub(super) fn of(answer: &'a v1::CheckBatchResponse) -> Self {
        Self { results: answer.results.iter().filter_map(CheckResult::of).collect() }
    }
}

impl<'a> CheckResult<'a> {
    fn of(result: &'a v1::CheckResult) -> Option<Self> {
        Some(match result.outcome.as_ref()? {
            Outcome::Response(response) => Self::Response(Check::of(response)),
            Outcome::Error(error) => Self::Error(CheckError {
                error: error.reason.to_ascii_lowercase(),
                message: &error.message,
                executed: error.executed,
                retry_after_seconds: error.retry_after.as_ref().map(seconds),
            }),
        })
    }
}

impl<'a> Reserve<'a> {
    pub(super) fn of(answer: &'a v1::ReserveResponse) -> Self {
        let reservation = Some(answer.reservation.as_str()).filter(|name| !name.is_empty());
        Self {
            decision: answer.decision.as_ref().map(Check::of),
            reservation,
            ends_after_seconds: answer.ends_after.as_ref().map(seconds),
        }
    }
}

impl<'a> Commit<'a> {
    pub(super) fn of(answer: &'a v1::CommitResponse) -> Self {
        let v1::CommitResponse { charged, uncharged, statuses: all } = answer;
        Self { charged: *charged, uncharged: *uncharged, statuses: statuses(all) }
    }
}

impl<'a> Cancel<'a> {
    pub(super) fn of(answer: &'a v1::CancelResponse) -> Self {
        Self { statuses: statuses(&answer.statuses) }
    }
}

impl Verdict {
    /// What is not specified is not allowed.
    fn of(verdict: v1::Verdict) -> Self {
        match verdict {
            v1::Verdict::Allowed => Self::Allowed,
            v1::Verdict::Denied | v1::Verdict::Unspecified => Self::Denied,
        }
    }
}

fn statuses(all: &[v1::LimitStatus]) -> Vec<LimitStatus<'_>> {
    let one = |status: &v1::LimitStatus| status.verdict();
    all.iter()
        .map(|status| LimitStatus {
            verdict: Verdict::of(one(status)),
            limit: status.limit.as_ref().map(limit),
            remaining: status.remaining,
            reset_after_seconds: status.reset_after.as_ref().map(seconds),
            quota_mode: status.quota_mode,
        })
        .collect()
}

fn limit(limit: &v1::CountedLimit) -> CountedLimit<'_> {
    CountedLimit {
        name: &limit.name,
        limit: limit.limit,
        window_seconds: limit.window.as_ref().map_or(0.0, seconds),
        algorithm: match limit.algorithm() {
            v1::Algorithm::SlidingWindow => "sliding_window",
            v1::Algorithm::TokenBucket => "token_bucket",
            v1::Algorithm::FixedWindow | v1::Algorithm::Unspecified => "fixed_window",
        },
        burst: limit.burst,
    }
}
