//! What comes again counts once.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::rig::*;
use super::*;
use crate::command::{Answer, Command};

const SECOND: u64 = 1_000_000_000;

fn not_done(answers: &[Answered]) -> Option<NotDone> {
    match answers[0].answer {
        Answer::NotDone(why) => Some(why),
        _ => None,
    }
}

proptest! {
    /// Batches of three nodes, some of them sent again at any later time and in any order: against a
    /// replica that was given each of them once.
    #[test]
    fn a_batch_that_comes_again_counts_once_and_is_answered_the_same(
        steps in vec((pause(), 0..3_u64, vec(any_call(), 1..4), vec(any::<prop::sample::Index>(), 0..3)), 1..40),
        rebuilds in any::<bool>(),
    ) {
        let (mut plain, mut asked) = (bounded(), bounded());
        let (mut now, mut all) = (0, Vec::new());
        for (seq, (pause, node, calls, again)) in steps.into_iter().enumerate() {
            now += pause;
            let batch = sent(node, seq as u64, now, calls);
            let answers = plain.apply(&batch);
            prop_assert_eq!(&asked.apply(&batch), &answers);
            all.push((batch, answers));
            if rebuilds {
                asked = rebuilt(&asked);
            }
            for index in again {
                let (batch, answers) = index.get(&all);
                let late = Batch { at: at(now), ..batch.clone() };
                prop_assert_eq!(&asked.apply(&late), answers);
            }
            prop_assert_eq!(picture(&plain), picture(&asked));
        }
    }
}

#[test]
fn batches_of_a_node_may_overtake_each_other() {
    let mut replica = bounded();
    for seq in [2, 1, 4, 3] {
        assert!(passed(&replica.apply(&sent(7, seq, 0, vec![hit(3, 10)]))[0]));
    }
    assert_eq!(replica.slot(key(3)).unwrap().bucket.clone(), {
        let mut other = bounded();
        other.apply(&batch(0, vec![hit(3, 40)]));
        other.bucket(key(3)).unwrap()
    });
}

#[test]
fn a_batch_whose_answer_was_dropped_is_not_executed_again() {
    let mut replica = bounded();
    let last = ANSWERS_MAX as u64 + 10;
    for seq in 0..=last {
        replica.apply(&sent(7, seq, 0, vec![hit(3, 1)]));
    }
    let before = replica.totals().calls;
    let oldest = last - ANSWERS_MAX as u64 + 1;
    for seq in 0..oldest {
        let answers = replica.apply(&sent(7, seq, 0, vec![hit(3, 1), hit(3, 1)]));
        assert_eq!((not_done(&answers), answers.len()), (Some(NotDone::AnswerForgotten), 2));
    }
    assert_eq!(not_done(&replica.apply(&sent(7, oldest, 0, vec![hit(3, 1)]))), None);
    assert_eq!(replica.totals().calls, before);
    // The next one is new.
    assert!(passed(&replica.apply(&sent(7, last + 1, 0, vec![hit(3, 1)]))[0]));
    assert_eq!(replica.totals().calls, before + 1);
}

#[test]
fn the_node_that_is_silent_for_longest_is_forgotten() {
    let mut replica = bounded();
    let nodes = SESSIONS_MAX as u64;
    (0..nodes).for_each(|node| drop(replica.apply(&sent(node, 1, 0, vec![hit(3, 1)]))));
    // Node 0 speaks again, so that node 1 is the one.
    replica.apply(&sent(0, 2, 0, vec![hit(3, 1)]));
    replica.apply(&sent(nodes, 1, 0, vec![hit(3, 1)]));
    let known: Vec<_> = replica.view().sessions().map(|session| session.node).collect();
    assert_eq!(known.len(), SESSIONS_MAX);
    assert!(known.contains(&0) && !known.contains(&1) && known.contains(&nodes));
}

