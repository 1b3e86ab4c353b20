//! Replicas that applied the same batches are equal, whatever was done to one of them in between.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::rig::*;
use super::*;
use crate::command::{Answer, Command};

/// What is done to a replica that must change nothing.
#[derive(Clone, Copy, Debug)]
enum Touch {
    Nothing,
    /// A view of it is held from now on.
    View,
    /// It goes on from a view, while the first one is held.
    FromView,
    /// It goes on from its pieces.
    Rebuild,
}

fn touch() -> impl Strategy<Value = Touch> {
    prop_oneof![
        4 => Just(Touch::Nothing),
        1 => Just(Touch::View),
        1 => Just(Touch::FromView),
        1 => Just(Touch::Rebuild),
    ]
}

proptest! {
    /// The same calls at the same times, each alone or as many together as came at one time.
    #[test]
    fn any_split_into_batches_answers_the_same(
        moments in vec((pause(), vec(any_call(), 1..6)), 1..30),
    ) {
        let (mut together, mut alone) = (bounded(), bounded());
        let mut now = 0;
        for (pause, calls) in moments {
            now += pause;
            let answers = together.apply(&batch(now, calls.clone()));
            for (call, answer) in calls.into_iter().zip(answers.iter()) {
                let one = alone.apply(&batch(now, vec![call]));
                prop_assert_eq!(&one[..], std::slice::from_ref(answer));
            }
        }
        prop_assert_eq!(picture(&together), picture(&alone));
    }

    /// A view does not change, and taking it, going on from it or from its pieces changes nothing.
    #[test]
    fn views_and_pieces_change_nothing(
        steps in vec((pause(), touch(), vec(any_call(), 1..4)), 1..40),
        keys_max in prop_oneof![Just(BOUNDS.keys_max), 64..200_usize],
    ) {
        let (mut plain, mut touched) = (Replica::new(), Replica::new());
        let first = batch(0, vec![call(Command::Bound(Bounds { keys_max, ..BOUNDS }))]);
        plain.apply(&first);
        touched.apply(&first);
        let (mut now, mut views) = (0, Vec::new());
        for (seq, (pause, touch, calls)) in steps.into_iter().enumerate() {
            match touch {
                Touch::Nothing => {}
                Touch::View => views.push((touched.view(), picture(&touched))),
                Touch::FromView => {
                    views.push((touched.view(), picture(&touched)));
                    touched = Replica::from_view(touched.view());
                }
                Touch::Rebuild => touched = rebuilt(&touched),
            }
            now += pause;
            let batch = sent(seq as u64 % 3, seq as u64, now, calls);
            prop_assert_eq!(plain.apply(&batch), touched.apply(&batch));
            prop_assert_eq!(picture(&plain), picture(&touched));
        }
        for (view, before) in views {
            prop_assert_eq!(picture(&view), before);
        }
    }

    /// What a preview tells is what the charge is told, and a preview changes nothing but time.
    #[test]
    fn a_preview_tells_what_a_charge_would_be_told(
        steps in vec((pause(), any_call()), 1..30),
        question in with_rule(),
    ) {
        let mut replica = bounded();
        let mut now = 0;
        for (pause, call) in steps {
            now += pause;
            replica.apply(&batch(now, vec![call]));
        }
        let (charges, rule) = question;
        // Only a full store answers differently.
        replica.apply(&batch(now, vec![call(Command::Bound(BOUNDS))]));
        let before = picture(&replica).without_calls();
        let preview = Command::Preview { charges: charges.clone(), rule: rule.clone() };
        let previewed = replica.apply(&batch(now, vec![call(preview)]));
        prop_assert_eq!(picture(&replica).without_calls(), before);
        let charged = replica.apply(&batch(now, vec![call(Command::Charge { charges, rule })]));
        match (&previewed[0].answer, &charged[0].answer) {
            (Answer::Previewed { outcomes, .. }, Answer::Outcomes(told)) => {
                prop_assert_eq!(outcomes, told);
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }

    /// Time comes from a leader's clock, and the next leader's may be behind it.
    #[test]
    fn time_never_goes_back(steps in vec((0..5_000_000_000_u64, any_call()), 1..40)) {
        let mut replica = bounded();
        let mut latest = replica.latest();
        for (stamp, call) in steps {
            replica.apply(&batch(stamp, vec![call, hit(0, 0)]));
            let now = replica.latest();
            prop_assert!(now.log >= latest.log && now.epoch >= latest.epoch);
            prop_assert!(now.log >= at(stamp).log);
            latest = now;
        }
    }
}

#[test]
fn a_stamp_before_the_latest_one_opens_no_window() {
    let mut replica = bounded();
    let full = replica.apply(&batch(LENGTH, vec![hit(1, 3)]));
    assert!(passed(&full[0]));
    let late = replica.apply(&batch(0, vec![hit(1, 1)]));
    assert!(!passed(&late[0]));
    assert_eq!(late[0].at, at(LENGTH));
}

#[test]
fn nothing_is_done_before_the_bounds_are_known() {
    let mut replica = Replica::new();
    let answers = replica.apply(&batch(5, vec![hit(0, 1), call(Command::Tick)]));
    let unbounded = Answer::NotDone(NotDone::Unbounded);
    assert!(answers.iter().all(|answered| answered.answer == unbounded));
    assert_eq!((replica.totals().keys, replica.latest()), (0, at(5)));
}

#[test]
fn later_bounds_keep_what_is_there() {
    let mut replica = bounded();
    replica.apply(&batch(0, vec![hit(3, 7)]));
    let shards = replica.view().head().shards;
    let fewer = Bounds { keys_max: 64, bytes_max: 1, reservations_max: 0 };
    replica.apply(&batch(0, vec![call(Command::Bound(fewer))]));
    assert_eq!((replica.bounds(), replica.view().head().shards), (Some(fewer), shards));
    assert_eq!(replica.totals().keys, 1);
    // No room for another, and none for a reservation.
    let answers = replica.apply(&batch(0, vec![hit(1, 1), hold(1, 3, 1, Duration::ZERO)]));
    assert_eq!(answers[0].answer, Answer::NotDone(NotDone::Full));
    assert_eq!(answers[1].answer, Answer::NotDone(NotDone::ReservationsFull));
}

#[test]
fn ended_buckets_and_reservations_go_with_the_ticks() {
    let mut replica = bounded();
    let calls = (0..LIMITS).map(|limit| hit(limit, 1));
    replica.apply(&batch(0, calls.chain([hold(1, 3, 5, Duration::ZERO)]).collect()));
    assert_eq!((replica.totals().keys, replica.totals().reservations), (7, 1));
    assert_eq!(replica.held(key(3)).total(), 5);
    let hour = 3_600_000_000_000;
    for tick in 0..30 {
        replica.apply(&batch(hour + tick, vec![call(Command::Tick)]));
    }
    let totals = replica.totals();
    assert_eq!((totals.keys, totals.stats.expired, totals.calls), (0, 7, 39));
    assert_eq!((totals.reservations, totals.reservations_ended), (0, 1));
    assert_eq!(replica.held(key(3)).total(), 0);
}

#[test]
fn a_batch_of_small_questions_has_no_endless_answer() {
    let mut replica = bounded();
    let long = "x".repeat(1_000);
    let mut first = hit(3, 1);
    if let Command::Charge { charges, .. } = &mut first.command {
        charges[0].text = long.into();
    }
    let peeks = |count| {
        let charges = vec![charging(3, crate::descriptor::Charge::Hits(0)); 1_000];
        let rule = crate::command::Rule::Each;
        vec![call(Command::Charge { charges, rule }); count]
    };
    replica.apply(&batch(0, vec![first]));
    let answers = replica.apply(&batch(0, peeks(100)));
    let is_full = |answered: &&Answered| answered.answer == Answer::NotDone(NotDone::AnswersFull);
    let done = answers.iter().filter(|answered| !is_full(answered)).count();
    assert!((5..20).contains(&done), "{done}");
    assert!(answers.iter().map(weight).sum::<usize>() < 2 * ANSWERS_BYTES_MAX);
    // Asked again, it is answered.
    assert!(replica.apply(&batch(0, peeks(1))).iter().all(|one| !is_full(&one)));
}
