//! One group asked: batches, order, bounds, deadlines, faults of the log, and denials.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;
use tollgate_core::bucket::Bucket;
use tollgate_core::command::{Answer, Call, Command};
use tollgate_core::limit::{Quota, Unit};
use tollgate_core::time::Now;

use super::rig::{MS, Rig, bucket, each, hits, outcomes, per_hour, refund, settle};
use super::{Options, QueueBounds, Unavailable};
use crate::testing::Fault;

#[tokio::test(start_paused = true)]
async fn a_lone_call_is_one_entry_behind_the_bounds_of_its_group() {
    let rig = Rig::start(1, 3);
    let answered = rig.node(1).ask(each(vec![hits(0, per_hour(5), 2)]), None).await;
    let told = outcomes(answered);
    assert_eq!((told[0].over, told[0].after, told[0].remaining), (false, 2, 3));
    let log = rig.cluster.group(1).log();
    assert!(matches!(log[0].calls[0].command, Command::Bound(_)), "{log:?}");
    assert_eq!((log.len(), log[1].calls.len()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn calls_that_come_while_all_flights_are_under_way_share_the_next_batch() {
    let rig = Rig::start(1, 1);
    rig.cluster.group(1).delay(MS * 10);
    let mut asked = JoinSet::new();
    let ask = |asked: &mut JoinSet<_>, count: usize| {
        for _ in 0..count {
            let node = Arc::clone(rig.node(1));
            asked.spawn(
                async move { node.ask(each(vec![hits(0, per_hour(9_999), 1)]), None).await },
            );
        }
    };
    for _ in 0..4 {
        ask(&mut asked, 1);
        tokio::time::sleep(MS).await; // tidy: virtual time
    }
    ask(&mut asked, 1_500);
    let answers = asked.join_all().await;
    let mut afters: Vec<_> = answers.into_iter().map(|told| outcomes(told)[0].after).collect();
    afters.sort_unstable();
    assert_eq!(afters, (1..=1_504).collect::<Vec<_>>());
    let log = rig.cluster.group(1).log();
    let sizes: Vec<_> = log.iter().skip(1).map(|batch| batch.calls.len()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 1_504);
    assert!(sizes[..4] == [1; 4] && sizes.len() < 10, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size <= 1_000), "{sizes:?}");
}

#[tokio::test(start_paused = true)]
async fn calls_of_one_caller_are_executed_in_their_order() {
    let rig = Rig::start(2, 1);
    for number in 1..=100 {
        let told = outcomes(rig.node(2).ask(each(vec![hits(0, per_hour(999), 1)]), None).await);
        assert_eq!(told[0].after, number);
    }
    assert_eq!(rig.node(2).figures().forwarded.total(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_is_told_at_once_in_calls_and_in_bytes() {
    for bounds in [(3, 1 << 20), (1_000, 300)] {
        let queue = QueueBounds { calls_max: bounds.0, bytes_max: bounds.1 };
        let rig = Rig::start_with(1, 1, Options { queue, ..Options::default() });
        rig.cluster.group(1).lead(None);
        let mut asked = JoinSet::new();
        for _ in 0..50 {
            let node = Arc::clone(rig.node(1));
            asked.spawn(async move { node.ask(each(vec![hits(0, per_hour(9), 1)]), None).await });
        }
        let told = asked.join_all().await;
        let full = told.iter().filter(|told| **told == Err(Unavailable::Overloaded)).count();
        assert!((1..50).contains(&full), "{full}");
        assert_eq!(rig.node(1).figures().overloaded.total(), full as u64);
        assert_eq!(rig.node(1).waiting().sum::<usize>(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_leader_a_call_ends_at_its_deadline_and_is_never_executed() {
    let rig = Rig::start(1, 1);
    rig.cluster.group(1).lead(None);
    let start = rig.clock.monotonic();
    let charge = hits(0, per_hour(9), 1);
    // More than may fly, so that some wait in the queue.
    let mut asked = JoinSet::new();
    for number in 0..8_u32 {
        let (node, charge) = (Arc::clone(rig.node(1)), charge.clone());
        let clock = Arc::clone(&rig.clock);
        let deadline = start.plus(MS * (20 + number));
        asked.spawn(async move {
            let told = node.ask(each(vec![charge]), Some(deadline)).await;
            (told, clock.monotonic().since(deadline))
        });
        tokio::time::sleep(MS).await; // tidy: virtual time
    }
    for (told, late) in asked.join_all().await {
        assert_eq!(told, Err(Unavailable::NoLeader));
        assert!(late <= MS * 2, "{late:?}");
    }
    rig.cluster.group(1).lead(Some(1));
    settle().await;
    assert_eq!((rig.entries(1), rig.counted(&charge)), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_sent_and_not_answered_may_have_been_executed() {
    let rig = Rig::start(1, 1);
    let charge = hits(0, per_hour(9), 1);
    rig.cluster.group(1).inject([Fault::Stall; 2]);
    // The first stall is the group's bounds.
    let deadline = rig.clock.monotonic().plus(MS * 30);
    let told = rig.node(1).ask(each(vec![charge.clone()]), Some(deadline)).await;
    assert_eq!(told, Err(Unavailable::TimedOut));
    let past = rig.node(1).ask(each(vec![charge.clone()]), Some(deadline)).await;
    assert_eq!(past, Err(Unavailable::NotExecuted));
    let told = outcomes(rig.node(1).ask(each(vec![charge]), None).await);
    assert_eq!(told[0].after, 2, "it was executed later");
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_caller_went_away_is_executed() {
    let rig = Rig::start(1, 1);
    let charge = hits(0, per_hour(9), 1);
    rig.cluster.group(1).delay(MS * 10);
    let asked = rig.node(1).ask(each(vec![charge.clone()]), None);
    assert!(tokio::time::timeout(MS, asked).await.is_err());
    settle().await;
    assert_eq!(rig.counted(&charge), 1);
}

/// Faults and changes of leader at random: what was answered counted once, what was told not to be
/// executed never did, and what nobody knows counted once at most.
async fn counts_once(seed: u64) {
    let mut random = SmallRng::seed_from_u64(seed);
    let rig = Rig::start(3, 1);
    let group = Arc::clone(rig.cluster.group(1));
    let mut asked = JoinSet::new();
    for number in 0..300_u16 {
        let fault = match random.random_range(0..12) {
            0 => Some(Fault::LoseEntry),
            1 => Some(Fault::LoseAnswer),
            2 => Some(Fault::Late),
            3 => Some(Fault::Stall),
            4 => Some(Fault::Refuse),
            _ => None,
        };
        group.inject(fault);
        if random.random_range(0..10) == 0 {
            let leader = random.random_range(0..4);
            group.lead((leader > 0).then_some(leader));
        }
        rig.cluster.cut_off(random.random_range(1..4), random.random_range(0..4) == 0);
        group.delay(MS * random.random_range(0..4));
        let node = Arc::clone(rig.node(random.random_range(1..4)));
        let deadline = rig.clock.monotonic().plus(MS * random.random_range(5..200));
        let call = each(vec![hits(number, per_hour(99), 1)]);
        asked.spawn(async move { (number, node.ask(call, Some(deadline)).await) });
        tokio::time::sleep(MS * random.random_range(0..5)).await; // tidy: virtual time
    }
    let answers = asked.join_all().await;
    group.lead(Some(1));
    (1..4).for_each(|node| rig.cluster.cut_off(node, false));
    settle().await;
    let mut told_what = [0; 3];
    for (number, told) in answers {
        let counted = group.read(|replica| {
            let bucket = replica.bucket(hits(number, per_hour(99), 1).key);
            let count = |mut bucket: Bucket| {
                let peek = hits(number, per_hour(99), 0);
                bucket.charge(&peek.quota, peek.charge, replica.latest()).before
            };
            bucket.map_or(0, count)
        });
        match told {
            Ok(answered) => {
                assert_eq!(counted, 1, "seed {seed}, call {number}: {answered:?}");
                told_what[0] += 1;
            }
            Err(Unavailable::TimedOut) => {
                assert!(counted <= 1, "seed {seed}, call {number}");
                told_what[1] += 1;
            }
            Err(error) => {
                assert_eq!(counted, 0, "seed {seed}, call {number}: {error}");
                told_what[2] += 1;
            }
        }
    }
    assert!(told_what[0] > 50, "seed {seed}: {told_what:?}");
    let times: Vec<Now> = group.log().iter().map(|batch| batch.at).collect();
    // Late entries stand where an older leader stamped them.
    assert!(times.iter().all(|at| at.log >= times[0].log), "seed {seed}");
}

#[tokio::test(start_paused = true)]
async fn every_call_counts_once_over_lost_answers_and_changes_of_leader() {
    for seed in 0..20 {
        counts_once(seed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_denials_costs_less_than_an_entry_in_a_hundred() {
    let rig = Rig::start(2, 1);
    let charge = hits(0, per_hour(5), 1);
    let mut denied = 0;
    for _ in 0..5_000 {
        let told = outcomes(rig.node(2).ask(each(vec![charge.clone()]), None).await);
        denied += usize::from(told[0].over);
        if denied % 100 == 0 {
            tokio::time::sleep(MS).await; // tidy: virtual time
        }
    }
    assert_eq!((denied, rig.entries(1)), (4_995, 6));
    assert_eq!(rig.node(2).figures().denied_locally.total(), 4_994);
}

#[tokio::test(start_paused = true)]
async fn a_refund_or_a_reset_through_any_node_ends_what_is_remembered() {
    let rig = Rig::start(2, 1);
    let charge = hits(0, per_hour(2), 1);
    let asked = async |node: usize, call: Call| rig.node(node).ask(call, None).await;
    for (node, call) in [
        (1, each(vec![refund(&charge, 1)])),
        (2, each(vec![refund(&charge, 1)])),
        (2, Call { once: None, command: Command::Forget { keys: vec![charge.key] } }),
    ] {
        while !outcomes(asked(1, each(vec![charge.clone()])).await)[0].over {}
        assert!(!rig.node(1).denials().is_empty());
        asked(node, call).await.unwrap();
        let told = outcomes(asked(1, each(vec![charge.clone()])).await);
        assert!(!told[0].over, "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_denial_is_forgotten_no_later_than_the_limit_opens() {
    let rig = Rig::start(1, 1);
    let charge = hits(0, bucket(1, 1, Unit::Second), 1);
    rig.cluster.group(1).delay(MS * 7);
    assert!(!outcomes(rig.node(1).ask(each(vec![charge.clone()]), None).await)[0].over);
    let told = outcomes(rig.node(1).ask(each(vec![charge.clone()]), None).await);
    tokio::time::sleep(told[0].retry_after.unwrap()).await; // tidy: virtual time
    assert!(!outcomes(rig.node(1).ask(each(vec![charge]), None).await)[0].over);
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_back_early_waits_as_long_as_without_a_memory() {
    let rig = Rig::start(2, 1);
    let quota =
        Quota { penalty_max: Some(Duration::from_secs(3_000)), ..bucket(1, 1, Unit::Minute) };
    let charge = hits(0, quota, 1);
    let mut model: Option<Bucket> = None;
    for pause in [0, 101, 150, 5_000, 200, 61_000, 300, 900_000, 101, 2_000] {
        tokio::time::sleep(MS * pause).await; // tidy: virtual time
        let answered = rig.node(2).ask(each(vec![charge.clone()]), None).await.unwrap();
        let Answer::Outcomes(told) = &answered.answer else { panic!("{answered:?}") };
        let model = model.get_or_insert_with(|| Bucket::fresh(&quota, answered.at));
        let expected = model.charge(&quota, charge.charge, answered.at);
        assert_eq!(told[0], expected, "after {pause} ms");
    }
    // A burst counts as one early hit.
    let before = rig.entries(1);
    for _ in 0..1_000 {
        rig.node(2).ask(each(vec![charge.clone()]), None).await.unwrap();
    }
    assert!(rig.entries(1) - before <= 1);
}

#[tokio::test(start_paused = true)]
async fn a_leader_without_calls_ticks_while_it_holds_something() {
    let rig = Rig::start(1, 2);
    let charge = hits(0, Quota::per_unit(5, Unit::Minute), 1);
    rig.node(1).ask(each(vec![charge]), None).await.unwrap();
    tokio::time::sleep(Duration::from_secs(200)).await; // tidy: virtual time
    let ticks = |group: u32| {
        let log = rig.cluster.group(group).log();
        let is_tick = |batch: &&tollgate_core::replica::Batch| {
            matches!(batch.calls[0].command, Command::Tick)
        };
        log.iter().filter(is_tick).count()
    };
    assert!((30..130).contains(&ticks(1)), "{}", ticks(1));
    assert_eq!(ticks(2), 0);
    assert_eq!(rig.cluster.group(1).read(|replica| replica.totals().keys), 0);
}
