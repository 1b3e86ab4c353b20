//! What is remembered, for how long, and what ends it, in every order of events.

use std::time::Duration;

use proptest::prelude::*;
use tollgate_core::bucket::Bucket;
use tollgate_core::command::KeySlot;
use tollgate_core::key::DomainTag;
use tollgate_core::limit::{Algorithm, Unit, Window};

use super::*;

const MS: Duration = Duration::from_millis(1);

fn at(millis: u64) -> Monotonic {
    Monotonic::from_nanos(0).plus(MS * u32::try_from(millis).unwrap())
}

fn log_at(millis: u64) -> Now {
    let nanos = 1_000_000 * (1_700_000_000_000 + millis);
    Now { log: LogTime::from_nanos(nanos), epoch: Wall::from_nanos(nanos) }
}

fn key(number: u64) -> Key {
    Key::from_halves(number.wrapping_mul(0x9e37_79b9_7f4a_7c15), number)
}

fn charging(number: u64, hits: u64) -> Charging {
    Charging {
        key: key(number),
        slot: KeySlot(0),
        quota: Quota::per_unit(10, Unit::Minute),
        charge: Charge::Hits(hits),
        domain: DomainTag(1),
        text: "d".into(),
        shadow: false,
        quota_mode: false,
    }
}

fn denied(wait: Duration) -> Outcome {
    let (before, after) = (10, 11);
    let retry_after = Some(wait);
    Outcome { over: true, before, after, remaining: 0, reset_after: wait, retry_after }
}

fn made(index: u64, sent: u64, received: u64) -> Made {
    let (sent, received) = (at(sent), at(received));
    Made { group: 1, index, at: log_at(0), sent, received }
}

fn holding_one(wait: Duration) -> Denials {
    let denials = Denials::new(1, 8);
    assert_eq!(denials.remember(&charging(1, 2), &denied(wait), &made(5, 0, 10)), Kept::Yes);
    denials
}

#[test]
fn a_denial_is_told_until_shortly_before_the_limit_opens_and_counts_down_from_its_answer() {
    let denials = holding_one(MS * 1_000);
    let (told, now) = denials.meets(&charging(1, 2), at(510)).unwrap();
    assert!(told.over);
    assert_eq!((told.before, told.after, told.remaining), (11, 13, 0));
    assert_eq!(told.retry_after, Some(MS * 500));
    assert_eq!(now, log_at(500));
    assert!(denials.meets(&charging(1, 2), at(998)).is_some());
    // It was sent at 0, so the limit opens at 1000 at the earliest.
    assert!(denials.meets(&charging(1, 2), at(999)).is_none());
    assert_eq!(denials.len(), 0, "an ended one leaves when it is met");
}

#[test]
fn smaller_requests_peeks_refunds_other_quotas_and_other_keys_are_asked_for() {
    let denials = holding_one(MS * 1_000);
    let peek = charging(1, 0);
    let refund = Charging { charge: Charge::Refund(2), ..charging(1, 2) };
    let raised = Charging { quota: Quota::per_unit(11, Unit::Minute), ..charging(1, 2) };
    for asked in [charging(1, 1), peek, refund, raised, charging(2, 2)] {
        assert!(denials.meets(&asked, at(20)).is_none(), "{asked:?}");
    }
    assert!(denials.meets(&charging(1, 3), at(20)).is_some());
}

#[test]
fn nothing_is_remembered_of_what_passed_or_opens_before_the_answer_came() {
    let denials = Denials::new(1, 8);
    let passed = Outcome { over: false, retry_after: None, ..denied(MS) };
    for (outcome, made) in [(passed, made(5, 0, 1)), (denied(MS * 9), made(5, 0, 10))] {
        assert_eq!(denials.remember(&charging(1, 1), &outcome, &made), Kept::No);
    }
    assert!(denials.is_empty());
}

#[test]
fn what_finds_it_full_is_not_remembered_and_ended_ones_make_room() {
    let denials = Denials::new(1, 8);
    for number in 0..8 {
        let kept = denials.remember(&charging(number, 1), &denied(MS * 100), &made(5, 0, 1));
        assert_eq!(kept, Kept::Yes);
    }
    let one_more =
        |index| denials.remember(&charging(99, 1), &denied(MS * 900), &made(index, 200, 201));
    assert_eq!(one_more(6), Kept::Full);
    // One that is there already finds its own place.
    let again = denials.remember(&charging(3, 1), &denied(MS * 100), &made(6, 0, 1));
    assert_eq!(again, Kept::Yes);
    denials.sweep(at(200));
    assert_eq!((denials.len(), one_more(7), denials.len()), (0, Kept::Yes, 1));
    denials.clear();
    assert_eq!(denials.len(), 0);
}

#[test]
fn a_state_that_was_installed_ends_all_and_what_is_older() {
    let denials = holding_one(MS * 1_000);
    denials.installed(1, 9);
    assert!(denials.is_empty());
    let late = denials.remember(&charging(1, 2), &denied(MS * 1_000), &made(9, 0, 10));
    assert_eq!(late, Kept::No);
}

