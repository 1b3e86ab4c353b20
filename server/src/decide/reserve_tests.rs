//! Reservations as a node keeps them: through reloads, to their end, within their bound.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tollgate_core::descriptor::{Charge, Descriptor, Entry};
use tollgate_core::limit::{Algorithm, Bound, Limit, Node, Options, Quota, Rules, Unit};
use tollgate_core::reservation::{HOLD_MAX, ReservationId};
use tollgate_core::time::{ManualClock, NANOS_PER_SECOND, Wall};

use super::double::{On, on_both, with_reservations_max};
use super::*;
use crate::done::Done as _;

const SECRET: KeySecret = KeySecret::new([3; 16]);
const ROOMY: Bounds = Bounds { keys_max: 1_000_000, bytes_max: 1 << 30 };
const MINUTE: Duration = Duration::from_secs(60);
const ALL: [Algorithm; 3] =
    [Algorithm::FixedWindow, Algorithm::SlidingWindow, Algorithm::TokenBucket { burst: 100 }];

fn quota(limit: u32, algorithm: Algorithm) -> Quota {
    Quota { algorithm, ..Quota::per_unit(limit, Unit::Hour) }
}

fn limit(key: &str, quota: Quota) -> Limit {
    let name = Some(Arc::from(format!("limit of {key}")));
    Limit { name, ..Limit::new(Bound::Limited(quota), Arc::from(key)) }
}

/// A domain in which each limit counts by itself.
fn active(limits: Vec<(&str, Limit)>) -> Active {
    let mut rules = Rules::default();
    for (key, limit) in limits {
        let limits: Box<[Limit]> = Box::new([limit]);
        rules.add(Node { key: key.into(), limits, ..Node::default() }).unwrap();
    }
    Active::new(vec![(Arc::from("d"), rules, Options::default())], Answers::default(), &SECRET)
}

fn decider(on: On, active: Active) -> (Arc<ManualClock>, Decider) {
    let wall = Wall::from_nanos(1_700_000_000 * NANOS_PER_SECOND);
    let clock = Arc::new(ManualClock::starting_at(wall));
    let decider = on.decider(active, SECRET, ROOMY, Arc::clone(&clock) as Arc<dyn Clock>);
    (clock, decider)
}

fn one(on: On, algorithm: Algorithm) -> (Arc<ManualClock>, Decider) {
    decider(on, active(vec![("a", limit("a", quota(100, algorithm)))]))
}

