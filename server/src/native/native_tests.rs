//! Deadlines, idempotency, permissions and reservations, on a clock that stands still.

use std::path::Path;

use tollgate_core::command::NotDone;
use tollgate_core::key::KeySecret;
use tollgate_core::store;
use tollgate_core::time::{Clock, ManualClock, Wall};
use tollgate_proto::v1::{
    CancelRequest, CommitRequest, InlineLimit, NamedLimit, RefundRequest, ReserveRequest,
    ResetRequest, check_result::Outcome,
};

use tonic::Code;

use super::*;
use crate::access::{PermissionSet, Role, Wanted};
use crate::config::{Config, ratelimit};
use crate::decide::Answers;
use crate::decide::NotAnswered;
use crate::decide::double::{Double, On, on_both};
use crate::done::Done as _;

const BOUNDS: Bounds = Bounds {
    descriptors_max: 100,
    entries_max: 32,
    domain_bytes_max: 100,
    key_bytes_max: 100,
    value_bytes_max: 100,
};

const CALL: Call<'_> = Call { authorization: None, deadline: None };

/// One limit, `hundred` a year, by `user`.
pub(super) fn native(on: On, everybody: PermissionSet) -> (Arc<ManualClock>, Native) {
    native_of(everybody, &[], |active, secret, bounds, clock| {
        on.decider(active, secret, bounds, clock)
    })
}

/// The same with these rate-limit files, on a decider of one's own.
pub(super) fn native_of(
    everybody: PermissionSet,
    files: &[&str],
    decider: impl FnOnce(Active, KeySecret, store::Bounds, Arc<dyn Clock>) -> Decider,
) -> (Arc<ManualClock>, Native) {
    let text = "limits:\n  hundred: { by: [user], limit: 100, window: 365d }\n";
    let config = Config::parse("tested", text, Path::new("")).unwrap();
    let secret = KeySecret::new([5; 16]);
    let mut domains = config.domains().unwrap();
    for file in files {
        let options = ratelimit::Options { merge_domains: false };
        domains.extend(ratelimit::parse("f", file, options, &config.limits).unwrap().domains);
    }
    let active = Active::new(domains, Answers::default(), &secret);
    let clock = Arc::new(ManualClock::starting_at(Wall::from_nanos(1_700_000_000_000_000_000)));
    let bounds = store::Bounds { keys_max: 1 << 20, bytes_max: 1 << 30 };
    let shared: Arc<dyn Clock> = Arc::clone(&clock) as _;
    let decider = Arc::new(decider(active, secret, bounds, Arc::clone(&shared)));
    let access = Arc::new(Access::open(None, Vec::new(), shared).unwrap());
    let parts = Parts { decider, access, bounds: BOUNDS };
    (clock, Native::new(parts, ListenerPermissions { listener: "tested", everybody }))
}

pub(super) fn subject(user: &str) -> Option<Subject> {
    let values = [("user".to_owned(), user.to_owned())].into();
    Some(Subject { kind: Some(Kind::Limit(NamedLimit { name: "hundred".into(), values })) })
}

pub(super) fn check(hits: u64) -> CheckRequest {
    CheckRequest { subject: subject("u"), hits: Some(hits), ..CheckRequest::default() }
}

fn remaining(native: &Native) -> u32 {
    let peek = PeekRequest { subject: subject("u"), hits: Some(0) };
    native.peek(&peek, CALL).done().unwrap().statuses[0].remaining
}

fn reserve(native: &Native, hits: u64) -> v1::ReserveResponse {
    let message = ReserveRequest { subject: subject("u"), hits: Some(hits), ..Default::default() };
    native.reserve(&message, CALL).done().unwrap()
}

fn a_limit_is_spent_to_the_last_hit_and_looking_spends_nothing(on: On) {
    let (_, native) = native(on, PermissionSet::NONE);
    let peek = PeekRequest { subject: subject("u"), hits: Some(101) };
    assert_eq!(native.peek(&peek, CALL).done().unwrap().verdict(), Verdict::Denied);
    assert_eq!(native.check(&check(100), CALL).done().unwrap().verdict(), Verdict::Allowed);
    let denied = native.check(&check(1), CALL).done().unwrap();
    assert_eq!(denied.verdict(), Verdict::Denied);
    assert!(denied.retry_after.is_some());
    assert_eq!(denied.statuses[0].limit.as_ref().unwrap().name, "hundred");
}

