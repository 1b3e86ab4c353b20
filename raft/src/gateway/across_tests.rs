//! Requests over several groups: all or none, reservations, and what is told when a part fails.

use std::time::Duration;

use tokio::task::JoinSet;
use tollgate_core::bucket::Outcome;
use tollgate_core::command::{Answer, Call, Charging, Command, Holding, NotDone, Once, Rule};
use tollgate_core::descriptor::Charge;
use tollgate_core::key::{Fingerprint, ReservationId};
use tollgate_core::limit::{Algorithm, Unit};

use super::Unavailable;
use super::rig::{MS, Rig, atomic, bucket, combining, each, hits, outcomes, per_hour, settle};
use crate::testing::Fault;

/// One charge in each group, so that the second is full after two hits.
fn three() -> Vec<Charging> {
    vec![hits(0, per_hour(100), 1), hits(1, per_hour(2), 1), hits(2, bucket(9, 9, Unit::Day), 1)]
}

fn once(call: Call, key: &str) -> Call {
    let fingerprint = Fingerprint::from_halves(1, 2);
    Call { once: Some(Once { key: key.into(), fingerprint }), ..call }
}

fn counted(rig: &Rig) -> [u64; 3] {
    let charges = three();
    [0, 1, 2].map(|place| rig.counted(&charges[place]))
}

#[tokio::test(start_paused = true)]
async fn charges_of_several_groups_are_told_in_the_requests_order() {
    let rig = Rig::start(3, 3);
    let order = [4, 0, 5, 1, 3].map(|slot| hits(slot, per_hour(100), u64::from(slot) + 1));
    let told = outcomes(rig.node(2).ask(each(order.to_vec()), None).await);
    let afters: Vec<_> = told.iter().map(|outcome| outcome.after).collect();
    assert_eq!(afters, [5, 1, 6, 2, 4]);
}

#[tokio::test(start_paused = true)]
async fn an_atomic_request_is_charged_in_all_groups_or_given_back() {
    let rig = Rig::start(3, 3);
    for _ in 0..2 {
        let told = outcomes(rig.node(1).ask(atomic(three()), None).await);
        assert!(told.iter().all(|outcome| !outcome.over), "{told:?}");
    }
    let told = outcomes(rig.node(1).ask(atomic(three()), None).await);
    let over: Vec<_> = told.iter().map(|outcome| outcome.over).collect();
    assert_eq!(over, [false, true, false]);
    // What was taken back is told as it is without it.
    assert_eq!((told[0].before, told[0].after, told[0].remaining), (2, 2, 98));
    assert_eq!(told[2].remaining, 7);
    settle().await;
    assert_eq!(counted(&rig), [2, 2, 2]);
    assert_eq!(rig.node(1).figures().taken_back.total(), 2);
    // The third time nobody is asked.
    let before = [1, 2, 3].map(|group| rig.entries(group));
    let told = outcomes(rig.node(1).ask(atomic(three()), None).await);
    assert!(told[1].over && !told[0].over && told[0].remaining == 98, "{told:?}");
    assert_eq!(before, [1, 2, 3].map(|group| rig.entries(group)));
}

#[tokio::test(start_paused = true)]
async fn atomic_requests_of_all_nodes_are_never_over_a_limit() {
    let rig = Rig::start(3, 3);
    for group in 1..=3 {
        rig.cluster.group(group).delay(MS * group);
    }
    let scarce = [hits(0, per_hour(20), 1), hits(1, per_hour(30), 1), hits(2, per_hour(25), 1)];
    let mut asked = JoinSet::new();
    for number in 0..200_usize {
        let node = std::sync::Arc::clone(rig.node(1 + number % 3));
        let mut charges = scarce.to_vec();
        charges.remove(number % 4 % 3);
        asked.spawn(async move {
            let told = outcomes(node.ask(atomic(charges.clone()), None).await);
            let passed = told.iter().all(|outcome| !outcome.over);
            charges.into_iter().map(|charging| charging.slot.0).filter(|_| passed).collect()
        });
        tokio::time::sleep(MS / 2).await; // tidy: virtual time
    }
    let passed: Vec<Vec<u16>> = asked.join_all().await;
    settle().await;
    for charging in &scarce {
        let used = passed.iter().flatten().filter(|slot| **slot == charging.slot.0).count() as u64;
        assert_eq!(used, rig.counted(charging), "all else was given back");
        assert!(used <= u64::from(charging.quota.limit));
    }
    assert!(passed.iter().flatten().count() >= 20);
}