/// Asks with one descriptor for each key; a key with hits of its own brings them.
fn with<R>(keys: &[(&str, Option<u64>)], hits: u32, ask: impl FnOnce(&Request<'_>) -> R) -> R {
    let entries: Vec<_> = keys.iter().map(|&(key, _)| [Entry { key, value: "v" }]).collect();
    let descriptors: Vec<_> = entries
        .iter()
        .zip(keys)
        .map(|(entries, (_, own))| Descriptor {
            entries: &entries[..],
            limit_override: None,
            charge: own.map(Charge::Hits),
        })
        .collect();
    ask(&Request { domain: "d", descriptors: &descriptors, hits_addend: hits })
}

fn reserve(
    decider: &Decider,
    keys: &[&str],
    hits: u32,
) -> Result<Option<ReservationId>, Unreserved> {
    let keys: Vec<_> = keys.iter().map(|key| (*key, None)).collect();
    with(&keys, hits, |request| {
        decider
            .reserve(&decider.active(), request, MINUTE, Terms::default())
            .done()
            .map(|reserved| reserved.id)
    })
}

fn check(decider: &Decider, key: &str, hits: u64) -> (Code, u32) {
    with(&[(key, Some(hits))], 0, |request| {
        let active = decider.active();
        let previewed = decider.preview(&active, request, Terms::default()).done().unwrap();
        let checked = decider.check(&active, request, Terms::default()).done().unwrap();
        assert_eq!(previewed.decision, checked.decision);
        (checked.decision.overall, checked.decision.statuses[0].remaining)
    })
}

fn left(decider: &Decider, key: &str) -> u32 {
    check(decider, key, 0).1
}

fn of_100_reserved_and_37_committed_63_come_back_and_the_answer_says_so(on: On) {
    for algorithm in ALL {
        let (_, decider) = one(on, algorithm);
        let id = reserve(&decider, &["a"], 100).unwrap().unwrap();
        assert_eq!(check(&decider, "a", 1), (Code::OverLimit, 0), "{algorithm:?}");
        let settlement = decider.commit(id, 37, Terms::default()).done().unwrap();
        assert_eq!((settlement.charged, settlement.uncharged), (37, 0));
        let statuses = settlement.statuses();
        let current = statuses[0].current.unwrap();
        assert_eq!((statuses.len(), statuses[0].code, statuses[0].remaining), (1, Code::Ok, 63));
        assert_eq!(current.quota.limit, 100);
        assert_eq!(&**current.name.unwrap(), "limit of a");
        assert!(!current.reset_after.is_zero());
        assert_eq!(check(&decider, "a", 63), (Code::Ok, 0), "{algorithm:?}");
        assert_eq!(decider.commit(id, 1, Terms::default()).done().unwrap_err(), Unsettled::Unknown);
        assert_eq!(decider.cancel(id, Terms::default()).done().unwrap_err(), Unsettled::Unknown);
    }
}

fn a_caller_that_disappears_gets_all_back_at_the_end_and_the_record_with_the_next_tick(on: On) {
    for algorithm in ALL {
        let (clock, decider) = one(on, algorithm);
        let id = reserve(&decider, &["a"], 100).unwrap().unwrap();
        clock.advance(MINUTE - Duration::from_nanos(1));
        decider.tick();
        assert_eq!((left(&decider, "a"), decider.totals().reservations), (0, 1));
        clock.advance(Duration::from_nanos(1));
        assert_eq!(left(&decider, "a"), 100, "{algorithm:?}");
        assert_eq!(decider.commit(id, 1, Terms::default()).done().unwrap_err(), Unsettled::Unknown);
        decider.tick();
        let totals = decider.totals();
        assert_eq!((totals.reservations, totals.reservations_ended), (0, 1));
    }
}

fn a_reservation_outlives_the_configuration_that_made_it(on: On) {
    let (_, decider) = one(on, Algorithm::FixedWindow);
    let id = reserve(&decider, &["a"], 100).unwrap().unwrap();
    decider.replace(active(Vec::new()));
    let settlement = decider.commit(id, 37, Terms::default()).done().unwrap();
    assert_eq!(settlement.charged, 37);
    assert_eq!(settlement.statuses()[0].remaining, 63);
    decider.replace(active(vec![("a", limit("a", quota(50, Algorithm::FixedWindow)))]));
    assert_eq!(left(&decider, "a"), 13);
}

fn a_commit_after_a_reload_is_judged_by_the_numbers_of_now(on: On) {
    for algorithm in [Algorithm::FixedWindow, Algorithm::SlidingWindow] {
        for (now, wanted, charged) in [(30, 80, 30), (30, u64::MAX, 30), (200, 150, 150)] {
            let (_, decider) = one(on, algorithm);
            let id = reserve(&decider, &["a"], 80).unwrap().unwrap();
            decider.replace(active(vec![("a", limit("a", quota(now, algorithm)))]));
            let settlement = decider.commit(id, wanted, Terms::default()).done().unwrap();
            assert_eq!(settlement.charged, charged, "{algorithm:?} {now}");
            assert_eq!(settlement.uncharged, wanted - charged);
            assert_eq!(u64::from(left(&decider, "a")), u64::from(now) - charged);
        }
    }
}

fn all_or_none_is_held_although_the_domain_counts_each_limit_by_itself(on: On) {
    let wide = ("wide", limit("wide", quota(100, Algorithm::FixedWindow)));
    let narrow = ("narrow", limit("narrow", quota(5, Algorithm::SlidingWindow)));
    let (_, decider) = decider(on, active(vec![wide, narrow]));
    assert_eq!(reserve(&decider, &["wide", "narrow"], 6), Ok(None));
    assert_eq!((left(&decider, "wide"), left(&decider, "narrow")), (100, 5));
    assert_eq!(decider.totals().reservations, 0);
    // Nothing was counted either: in such a domain a refused check would have been.
    assert_eq!(reserve(&decider, &["wide"], 101), Ok(None));
    assert_eq!(left(&decider, "wide"), 100);
}

fn as_many_reservations_as_may_be_are_enough(on: On) {
    let (clock, decider) = one(on, Algorithm::FixedWindow);
    let decider = with_reservations_max(decider, 2);
    let first = reserve(&decider, &["a"], 1).unwrap().unwrap();
    reserve(&decider, &["a"], 1).unwrap().unwrap();
    assert_eq!(reserve(&decider, &["a"], 1), Err(Unreserved::Full));
    assert_eq!(left(&decider, "a"), 98);
    decider.cancel(first, Terms::default()).done().unwrap();
    reserve(&decider, &["a"], 1).unwrap().unwrap();
    // Ended ones make room without waiting for the tick.
    clock.advance(MINUTE);
    reserve(&decider, &["a"], 1).unwrap().unwrap();
    assert_eq!((left(&decider, "a"), decider.totals().reservations), (99, 1));
    let none = with_reservations_max(decider, 0);
    assert_eq!(reserve(&none, &["a"], 1), Err(Unreserved::Full));
}

fn descriptors_that_meet_no_limit_take_room_in_the_record_too(on: On) {
    let (_, decider) = one(on, Algorithm::FixedWindow);
    let decider = with_reservations_max(decider, 2);
    assert_eq!(reserve(&decider, &["nothing"; 9], 1), Err(Unreserved::Full));
    let id = reserve(&decider, &["nothing"; 8], 1).unwrap().unwrap();
    assert_eq!(reserve(&decider, &["a"], 1), Err(Unreserved::Full));
    decider.cancel(id, Terms::default()).done().unwrap();
    reserve(&decider, &["a"], 1).unwrap().unwrap();
}

fn a_shadow_limit_neither_denies_a_reservation_nor_bounds_its_commit(on: On) {
    let shadow = Limit { shadow: true, ..limit("shadow", quota(5, Algorithm::FixedWindow)) };
    let a = limit("a", quota(100, Algorithm::FixedWindow));
    let (_, decider) = decider(on, active(vec![("shadow", shadow), ("a", a)]));
    let id = reserve(&decider, &["shadow", "a"], 50).unwrap().unwrap();
    assert_eq!((left(&decider, "shadow"), left(&decider, "a")), (5, 50));
    let settlement = decider.commit(id, 60, Terms::default()).done().unwrap();
    assert_eq!((settlement.charged, settlement.uncharged), (60, 0));
    assert_eq!((left(&decider, "shadow"), left(&decider, "a")), (0, 40));
}

fn a_descriptors_own_hits_are_a_fixed_cost(on: On) {
    let calls = limit("calls", quota(10, Algorithm::FixedWindow));
    let tokens = limit("tokens", quota(1_000, Algorithm::FixedWindow));
    let (_, decider) = decider(on, active(vec![("calls", calls), ("tokens", tokens)]));
    let id = with(&[("calls", Some(1)), ("tokens", None)], 500, |request| {
        decider
            .reserve(&decider.active(), request, MINUTE, Terms::default())
            .done()
            .unwrap()
            .id
            .unwrap()
    });
    assert_eq!((left(&decider, "calls"), left(&decider, "tokens")), (9, 500));
    assert_eq!(decider.commit(id, 123, Terms::default()).done().unwrap().charged, 123);
    assert_eq!((left(&decider, "calls"), left(&decider, "tokens")), (9, 877));
}

fn descriptors_without_a_limit_are_reserved_and_committed_for_nothing(on: On) {
    let (clock, decider) = one(on, Algorithm::FixedWindow);
    let id = reserve(&decider, &["nothing", "a"], 7).unwrap().unwrap();
    let settlement = decider.commit(id, 9, Terms::default()).done().unwrap();
    let statuses = settlement.statuses();
    assert_eq!((statuses[0].current, statuses[0].code), (None, Code::Ok));
    assert_eq!(statuses[1].remaining, 91);
    let id = reserve(&decider, &["nothing"], 7).unwrap().unwrap();
    clock.advance(MINUTE);
    assert_eq!(decider.commit(id, 9, Terms::default()).done().unwrap_err(), Unsettled::Unknown);
}

fn a_reset_says_what_was_there_and_leaves_holds(on: On) {
    let (_, decider) = one(on, Algorithm::FixedWindow);
    check(&decider, "a", 40);
    let id = reserve(&decider, &["a"], 10).unwrap().unwrap();
    let forgotten = with(&[("a", None), ("a", None), ("none", None)], 1, |request| {
        decider.reset(&decider.active(), request, Terms::default()).done().unwrap()
    });
    assert_eq!(forgotten.iter().map(|one| one.hits).collect::<Vec<_>>(), [40]);
    assert_eq!(left(&decider, "a"), 90);
    assert_eq!(decider.cancel(id, Terms::default()).done().unwrap().statuses()[0].remaining, 100);
}

fn a_refund_gives_back_no_more_than_was_spent(on: On) {
    let (_, decider) = one(on, Algorithm::TokenBucket { burst: 100 });
    check(&decider, "a", 40);
    let refund = |hits| {
        with(&[("a", None)], hits, |request| {
            let active = decider.active();
            let refunded = decider.refund(&active, request, Terms::default()).done().unwrap();
            (refunded.checked.decision.overall, refunded.checked.decision.statuses[0].remaining)
        })
    };
    assert_eq!(refund(15), (Code::Ok, 75));
    assert_eq!(refund(1_000), (Code::Ok, 100));
}

fn a_time_beyond_the_longest_is_cut_to_it(on: On) {
    let (clock, decider) = one(on, Algorithm::TokenBucket { burst: 100 });
    let reserved = with(&[("a", None)], 100, |request| {
        decider
            .reserve(&decider.active(), request, Duration::MAX, Terms::default())
            .done()
            .map(|one| one.ends_after)
    });
    assert_eq!(reserved, Ok(HOLD_MAX));
    clock.advance(HOLD_MAX);
    assert_eq!(left(&decider, "a"), 100);
}

fn hits_count_in_a_limits_figures_when_they_are_spent(on: On) {
    let (_, decider) = one(on, Algorithm::FixedWindow);
    let tally = || {
        let active = decider.active();
        active.figures[0].get().map(|known| known.figures.read()).unwrap_or_default()
    };
    let id = reserve(&decider, &["a"], 70).unwrap().unwrap();
    assert_eq!(tally().total, 0);
    decider.commit(id, 120, Terms::default()).done().unwrap();
    assert_eq!((tally().total, tally().within, tally().over), (0, 0, 0));
    // The figures are found by name; the configuration's own reference to them is made by a check.
    check(&decider, "a", 0);
    assert_eq!((tally().total, tally().within, tally().over), (120, 100, 20));
    assert_eq!(reserve(&decider, &["a"], 5), Ok(None));
    assert_eq!((tally().total, tally().over), (125, 25));
}

fn threads_that_reserve_commit_and_cancel_never_exceed_the_limit(on: On) {
    let (_, decider) = decider(
        on,
        active(vec![
            ("a", limit("a", quota(1_000, Algorithm::FixedWindow))),
            ("b", limit("b", quota(900, Algorithm::SlidingWindow))),
        ]),
    );
    let spent = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for order in [["a", "b"], ["b", "a"]].repeat(4) {
            let (decider, spent) = (&decider, &spent);
            scope.spawn(move || {
                for number in 0..400 {
                    let Some(id) = reserve(decider, &order, 5).unwrap() else { continue };
                    if number % 3 == 0 {
                        decider.cancel(id, Terms::default()).done().unwrap();
                        continue;
                    }
                    let settled = decider.commit(id, number % 8, Terms::default()).done().unwrap();
                    spent.fetch_add(settled.charged, Ordering::Relaxed);
                }
            });
        }
    });
    let spent = u32::try_from(spent.into_inner()).unwrap();
    assert!(spent <= 900);
    assert_eq!((left(&decider, "a"), left(&decider, "b")), (1_000 - spent, 900 - spent));
    assert_eq!(decider.totals().reservations, 0);
}