fn a_key_counts_once_and_is_answered_the_same_until_ten_seconds_later(on: On) {
    let (clock, native) = native(on, PermissionSet::NONE);
    let keyed = CheckRequest { idempotency_key: "k".into(), ..check(10) };
    let first = native.check(&keyed, CALL).done().unwrap();
    // It waits less long the second time.
    let timeout = Some(v1::to_duration(Duration::from_millis(5)));
    let again = CheckRequest { timeout, ..keyed.clone() };
    assert_eq!(native.check(&again, CALL).done().unwrap(), first);
    let batch = CheckBatchRequest { checks: vec![keyed.clone()] };
    let result = native.check_batch(&batch, CALL).done().unwrap().results.remove(0);
    assert_eq!(result.outcome, Some(Outcome::Response(first)));
    assert_eq!(remaining(&native), 90);
    let other = CheckRequest { hits: Some(11), ..keyed.clone() };
    assert_eq!(native.check(&other, CALL).done(), Err(Failure::IdempotencyConflict));
    let of_another_verb = ReserveRequest {
        subject: subject("u"),
        hits: Some(10),
        idempotency_key: "k".into(),
        ..Default::default()
    };
    assert_eq!(native.reserve(&of_another_verb, CALL).done(), Err(Failure::IdempotencyConflict));
    clock.advance(Duration::from_secs(11));
    native.check(&keyed, CALL).done().unwrap();
    assert_eq!(remaining(&native), 80);
}

fn what_failed_is_not_remembered(on: On) {
    let (_, native) = native(on, PermissionSet::NONE);
    let late = Call { deadline: Some(Deadline(Monotonic::from_nanos(0))), ..CALL };
    let keyed = CheckRequest { idempotency_key: "k".into(), ..check(10) };
    assert_eq!(native.check(&keyed, late).done(), Err(Failure::DeadlineExceeded));
    assert_eq!(remaining(&native), 100);
    assert_eq!(native.check(&keyed, CALL).done().unwrap().verdict(), Verdict::Allowed);
}

fn nothing_is_changed_for_whoever_waits_no_more(on: On) {
    let (_, native) = native(on, PermissionSet::ALL);
    let late = Call { deadline: Some(Deadline(Monotonic::from_nanos(0))), ..CALL };
    let held = reserve(&native, 40).reservation;
    let deadline = Failure::DeadlineExceeded;
    assert_eq!(native.check(&check(1), late).done(), Err(deadline.clone()));
    let now = CheckRequest { timeout: Some(Default::default()), ..check(1) };
    assert_eq!(native.check(&now, CALL).done(), Err(deadline.clone()));
    let commit = CommitRequest { reservation: held.clone(), hits: 1, ..Default::default() };
    assert_eq!(native.commit(&commit, late).done(), Err(deadline.clone()));
    let cancel = CancelRequest { reservation: held, ..Default::default() };
    assert_eq!(native.cancel(&cancel, late).done(), Err(deadline.clone()));
    let refund = RefundRequest { subject: subject("u"), ..Default::default() };
    assert_eq!(native.refund(&refund, late).done(), Err(deadline.clone()));
    assert_eq!(native.reset(&ResetRequest { subject: subject("u") }, late).done(), Err(deadline));
    assert_eq!(remaining(&native), 60);
}

fn a_reservation_is_committed_cancelled_or_ends(on: On) {
    let (clock, native) = native(on, PermissionSet::NONE);
    let first = reserve(&native, 100);
    assert_eq!(remaining(&native), 0);
    let commit = CommitRequest { reservation: first.reservation, hits: 37, ..Default::default() };
    let committed = native.commit(&commit, CALL).done().unwrap();
    assert_eq!((committed.charged, committed.uncharged, remaining(&native)), (37, 0, 63));
    assert_eq!(native.commit(&commit, CALL).done(), Err(Failure::UnknownReservation));
    let second = reserve(&native, 63);
    let denied = reserve(&native, 1);
    assert_eq!(denied.decision.unwrap().verdict(), Verdict::Denied);
    assert_eq!((&*denied.reservation, denied.ends_after), ("", None));
    let cancel = CancelRequest { reservation: second.reservation, ..Default::default() };
    assert_eq!(native.cancel(&cancel, CALL).done().unwrap().statuses[0].remaining, 63);
    let third = reserve(&native, 63);
    clock.advance(Duration::from_secs(61));
    assert_eq!(remaining(&native), 63);
    let cancel = CancelRequest { reservation: third.reservation, ..Default::default() };
    assert_eq!(native.cancel(&cancel, CALL).done(), Err(Failure::UnknownReservation));
}

