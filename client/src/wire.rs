//! Answers as the wire has them, read with suspicion: what is not surely allowed is not allowed.
//!
//! Public for those who implement [`Decide`](crate::Decide) over the protocol's own messages.

use std::time::Duration;

use tollgate_proto::v1;

use crate::error::{Error, Executed, Reason};
use crate::reservation::Ticket;
use crate::{Algorithm, Check, CountedLimit, Decision, Settled, Status};

/// The message that asks a check; `timeout` is how long the answer is waited for.
pub fn check_request(check: &Check, timeout: Option<Duration>) -> v1::CheckRequest {
    let timeout = timeout.or(check.timeout).map(crate::check::wire_duration);
    v1::CheckRequest { timeout, ..check.request.clone() }
}

/// The message that looks without spending.
pub fn peek_request(check: &Check) -> v1::PeekRequest {
    let v1::CheckRequest { subject, hits, .. } = check.request.clone();
    v1::PeekRequest { subject, hits }
}

/// The message that reserves.
pub fn reserve_request(check: &Check) -> v1::ReserveRequest {
    let v1::CheckRequest { subject, hits, idempotency_key, .. } = check.request.clone();
    let hold_for = check.hold_for.map(crate::check::wire_duration);
    v1::ReserveRequest { subject, hits, hold_for, idempotency_key }
}

/// The message that gives hits back.
pub fn refund_request(check: &Check) -> v1::RefundRequest {
    let v1::CheckRequest { subject, hits, idempotency_key, .. } = check.request.clone();
    v1::RefundRequest { subject, hits, idempotency_key }
}

/// The message that commits. A reservation is settled once, so its own name is a key under which
/// the client may send this again.
pub fn commit_request(ticket: &Ticket, hits: u64) -> v1::CommitRequest {
    let reservation = ticket.id().to_owned();
    v1::CommitRequest { idempotency_key: format!("commit-{reservation}"), reservation, hits }
}

/// The message that cancels; as of [`commit_request`].
pub fn cancel_request(ticket: &Ticket) -> v1::CancelRequest {
    let reservation = ticket.id().to_owned();
    v1::CancelRequest { idempotency_key: format!("cancel-{reservation}"), reservation }
}

/// Reads the answer to a check, a peek or a refund.
///
/// # Errors
/// [`Error::BadAnswer`] without a verdict, or with one that does not exist.
pub fn decision(response: v1::CheckResponse) -> Result<Decision, Error> {
    Ok(Decision {
        allowed: is_allowed(response.verdict)?,
        statuses: statuses(response.statuses)?,
        retry_after: duration(response.retry_after),
        shadowed: response.shadowed,
        local: None,
    })
}

/// Reads the answer to one check among several.
///
/// # Errors
/// The check's own error, or as of [`decision`].
pub fn result(result: v1::CheckResult) -> Result<Decision, Error> {
    use v1::check_result::Outcome;
    match result.outcome {
        Some(Outcome::Response(response)) => decision(response),
        Some(Outcome::Error(error)) => Err(check_error(error)),
        None => Err(Error::BadAnswer { what: "neither a decision nor an error" }),
    }
}

/// Reads the answers to a batch of `asked` checks.
///
/// # Errors
/// [`Error::BadAnswer`] if there are not as many answers as checks.
pub fn results(
    response: v1::CheckBatchResponse,
    asked: usize,
) -> Result<Vec<Result<Decision, Error>>, Error> {
    if response.results.len() != asked {
        return Err(Error::BadAnswer { what: "not as many answers as checks" });
    }
    Ok(response.results.into_iter().map(result).collect())
}

/// Reads the answer to a reservation: the decision, and what names the reservation where it was
/// allowed.
///
/// # Errors
/// [`Error::BadAnswer`] as of [`decision`], and if it is allowed without a name.
pub fn reserved(response: v1::ReserveResponse) -> Result<(Decision, Option<Ticket>), Error> {
    let missing = Error::BadAnswer { what: "a reservation without a decision" };
    let decision = decision(response.decision.ok_or(missing)?)?;
    if !decision.allowed() {
        return Ok((decision, None));
    }
    let ends_after = duration(response.ends_after).unwrap_or_default();
    let ticket = Ticket::new(response.reservation, ends_after)
        .ok_or(Error::BadAnswer { what: "a reservation without a right name" })?;
    Ok((decision, Some(ticket)))
}