#[test]
fn large_answers_are_dropped_early_and_never_executed_again() {
    let mut replica = bounded();
    let peek = |seq| {
        let charges = vec![charging(3, crate::descriptor::Charge::Hits(0)); 1_000];
        let rule = crate::command::Rule::Each;
        sent(7, seq, 0, vec![call(Command::Charge { charges, rule }); 10])
    };
    (0..40).for_each(|seq| drop(replica.apply(&peek(seq))));
    let kept = replica.view().sessions().next().unwrap().answers;
    assert!((4..10).contains(&kept.len()), "{}", kept.len());
    let first = kept[0].0;
    let forgotten = Some(NotDone::AnswerForgotten);
    assert_eq!(not_done(&replica.apply(&peek(first - 1))), forgotten);
    assert_eq!(not_done(&replica.apply(&peek(first))), None);
}

#[test]
fn a_call_with_a_key_counts_once_whichever_node_sends_it() {
    let mut replica = bounded();
    let call = once("word", 1, hit(1, 3));
    let first = replica.apply(&sent(1, 1, 5, vec![call.clone()]));
    assert!(passed(&first[0]));
    let second = replica.apply(&sent(2, 1, 9 * SECOND, vec![call.clone()]));
    assert_eq!(first, second);
    assert_eq!(second[0].at, at(5));
    let other = replica.apply(&sent(2, 2, 9 * SECOND, vec![once("word", 2, hit(1, 3))]));
    assert_eq!(not_done(&other), Some(NotDone::Conflict));
    // Ten seconds later it is another request.
    let third = replica.apply(&sent(2, 3, 11 * SECOND, vec![call]));
    assert_eq!(third[0].at, at(11 * SECOND));
}

#[test]
fn what_failed_is_not_remembered() {
    let mut replica = bounded();
    let release = once("word", 1, call(Command::Release { id: id(1) }));
    let unknown = replica.apply(&batch(0, vec![release.clone()]));
    assert_eq!(not_done(&unknown), Some(NotDone::UnknownReservation));
    replica.apply(&batch(0, vec![hold(1, 3, 1, Duration::from_secs(60))]));
    assert_eq!(not_done(&replica.apply(&batch(0, vec![release]))), None);
    let bad = once("\n", 1, hit(0, 1));
    assert_eq!(not_done(&replica.apply(&batch(0, vec![bad]))), Some(NotDone::Malformed));
}

#[test]
fn keys_beyond_the_bound_are_refused_before_they_are_executed() {
    let mut replica = bounded();
    let mut last = 0;
    let peek = |number: usize| once(&format!("word {number}"), 1, hit(3, 1));
    for from in (0..ONCE_KEYS_MAX).step_by(1_024) {
        last = from + 1_024;
        let answers = replica.apply(&batch(0, (from..last).map(peek).collect()));
        assert!(answers.iter().all(|answered| matches!(answered.answer, Answer::Outcomes(_))));
    }
    let calls = replica.totals().calls;
    assert_eq!(not_done(&replica.apply(&batch(0, vec![peek(last)]))), Some(NotDone::OnceFull));
    // Those that are known are answered still.
    assert_eq!(not_done(&replica.apply(&batch(0, vec![peek(1)]))), None);
    assert_eq!((replica.totals().calls, replica.totals().once_keys), (calls, ONCE_KEYS_MAX));
    // All have ended: there is room.
    let later = replica.apply(&batch(11 * SECOND, vec![peek(last)]));
    assert_eq!((not_done(&later), replica.totals().once_keys), (None, 1));
}

#[test]
fn ticks_forget_ended_keys() {
    let mut replica = bounded();
    let calls = (0..500).map(|number| once(&format!("word {number}"), 1, hit(3, 1)));
    replica.apply(&batch(0, calls.collect()));
    let ticks = ONCE_PARTS as u64 / 8;
    for tick in 0..ticks {
        replica.apply(&batch(11 * SECOND + tick, vec![call(Command::Tick)]));
    }
    assert_eq!(replica.totals().once_keys, 0);
}