/// The header of somebody who is known, and may nothing here.
fn viewer(native: &Native) -> HeaderValue {
    let life = Some(Duration::from_secs(60));
    let (role, permissions) = (Some(Role::Viewer), PermissionSet::NONE);
    let wanted = Wanted { name: "t".into(), role, permissions, life };
    let (token, _) = native.parts.access.create_token(&wanted).unwrap();
    format!("Bearer {}", token.reveal()).parse().unwrap()
}

fn more_than_ordinary_takes_a_permission(on: On) {
    let (_, nobody) = native(on, PermissionSet::NONE);
    let refund = RefundRequest { subject: subject("u"), hits: Some(5), ..Default::default() };
    let reset = ResetRequest { subject: subject("u") };
    let window = Some(v1::to_duration(Duration::from_secs(60)));
    let limit = InlineLimit { name: "mine".into(), limit: 1, window, ..Default::default() };
    let inline = Some(Subject { kind: Some(Kind::Inline(limit)) });
    let brought = CheckRequest { subject: inline, ..Default::default() };
    let words = [
        nobody.refund(&refund, CALL).done().unwrap_err().word(),
        nobody.reset(&reset, CALL).done().unwrap_err().word(),
        nobody.check(&brought, CALL).done().unwrap_err().word(),
    ];
    // Who shows nothing is asked for credentials; who is known and may not is told so.
    assert_eq!(words, ["unauthenticated"; 3]);
    let viewer = viewer(&nobody);
    let known = Call { authorization: Some(&viewer), ..CALL };
    let words = [
        nobody.refund(&refund, known).done().unwrap_err().word(),
        nobody.reset(&reset, known).done().unwrap_err().word(),
        nobody.check(&brought, known).done().unwrap_err().word(),
    ];
    assert_eq!(words, ["permission_denied"; 3]);
    let wrong = HeaderValue::from_static("Bearer nobody");
    let known = Call { authorization: Some(&wrong), ..CALL };
    assert_eq!(nobody.refund(&refund, known).done().unwrap_err().word(), "unauthenticated");
    // What is ordinary does not look at it.
    assert!(nobody.check(&check(1), known).done().is_ok());

    let (_, all) = native(on, PermissionSet::ALL);
    all.check(&check(20), CALL).done().unwrap();
    assert_eq!(all.refund(&refund, CALL).done().unwrap().statuses[0].remaining, 85);
    assert_eq!(all.reset(&reset, CALL).done().unwrap().counters, 1);
    assert_eq!(remaining(&all), 100);
    let first = all.check(&brought, CALL).done().unwrap();
    assert_eq!(first.statuses[0].limit.as_ref().unwrap().name, "mine");
    let verdicts = [first.verdict(), all.check(&brought, CALL).done().unwrap().verdict()];
    assert_eq!(verdicts, [Verdict::Allowed, Verdict::Denied]);
}

fn refunds_and_resets_are_audit_events(on: On) {
    let (_, native) = native(on, PermissionSet::ALL);
    native.check(&check(20), CALL).done().unwrap();
    let refund = RefundRequest { subject: subject("u"), hits: Some(5), ..Default::default() };
    let ((), lines) = crate::audit::testing::logged(|| {
        native.refund(&refund, CALL).done().unwrap();
        native.reset(&ResetRequest { subject: subject("u") }, CALL).done().unwrap();
    });
    let told: Vec<_> = lines
        .iter()
        .map(|line| ["action", "label", "before", "after"].map(|name| line[name].as_str().unwrap()))
        .collect();
    let label = "tollgate limit=hundred user=u";
    assert_eq!(told, [["refund", label, "20", "15"], ["counter_reset", label, "15", "0"]]);
}