/// Reads the answer to a commit.
///
/// # Errors
/// As of [`decision`].
pub fn committed(response: v1::CommitResponse) -> Result<Settled, Error> {
    let v1::CommitResponse { charged, uncharged, statuses: all } = response;
    Ok(Settled { charged, uncharged, statuses: statuses(all)? })
}

/// Reads the answer to a cancellation.
///
/// # Errors
/// As of [`decision`].
pub fn cancelled(response: v1::CancelResponse) -> Result<Settled, Error> {
    Ok(Settled { charged: 0, uncharged: 0, statuses: statuses(response.statuses)? })
}

fn is_allowed(verdict: i32) -> Result<bool, Error> {
    match v1::Verdict::try_from(verdict) {
        Ok(v1::Verdict::Allowed) => Ok(true),
        Ok(v1::Verdict::Denied) => Ok(false),
        Ok(v1::Verdict::Unspecified) => Err(Error::BadAnswer { what: "no verdict" }),
        Err(_) => Err(Error::BadAnswer { what: "a verdict that this client does not know" }),
    }
}

fn statuses(all: Vec<v1::LimitStatus>) -> Result<Vec<Status>, Error> {
    all.into_iter().map(status).collect()
}

fn status(status: v1::LimitStatus) -> Result<Status, Error> {
    Ok(Status {
        allowed: is_allowed(status.verdict)?,
        limit: status.limit.map(counted_limit),
        remaining: status.remaining,
        reset_after: duration(status.reset_after).unwrap_or_default(),
        quota_mode: status.quota_mode,
    })
}

fn counted_limit(limit: v1::CountedLimit) -> CountedLimit {
    let algorithm = match limit.algorithm() {
        v1::Algorithm::Unspecified => None,
        v1::Algorithm::FixedWindow => Some(Algorithm::FixedWindow),
        v1::Algorithm::SlidingWindow => Some(Algorithm::SlidingWindow),
        v1::Algorithm::TokenBucket => Some(Algorithm::TokenBucket),
    };
    let v1::CountedLimit { name, limit, window, burst, .. } = limit;
    let window = duration(window).unwrap_or_default();
    CountedLimit { name, limit, window, algorithm, burst }
}

fn check_error(error: v1::CheckError) -> Error {
    Error::Refused {
        reason: Reason::of_word(&error.reason),
        message: error.message,
        executed: if error.executed { Executed::Maybe } else { Executed::No },
        retry_after: duration(error.retry_after),
    }
}

/// A duration of the wire; one that is negative or absurd reads as absent.
pub(crate) fn duration(duration: Option<prost_types::Duration>) -> Option<Duration> {
    Duration::try_from(duration?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_says_nothing_is_an_error_and_never_allowed() {
        let bad = |error: Error| matches!(error, Error::BadAnswer { .. });
        assert!(bad(decision(v1::CheckResponse::default()).unwrap_err()));
        assert!(
            bad(decision(v1::CheckResponse { verdict: 77, ..Default::default() }).unwrap_err())
        );
        let statuses = vec![v1::LimitStatus::default()];
        let response = v1::CheckResponse { verdict: 1, statuses, ..Default::default() };
        assert!(bad(decision(response).unwrap_err()));
        assert!(bad(result(v1::CheckResult::default()).unwrap_err()));
        assert!(bad(results(v1::CheckBatchResponse::default(), 1).unwrap_err()));
        assert!(bad(reserved(v1::ReserveResponse::default()).unwrap_err()));
    }

    #[test]
    fn an_allowed_reservation_needs_a_name() {
        let allowed = v1::CheckResponse { verdict: 1, ..Default::default() };
        let mut response =
            v1::ReserveResponse { decision: Some(allowed), ..v1::ReserveResponse::default() };
        for wrong in ["", "abc", &"g".repeat(32)] {
            response.reservation = wrong.to_owned();
            assert!(matches!(reserved(response.clone()), Err(Error::BadAnswer { .. })), "{wrong}");
        }
        response.reservation = "0123456789abcdef".repeat(2);
        let (decision, ticket) = reserved(response).unwrap();
        assert!(decision.allowed() && ticket.is_some());
    }

    #[test]
    fn a_negative_duration_reads_as_absent() {
        assert_eq!(duration(Some(prost_types::Duration { seconds: -1, nanos: 0 })), None);
    }
}