#[tokio::test(start_paused = true)]
async fn a_part_that_fails_gives_the_others_back_unless_the_call_may_come_again() {
    for key in [None, Some("k")] {
        let rig = Rig::start(1, 3);
        let call = || match key {
            None => atomic(three()),
            Some(key) => once(atomic(three()), key),
        };
        rig.cluster.group(3).lead(None);
        let deadline = rig.clock.monotonic().plus(MS * 20);
        let told = rig.node(1).ask(call(), Some(deadline)).await;
        assert_eq!(told, Err(Unavailable::TimedOut), "some was executed");
        settle().await;
        let after = if key.is_some() { [1, 1, 0] } else { [0, 0, 0] };
        assert_eq!(counted(&rig), after);
        rig.cluster.group(3).lead(Some(1));
        assert!(outcomes(rig.node(1).ask(call(), None).await).iter().all(|told| !told.over));
        settle().await;
        assert_eq!(counted(&rig), [1, 1, 1]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_denied_request_that_comes_again_is_denied_again_and_given_back_once() {
    let rig = Rig::start(1, 3);
    let full = outcomes(rig.node(1).ask(each(vec![hits(1, per_hour(2), 2)]), None).await);
    assert!(!full[0].over);
    let other = outcomes(rig.node(1).ask(each(vec![hits(0, per_hour(100), 5)]), None).await);
    assert!(!other[0].over);
    for _ in 0..3 {
        let told = outcomes(rig.node(1).ask(once(atomic(three()), "k"), None).await);
        assert!(told[1].over);
        settle().await;
        assert_eq!(counted(&rig), [5, 2, 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_preview_over_several_groups_tells_what_a_charge_would_be_told() {
    let rig = Rig::start(3, 3);
    for _ in 0..3 {
        let rule = Rule::AllOrNone(combining(3));
        let command = Command::Preview { charges: three(), rule };
        let answered = rig.node(3).ask(Call { once: None, command }, None).await.unwrap();
        let Answer::Previewed { outcomes: previewed, .. } = answered.answer else { panic!() };
        let told = outcomes(rig.node(3).ask(atomic(three()), None).await);
        let what = |all: &[Outcome]| -> Vec<_> {
            all.iter().map(|told| (told.over, told.before, told.after, told.remaining)).collect()
        };
        assert_eq!(what(&previewed), what(&told));
        settle().await;
        rig.node(3).denials().clear();
    }
}

#[tokio::test(start_paused = true)]
async fn keys_are_forgotten_in_whatever_group_they_are() {
    let rig = Rig::start(2, 3);
    rig.node(1).ask(atomic(three()), None).await.unwrap();
    let mut keys: Vec<_> = three().iter().map(|charging| charging.key).collect();
    keys.push(hits(77, per_hour(1), 1).key);
    let command = Command::Forget { keys };
    let answered = rig.node(2).ask(Call { once: None, command }, None).await.unwrap();
    let Answer::Forgotten(found) = answered.answer else { panic!() };
    let found: Vec<_> = found.iter().map(Option::is_some).collect();
    assert_eq!(found, [true, true, true, false]);
    assert_eq!(counted(&rig), [0, 0, 0]);
}

fn hold(id: ReservationId, charges: Vec<Charging>) -> Call {
    let combining = combining(charges.len());
    let holding = |charging| Holding { charging, is_fixed: false, name: None };
    let holdings = charges.into_iter().map(holding).collect();
    let hold_for = Duration::from_secs(60);
    Call { once: None, command: Command::Hold { id, hold_for, holdings, combining } }
}

async fn held(rig: &Rig, node: usize, call: Call) -> (ReservationId, Vec<Outcome>, bool) {
    match rig.node(node).ask(call, None).await.unwrap().answer {
        Answer::Held { id, outcomes, is_held } => (id, outcomes, is_held),
        other => panic!("{other:?}"),
    }
}

fn named(rig: &Rig, charges: &[Charging]) -> ReservationId {
    let slots: Vec<_> = charges.iter().map(|charging| charging.slot).collect();
    rig.node(1).reservation_id(&slots)
}

#[tokio::test(start_paused = true)]
async fn a_reservation_over_several_groups_is_held_described_and_settled_by_any_node() {
    let rig = Rig::start(3, 3);
    let charges: Vec<_> = [4, 0, 2].map(|slot| hits(slot, per_hour(100), 10)).to_vec();
    let (id, told, is_held) = held(&rig, 1, hold(named(&rig, &charges), charges.clone())).await;
    assert!(is_held && told.iter().all(|told| told.remaining == 90), "{told:?}");
    assert_eq!(id.groups(), 0b111);
    let ask =
        async |node: usize, command| rig.node(node).ask(Call { once: None, command }, None).await;
    let Answer::Described(parts) = ask(2, Command::Describe { id }).await.unwrap().answer else {
        panic!()
    };
    assert_eq!(parts.len(), 3);
    let settle = || Command::Settle { id, hits: 4, quotas: Vec::new() };
    let Answer::Settled { settled, reservation } = ask(3, settle()).await.unwrap().answer else {
        panic!()
    };
    assert_eq!((settled.charged, settled.uncharged), (4, 0));
    let statuses = reservation.statuses(&settled.outcomes);
    assert_eq!(statuses.iter().map(|status| status.remaining).collect::<Vec<_>>(), [96; 3]);
    let slots: Vec<_> = reservation.parts.iter().map(|part| part.key).collect();
    assert_eq!(slots, charges.iter().map(|charging| charging.key).collect::<Vec<_>>());
    let again = ask(1, settle()).await;
    assert_eq!(again, Err(Unavailable::NotDone(NotDone::UnknownReservation)));
    assert!(charges.iter().all(|charging| rig.counted(charging) == 4));
}

#[tokio::test(start_paused = true)]
async fn a_reservation_that_one_group_refuses_holds_nothing_anywhere() {
    let rig = Rig::start(3, 3);
    let full = hits(1, per_hour(2), 2);
    rig.node(1).ask(each(vec![full]), None).await.unwrap();
    let (id, told, is_held) = held(&rig, 2, hold(named(&rig, &three()), three())).await;
    assert!(!is_held && told[1].over && !told[0].over && told[0].remaining == 100, "{told:?}");
    settle().await;
    for group in 1..=3 {
        rig.cluster.group(group).read(|replica| {
            assert_eq!(replica.reservations().count(), 0, "group {group}");
            assert!(three().iter().all(|charging| replica.held(charging.key).total() == 0));
        });
    }
    let command = Command::Release { id };
    let released = rig.node(1).ask(Call { once: None, command }, None).await;
    assert_eq!(released, Err(Unavailable::NotDone(NotDone::UnknownReservation)));
}

#[tokio::test(start_paused = true)]
async fn a_reservation_that_comes_again_has_the_name_of_the_first_time_in_all_groups() {
    let rig = Rig::start(1, 3);
    // Of the first time only two groups know.
    rig.cluster.group(3).lead(None);
    let first = once(hold(named(&rig, &three()), three()), "k");
    let deadline = rig.clock.monotonic().plus(MS * 20);
    assert_eq!(rig.node(1).ask(first, Some(deadline)).await, Err(Unavailable::TimedOut));
    rig.cluster.group(3).lead(Some(1));
    let (id, _, is_held) = held(&rig, 1, once(hold(named(&rig, &three()), three()), "k")).await;
    assert!(is_held);
    let command = Command::Settle { id, hits: 1, quotas: Vec::new() };
    let settled = rig.node(1).ask(Call { once: None, command }, None).await.unwrap().answer;
    let Answer::Settled { reservation, .. } = settled else { panic!("{settled:?}") };
    assert_eq!(reservation.parts.len(), 3);
    assert_eq!(counted(&rig), [1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn what_one_group_has_no_room_for_is_given_back_in_the_others() {
    let rig = Rig::start(3, 3);
    let (id, ..) = held(&rig, 1, hold(named(&rig, &three()), three())).await;
    let command = Command::Settle { id, hits: 5, quotas: Vec::new() };
    let settled = rig.node(2).ask(Call { once: None, command }, None).await.unwrap().answer;
    let Answer::Settled { settled, .. } = settled else { panic!("{settled:?}") };
    assert_eq!((settled.charged, settled.uncharged), (2, 3));
    assert_eq!(settled.outcomes.iter().map(|told| told.remaining).collect::<Vec<_>>(), [98, 0, 7]);
    settle().await;
    assert_eq!(counted(&rig), [2, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_reservations_name_is_known_by_nobody() {
    let rig = Rig::start(1, 3);
    for groups in [0, 0b1000, 0b1001] {
        let command = Command::Describe { id: ReservationId::from_halves(1, groups) };
        let told = rig.node(1).ask(Call { once: None, command }, None).await;
        assert_eq!(told, Err(Unavailable::NotDone(NotDone::UnknownReservation)));
    }
    let bound = Call { once: None, command: Command::Tick };
    assert_eq!(rig.node(1).ask(bound, None).await, Err(NotDone::Malformed.into()));
}

/// Over all that can go wrong, no limit is ever exceeded by what passed.
#[tokio::test(start_paused = true)]
async fn atomic_requests_under_faults_are_never_over_a_limit() {
    for seed in 0..40_usize {
        let rig = Rig::start(3, 3);
        let sliding =
            tollgate_core::limit::Quota { algorithm: Algorithm::SlidingWindow, ..per_hour(12) };
        let scarce = [hits(0, per_hour(10), 1), hits(1, sliding, 1), hits(2, per_hour(14), 1)];
        let faults = [Fault::LoseAnswer, Fault::LoseEntry, Fault::Late, Fault::Stall];
        let mut asked = JoinSet::new();
        for number in 0..60_usize {
            let group = 1 + u32::try_from((number * 7 + seed) % 3).unwrap();
            if (number + seed) % 5 == 0 {
                rig.cluster.group(group).inject([faults[(number / 5 + seed) % 4]]);
            }
            if (number + seed) % 11 == 0 {
                let leader = u64::try_from(number % 3).unwrap() + 1;
                rig.cluster.group(group).lead(Some(leader));
            }
            let node = std::sync::Arc::clone(rig.node(1 + number % 3));
            let charges = scarce.to_vec();
            let deadline = rig.clock.monotonic().plus(MS * 60);
            asked.spawn(async move {
                let told = node.ask(atomic(charges), Some(deadline)).await;
                told.is_ok_and(|told| outcomes(Ok(told)).iter().all(|told| !told.over))
            });
            tokio::time::sleep(MS * 2).await; // tidy: virtual time
        }
        let passed = asked.join_all().await.into_iter().filter(|passed| *passed).count() as u64;
        settle().await;
        for charging in &scarce {
            let counted = rig.counted(charging);
            let peek = Charging { charge: Charge::Hits(0), ..charging.clone() };
            assert!(passed <= counted, "seed {seed}: {passed} {counted} {peek:?}");
            assert!(counted <= u64::from(charging.quota.limit), "seed {seed}: {counted} {peek:?}");
        }
        assert!(passed > 0, "seed {seed}");
    }
}