fn a_batch_is_decided_one_by_one(on: On) {
    let (_, native) = native(on, PermissionSet::NONE);
    let wrong = CheckRequest::default();
    let checks = vec![check(60), wrong, check(60), check(40)];
    let results = native.check_batch(&CheckBatchRequest { checks }, CALL).done().unwrap().results;
    let told: Vec<_> = results
        .iter()
        .map(|result| match result.outcome.as_ref().unwrap() {
            Outcome::Response(response) => response.verdict().as_str_name().to_owned(),
            Outcome::Error(error) => error.reason.clone(),
        })
        .collect();
    assert_eq!(told, ["VERDICT_ALLOWED", "BAD_REQUEST", "VERDICT_DENIED", "VERDICT_ALLOWED"]);
    let none = native.check_batch(&CheckBatchRequest::default(), CALL).done().unwrap_err();
    assert_eq!((none.word(), none.field()), ("bad_request", Some("checks")));
}

/// A node whose ledger answers so next.
fn failing(failure: NotAnswered) -> Native {
    let (_, native) = native_of(PermissionSet::ALL, &[], |active, secret, bounds, clock| {
        let double = Double::new(bounds, 1, &clock);
        double.fail(failure);
        double.decider(active, secret, clock)
    });
    native
}

#[test]
fn a_replicated_ledger_that_does_not_answer_has_words_for_it() {
    for (failure, word, code, may_be_executed) in [
        (NotAnswered::Overloaded, "overloaded", Code::Unavailable, false),
        (NotAnswered::NoLeader, "no_leader", Code::Unavailable, false),
        (NotAnswered::NotSent, "deadline_exceeded", Code::DeadlineExceeded, false),
        (NotAnswered::TimedOut, "timed_out", Code::Unavailable, true),
        (NotDone::Full.into(), "ledger_full", Code::Unavailable, false),
        (NotDone::Conflict.into(), "idempotency_conflict", Code::AlreadyExists, false),
        (NotDone::OnceFull.into(), "idempotency_full", Code::ResourceExhausted, false),
        (NotDone::Unbounded.into(), "no_leader", Code::Unavailable, false),
        (NotDone::AnswerForgotten.into(), "timed_out", Code::Unavailable, true),
        (NotDone::AnswersFull.into(), "overloaded", Code::Unavailable, false),
        (NotDone::Malformed.into(), "internal", Code::Internal, true),
    ] {
        let told = |failed: Failure| (failed.word(), failed.code(), failed.may_be_executed());
        let failed = failing(failure).check(&check(1), CALL).done().unwrap_err();
        assert_eq!(told(failed), (word, code, may_be_executed), "{failure:?}");
        let refund = RefundRequest { subject: subject("u"), ..Default::default() };
        let failed = failing(failure).refund(&refund, CALL).done().unwrap_err();
        assert_eq!((failed.word(), failed.code()), (word, code), "{failure:?}");
        // Whoever looks changes nothing, but a defect is one.
        let peek = PeekRequest { subject: subject("u"), hits: Some(0) };
        let failed = failing(failure).peek(&peek, CALL).done().unwrap_err();
        assert_eq!(told(failed), (word, code, word == "internal"), "{failure:?}");
    }
    let reserve = ReserveRequest { subject: subject("u"), ..Default::default() };
    let full = failing(NotDone::ReservationsFull.into()).reserve(&reserve, CALL).done();
    assert_eq!(full, Err(Failure::ReservationsFull));
    let reservation = "0".repeat(32);
    let cancel = CancelRequest { reservation, ..Default::default() };
    let unknown = failing(NotDone::UnknownReservation.into()).cancel(&cancel, CALL).done();
    assert_eq!(unknown, Err(Failure::UnknownReservation));
}

on_both! {
    a_limit_is_spent_to_the_last_hit_and_looking_spends_nothing,
    a_key_counts_once_and_is_answered_the_same_until_ten_seconds_later,
    what_failed_is_not_remembered,
    nothing_is_changed_for_whoever_waits_no_more,
    a_reservation_is_committed_cancelled_or_ends,
    more_than_ordinary_takes_a_permission,
    refunds_and_resets_are_audit_events,
    a_batch_is_decided_one_by_one,
}
