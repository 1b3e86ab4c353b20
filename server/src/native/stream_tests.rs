//! Streams: order, their end, and that nothing is read ahead.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use tollgate_proto::v1::{Verdict, check_result::Outcome};
use tollgate_runtime::drain::Drain;

use super::super::tests::{check, native};
use super::*;
use crate::access::PermissionSet;
use crate::decide::double::{On, on_both};

const SHORT: Duration = Duration::from_millis(10);

type Checks = BoxStream<'static, Result<CheckStreamRequest, Status>>;

fn answers(on: On, checks: Checks, drain: &Drain, idle_max: Duration) -> Answers<Checks> {
    let (_, native) = native(on, PermissionSet::NONE);
    Answers::new(native, checks, None, drain.watch(), idle_max)
}

fn asks(id: u64) -> Result<CheckStreamRequest, Status> {
    Ok(CheckStreamRequest { id, check: Some(check(60)) })
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test)
}

fn verdict(response: &CheckStreamResponse) -> Verdict {
    match response.result.as_ref().unwrap().outcome.as_ref().unwrap() {
        Outcome::Response(response) => response.verdict(),
        Outcome::Error(error) => panic!("{error:?}"),
    }
}

fn answers_come_in_the_order_of_the_checks_and_the_stream_ends_with_them(on: On) {
    let checks = stream::iter([asks(7), asks(3)]).boxed();
    let told: Vec<_> = run(answers(on, checks, &Drain::new(), SHORT).collect());
    let told: Vec<_> = told.into_iter().map(Result::unwrap).collect();
    let told: Vec<_> = told.iter().map(|one| (one.id, verdict(one))).collect();
    assert_eq!(told, [(7, Verdict::Allowed), (3, Verdict::Denied)]);
}

fn a_check_that_is_missing_is_an_error_of_its_own(on: On) {
    let nothing = Ok(CheckStreamRequest { id: 1, check: None });
    let told: Vec<_> =
        run(answers(on, stream::iter([nothing, asks(2)]).boxed(), &Drain::new(), SHORT).collect());
    let outcome = told[0].as_ref().unwrap().result.as_ref().unwrap().outcome.clone().unwrap();
    let Outcome::Error(error) = outcome else { panic!() };
    assert_eq!((&*error.reason, error.executed), ("BAD_REQUEST", false));
    assert_eq!(verdict(told[1].as_ref().unwrap()), Verdict::Allowed);
}

fn a_silent_stream_and_a_drained_one_end_as_unavailable(on: On) {
    let idle: Vec<_> = run(answers(on, stream::pending().boxed(), &Drain::new(), SHORT).collect());
    let drain = Drain::new();
    let checks = stream::iter([asks(1)]).chain(stream::pending()).boxed();
    let mut open = answers(on, checks, &drain, Duration::from_secs(3_600));
    let drained = run(async {
        let first = open.next().await.unwrap();
        assert_eq!(verdict(&first.unwrap()), Verdict::Allowed);
        drain.start();
        let last = open.next().await;
        assert!(open.next().await.is_none());
        last
    });
    for end in [idle.into_iter().next(), drained] {
        assert_eq!(end.unwrap().unwrap_err().code(), tonic::Code::Unavailable);
    }
}

#[test]
fn a_stream_that_never_pauses_ends_with_the_drain_and_lets_others_have_their_turn() {
    let on = On::Own;
    let drain = Drain::new();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let checks = stream::repeat_with(move || asks(counter.fetch_add(1, Ordering::Relaxed) as u64));
    let mut open = answers(on, checks.boxed(), &drain, SHORT);
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let mut turn = 0;
    while Pin::new(&mut open).poll_next(&mut cx).is_ready() {
        turn += 1;
    }
    // One check is read for each answer that is taken.
    assert_eq!((turn, asked.load(Ordering::Relaxed)), (TURN, TURN as usize));
    drain.start();
    let rest = run(open.count());
    assert_eq!(rest, LAST_CHECKS as usize + 1);
}

#[test]
fn checks_that_wait_wait_together_within_bounds_and_are_answered_in_their_order() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let checks = stream::repeat_with(move || asks(counter.fetch_add(1, Ordering::Relaxed) as u64));
    let mut open = answers(On::Replicated, checks.take(2_000).boxed(), &Drain::new(), SHORT);
    let mut cx = Context::from_waker(std::task::Waker::noop());
    // Nothing is answered at the first look, and others have their turn.
    assert!(Pin::new(&mut open).poll_next(&mut cx).is_pending());
    assert_eq!(asked.load(Ordering::Relaxed), TURN as usize);
    let mut most = 0;
    let told: Vec<_> = run(async {
        let mut told = Vec::new();
        while let Some(answer) = open.next().await {
            most = most.max(open.pending.len());
            told.push(answer.unwrap().id);
        }
        told
    });
    assert_eq!(told, (0..2_000).collect::<Vec<_>>());
    assert!((TURN as usize..=IN_FLIGHT_MAX).contains(&most), "{most} in flight");
    assert_eq!(open.pending_bytes, 0);
}

#[test]
fn great_checks_are_few_in_flight() {
    let great = || {
        let mut great = check(1);
        great.idempotency_key = "k".repeat(IN_FLIGHT_BYTES_MAX / 4);
        Ok(CheckStreamRequest { id: 1, check: Some(great) })
    };
    let checks = stream::repeat_with(great).take(10).boxed();
    let mut open = answers(On::Replicated, checks, &Drain::new(), SHORT);
    let mut cx = Context::from_waker(std::task::Waker::noop());
    // Its key is too long: that it is told at once.
    assert!(Pin::new(&mut open).poll_next(&mut cx).is_ready());
    assert!(open.pending.len() < 4, "{} in flight", open.pending.len());
    assert_eq!(run(open.count()), 9);
}

#[test]
fn what_is_in_flight_is_answered_before_a_drained_stream_ends() {
    let drain = Drain::new();
    let checks = stream::iter((0..50).map(asks)).chain(stream::pending()).boxed();
    let mut open = answers(On::Replicated, checks, &drain, Duration::from_secs(3_600));
    let mut cx = Context::from_waker(std::task::Waker::noop());
    assert!(Pin::new(&mut open).poll_next(&mut cx).is_pending());
    drain.start();
    let told: Vec<_> = run(open.collect());
    let ids: Vec<_> = told[..50].iter().map(|told| told.as_ref().unwrap().id).collect();
    assert_eq!(ids, (0..50).collect::<Vec<_>>());
    let [end] = &told[50..] else { panic!("{}", told.len()) };
    assert_eq!(end.as_ref().unwrap_err().code(), tonic::Code::Unavailable);
}

on_both! {
    answers_come_in_the_order_of_the_checks_and_the_stream_ends_with_them,
    a_check_that_is_missing_is_an_error_of_its_own,
    a_silent_stream_and_a_drained_one_end_as_unavailable,
}