fn a_commit_that_races_the_end_spends_or_finds_nothing_and_never_both(on: On) {
    let (clock, decider) = one(on, Algorithm::FixedWindow);
    let spent = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for number in 0..300 {
                    let Some(id) = reserve(&decider, &["a"], 3).unwrap() else { continue };
                    if number % 5 == 0 {
                        // Its caller is gone.
                        continue;
                    }
                    match decider.commit(id, number % 2, Terms::default()).done() {
                        Ok(settled) => spent.fetch_add(settled.charged, Ordering::Relaxed),
                        Err(error) => {
                            assert_eq!(error, Unsettled::Unknown);
                            0
                        }
                    };
                }
            });
        }
        // Less than what is left of the hour.
        for _ in 0..40 {
            clock.advance(MINUTE / 2);
            decider.tick();
            std::thread::yield_now();
        }
    });
    clock.advance(MINUTE);
    decider.tick();
    let spent = u32::try_from(spent.into_inner()).unwrap();
    assert_eq!((left(&decider, "a"), decider.totals().reservations), (100 - spent, 0));
}

on_both! {
    of_100_reserved_and_37_committed_63_come_back_and_the_answer_says_so,
    a_caller_that_disappears_gets_all_back_at_the_end_and_the_record_with_the_next_tick,
    a_reservation_outlives_the_configuration_that_made_it,
    a_commit_after_a_reload_is_judged_by_the_numbers_of_now,
    all_or_none_is_held_although_the_domain_counts_each_limit_by_itself,
    as_many_reservations_as_may_be_are_enough,
    descriptors_that_meet_no_limit_take_room_in_the_record_too,
    a_shadow_limit_neither_denies_a_reservation_nor_bounds_its_commit,
    a_descriptors_own_hits_are_a_fixed_cost,
    descriptors_without_a_limit_are_reserved_and_committed_for_nothing,
    a_reset_says_what_was_there_and_leaves_holds,
    a_refund_gives_back_no_more_than_was_spent,
    a_time_beyond_the_longest_is_cut_to_it,
    hits_count_in_a_limits_figures_when_they_are_spent,
    threads_that_reserve_commit_and_cancel_never_exceed_the_limit,
    a_commit_that_races_the_end_spends_or_finds_nothing_and_never_both,
}
