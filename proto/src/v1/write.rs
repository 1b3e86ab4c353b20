//! The core's decisions to answers.

use tollgate_core::decision::{Code, Current, Decision, Status};
use tollgate_core::limit::Algorithm as CoreAlgorithm;

use super::check_result::Outcome;
use super::{
    Algorithm, CheckError, CheckResponse, CheckResult, CountedLimit, LimitStatus, Verdict,
};
use super::{Subject, subject, to_duration};

/// The answer to what `subject` asked about.
pub fn response(decision: &Decision<'_>, subject: Option<&Subject>) -> CheckResponse {
    let is_denied = decision.overall == Code::OverLimit;
    let retry_after = decision.retry_after.filter(|_| is_denied).map(to_duration);
    CheckResponse {
        verdict: verdict(decision.overall).into(),
        statuses: statuses(&decision.statuses, subject),
        retry_after,
        shadowed: decision.shadowed,
    }
}

/// One status for each of the core's. A limit that `subject` brought along is called as there.
pub fn statuses(statuses: &[Status<'_>], subject: Option<&Subject>) -> Vec<LimitStatus> {
    let inline = match subject.and_then(|subject| subject.kind.as_ref()) {
        Some(subject::Kind::Inline(limit)) => limit.name.as_str(),
        _ => "",
    };
    statuses.iter().map(|one| status(one, inline)).collect()
}

/// An error as the result of one check among several.
pub fn batch_error(error: CheckError) -> CheckResult {
    CheckResult { outcome: Some(Outcome::Error(error)) }
}

fn status(status: &Status<'_>, inline: &str) -> LimitStatus {
    LimitStatus {
        verdict: verdict(status.code).into(),
        limit: status.current.as_ref().map(|current| limit(current, inline)),
        remaining: status.remaining,
        reset_after: status.current.as_ref().map(|current| to_duration(current.reset_after)),
        quota_mode: status.quota_mode,
    }
}

fn limit(current: &Current<'_>, inline: &str) -> CountedLimit {
    let Current { quota, name, .. } = current;
    let window = std::time::Duration::from_nanos(quota.window.nanos());
    CountedLimit {
        name: name.map_or(inline, |name| name).to_owned(),
        limit: quota.limit,
        window: Some(to_duration(window)),
        algorithm: algorithm(quota.algorithm).into(),
        burst: quota.burst(),
    }
}

const fn verdict(code: Code) -> Verdict {
    match code {
        Code::Ok => Verdict::Allowed,
        Code::OverLimit => Verdict::Denied,
    }
}

const fn algorithm(algorithm: CoreAlgorithm) -> Algorithm {
    match algorithm {
        CoreAlgorithm::FixedWindow => Algorithm::FixedWindow,
        CoreAlgorithm::SlidingWindow => Algorithm::SlidingWindow,
        CoreAlgorithm::TokenBucket { .. } => Algorithm::TokenBucket,
    }
}