#[test]
fn early_hits_of_a_penalised_bucket_are_asked_for_once_in_a_while() {
    let denials = Denials::new(1, 8);
    let quota = Quota { penalty_max: Some(MS * 60_000), ..Quota::per_unit(10, Unit::Minute) };
    let asked = Charging { quota, ..charging(1, 1) };
    let kept = denials.remember(&asked, &denied(MS * 10_000), &made(5, 0, 0));
    assert_eq!(kept, Kept::Yes);
    let times = (1..=1_000).filter(|ms| denials.meets(&asked, at(*ms)).is_none());
    assert_eq!(times.collect::<Vec<_>>(), (1..=10).map(|tenth| tenth * 100).collect::<Vec<_>>());
}

/// What happens to a key, told by the two who do it. Each of the hook's two steps is one of its own.
#[derive(Clone, Copy, Debug)]
enum Step {
    Denied { index: u64 },
    Raised { index: u64 },
    Removed,
}

/// All orders of a node that learns of a denial and a hook that tells of a refund.
fn orders(denial: u64, refund: u64) -> Vec<Vec<Step>> {
    let denial = Step::Denied { index: denial };
    let (raised, removed) = (Step::Raised { index: refund }, Step::Removed);
    vec![
        vec![denial, raised, removed],
        vec![raised, denial, removed],
        vec![raised, removed, denial],
    ]
}

#[test]
fn a_denial_that_is_older_than_a_refund_never_stays_and_a_younger_one_may() {
    for (denial, refund) in [(5, 7), (7, 7), (9, 7)] {
        for order in orders(denial, refund) {
            let denials = Denials::new(1, 8);
            for step in &order {
                match *step {
                    Step::Denied { index } => {
                        let made = made(index, 0, 1);
                        denials.remember(&charging(1, 1), &denied(MS * 1_000), &made);
                    }
                    Step::Raised { index } => denials.raise(1, index),
                    Step::Removed => denials.remove(key(1)),
                }
            }
            if denial <= refund {
                assert!(denials.is_empty(), "{order:?}");
            }
        }
    }
    let denials = Denials::new(1, 8);
    denials.forgot(1, 7, &[key(1)]);
    let kept = denials.remember(&charging(1, 1), &denied(MS * 1_000), &made(9, 0, 1));
    assert_eq!((kept, denials.len()), (Kept::Yes, 1));
}

#[test]
fn threads_that_remember_and_forget_leave_nothing_that_is_older_than_a_refund() {
    let denials = Denials::new(1, 64);
    for round in 0..200_u64 {
        let index = 1 + 2 * round;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let made = made(index, 0, 1);
                denials.remember(&charging(round % 7, 1), &denied(MS * 1_000), &made)
            });
            scope.spawn(|| denials.forgot(1, index + 1, &[key(round % 7)]));
        });
        assert_eq!(denials.len(), 0, "round {round}");
        assert!(denials.meets(&charging(round % 7, 1), at(2)).is_none());
    }
}

fn quotas() -> impl Strategy<Value = Quota> {
    let algorithm = prop_oneof![
        Just(Algorithm::FixedWindow),
        Just(Algorithm::SlidingWindow),
        (1_u32..8).prop_map(|burst| Algorithm::TokenBucket { burst }),
    ];
    (1_u32..6, 1_u64..5_000, algorithm, any::<bool>()).prop_map(
        |(limit, window, algorithm, counts_refused)| {
            let window = Window::of_length(Duration::from_millis(window)).unwrap();
            Quota { limit, window, algorithm, counts_refused, penalty_max: None }
        },
    )
}

proptest! {
    /// Whatever is refused from memory would have been refused by the bucket.
    #[test]
    fn nothing_is_refused_from_memory_that_the_bucket_would_admit(
        quota in quotas(),
        steps in prop::collection::vec((0_u64..800, 1_u64..4, 0_u64..30), 1..60),
    ) {
        let denials = Denials::new(1, 8);
        let (mut now, mut bucket) = (0, Bucket::fresh(&quota, log_at(0)));
        for (index, (pause, hits, delay)) in (1..).zip(steps) {
            now += pause;
            let asked = Charging { quota, ..charging(1, hits) };
            let charge = asked.charge;
            if let Some((told, _)) = denials.meets(&asked, at(now)) {
                let real = bucket.clone().charge(&quota, charge, log_at(now));
                prop_assert!(told.over && real.over, "{told:?} {real:?}");
                prop_assert!(told.retry_after >= real.retry_after || hits > 1);
                continue;
            }
            let sent = now;
            let outcome = bucket.charge(&quota, charge, log_at(now + delay / 2));
            now += delay;
            denials.remember(&asked, &outcome, &made(index, sent, now));
        }
    }
}
