//! What a caller may rely on, by name.

use std::time::Duration;

use super::super::rig::{ALL, BOUNDS, LENGTH, Limit, Rig, at, key, operation, quota};
use super::super::{Bounds, FULL};
use super::*;
use crate::descriptor::Charge;
use crate::limit::{Algorithm, Quota};

const HOUR: u64 = 3_600_000_000_000;
/// Shortly after the beginning of a window.
const START: u64 = 10 * LENGTH + 5;

fn each(test: impl Fn(&mut Rig, Limit)) {
    for algorithm in ALL {
        test(&mut Rig::new(), ("a", quota(100, algorithm)));
    }
}

#[test]
fn of_100_reserved_and_37_committed_63_come_back() {
    each(|rig, limit| {
        let open = rig.reserve(&[limit], 100, START + HOUR, at(START)).unwrap();
        assert_eq!(rig.left(limit, at(START)), 0);
        let settled = rig.commit(&open, 37, at(START)).unwrap();
        assert_eq!((settled.charged, settled.uncharged), (37, 0), "{limit:?}");
        assert_eq!((settled.outcomes[0].over, settled.outcomes[0].remaining), (false, 63));
        assert_eq!(rig.left(limit, at(START)), 63);
        assert_eq!(rig.held(limit, at(START)), 0);
        assert!(!rig.hit(limit, 63, at(START)).over);
        assert!(rig.hit(limit, 1, at(START)).over);
    });
}

#[test]
fn a_cancelled_reservation_gives_all_back() {
    each(|rig, limit| {
        let open = rig.reserve(&[limit], 100, START + HOUR, at(START)).unwrap();
        let settled = rig.cancel(&open, at(START)).unwrap();
        assert_eq!((settled.charged, settled.outcomes[0].remaining), (0, 100), "{limit:?}");
        assert!(!rig.hit(limit, 100, at(START)).over);
    });
}

#[test]
fn of_a_caller_that_disappears_all_comes_back_at_the_end_and_not_a_nanosecond_before() {
    each(|rig, limit| {
        let end = START + 1_000;
        rig.reserve(&[limit], 100, end, at(START)).unwrap();
        assert!(rig.hit(limit, 1, at(end - 1)).over, "{limit:?}");
        assert_eq!(rig.left(limit, at(end - 1)), 0);
        assert_eq!(rig.left(limit, at(end)), 100);
        assert!(!rig.hit(limit, 100, at(end)).over, "{limit:?}");
    });
}

#[test]
fn a_reservation_that_was_settled_or_has_ended_cannot_be_settled_again() {
    each(|rig, limit| {
        let end = START + 1_000;
        let open = rig.reserve(&[limit], 10, end, at(START)).unwrap();
        rig.commit(&open, 4, at(START)).unwrap();
        assert_eq!(rig.commit(&open, 4, at(START)), Err(Unsettled::Ended));
        let open = rig.reserve(&[limit], 10, end, at(START)).unwrap();
        assert_eq!(rig.commit(&open, 4, at(end)), Err(Unsettled::Ended));
        assert_eq!(rig.cancel(&open, at(end)), Err(Unsettled::Ended));
        // Read the clock before that, and comes after it.
        assert_eq!(rig.commit(&open, 4, at(end - 1)), Err(Unsettled::Ended));
        assert_eq!(rig.left(limit, at(end)), 96);
    });
}

#[test]
fn a_commit_after_the_window_rolled_charges_the_current_window() {
    let limit = ("a", quota(100, Algorithm::FixedWindow));
    let mut rig = Rig::new();
    let open = rig.reserve(&[limit], 60, START + HOUR, at(START)).unwrap();
    assert!(!rig.hit(limit, 40, at(START)).over);
    let next = 11 * LENGTH;
    // The hold moves on into the new window; what was spent does not.
    assert_eq!(rig.left(limit, at(next)), 40);
    assert!(rig.hit(limit, 41, at(next)).over);
    let settled = rig.commit(&open, 25, at(next)).unwrap();
    assert_eq!((settled.charged, settled.outcomes[0].remaining), (25, 75));
    assert_eq!(rig.left(limit, at(12 * LENGTH)), 100);
}

#[test]
fn held_hits_do_not_refill_a_token_bucket() {
    let limit = ("a", quota(100, Algorithm::TokenBucket { burst: 100 }));
    let mut rig = Rig::new();
    let open = rig.reserve(&[limit], 100, START + HOUR, at(START)).unwrap();
    let later = START + 5 * LENGTH;
    assert_eq!(rig.left(limit, at(later)), 0);
    assert_eq!(rig.commit(&open, 100, at(later)).unwrap().charged, 100);
    assert!(rig.hit(limit, 1, at(later)).over);
    assert_eq!(rig.left(limit, at(later + LENGTH / 2)), 50);
}

#[test]
fn two_reservations_on_one_bucket_know_of_each_other() {
    each(|rig, limit| {
        let one = rig.reserve(&[limit], 60, START + HOUR, at(START)).unwrap();
        assert!(rig.reserve(&[limit], 41, START + HOUR, at(START)).is_none(), "{limit:?}");
        let two = rig.reserve(&[limit], 40, START + HOUR, at(START)).unwrap();
        // More than it held finds nothing beside the other's.
        let settled = rig.commit(&one, 90, at(START)).unwrap();
        assert_eq!((settled.charged, settled.uncharged), (60, 30), "{limit:?}");
        assert!(settled.outcomes[0].over);
        let settled = rig.commit(&two, 1, at(START)).unwrap();
        assert_eq!((settled.charged, settled.outcomes[0].remaining), (1, 39));
    });
}

#[test]
fn a_commit_beyond_what_was_reserved_spends_what_the_limit_still_allows() {
    each(|rig, limit| {
        let open = rig.reserve(&[limit], 10, START + HOUR, at(START)).unwrap();
        assert!(!rig.hit(limit, 50, at(START)).over);
        let settled = rig.commit(&open, u64::MAX, at(START)).unwrap();
        assert_eq!((settled.charged, settled.uncharged), (50, u64::MAX - 50), "{limit:?}");
        assert_eq!(rig.left(limit, at(START)), 0);
    });
}

#[test]
fn a_commit_after_the_limit_was_lowered_spends_no_more_than_the_new_one() {
    each(|rig, limit| {
        let mut open = rig.reserve(&[limit], 80, START + HOUR, at(START)).unwrap();
        let (name, algorithm) = (limit.0, limit.1.algorithm);
        let algorithm = match algorithm {
            Algorithm::TokenBucket { .. } => Algorithm::TokenBucket { burst: 30 },
            other => other,
        };
        let lowered = (name, quota(30, algorithm));
        assert_eq!(rig.left(lowered, at(START)), 0);
        open.parts[0].quota = lowered.1;
        let settled = rig.commit(&open, 80, at(START)).unwrap();
        assert_eq!((settled.charged, settled.uncharged), (30, 50), "{limit:?}");
    });
}

#[test]
fn two_limits_of_which_one_refuses_hold_nothing() {
    each(|rig, limit| {
        let narrow = ("b", quota(5, Algorithm::FixedWindow));
        let (outcomes, open) =
            rig.try_reserve(&[limit, narrow], 6, START + HOUR, at(START)).unwrap();
        assert!(open.is_none());
        let told: Vec<_> = outcomes.iter().map(|one| (one.over, one.remaining)).collect();
        assert_eq!(told, [(false, 100), (true, 0)], "{limit:?}");
        assert_eq!((rig.left(limit, at(START)), rig.left(narrow, at(START))), (100, 5));
        assert!(rig.shard.holds.is_empty());
    });
}

#[test]
fn a_bucket_met_twice_is_held_twice_and_committed_twice() {
    each(|rig, limit| {
        assert!(rig.reserve(&[limit, limit], 51, START + HOUR, at(START)).is_none());
        let open = rig.reserve(&[limit, limit], 50, START + HOUR, at(START)).unwrap();
        assert_eq!(rig.left(limit, at(START)), 0, "{limit:?}");
        let settled = rig.commit(&open, 70, at(START)).unwrap();
        assert_eq!((settled.charged, settled.uncharged), (50, 20));
        assert_eq!(rig.left(limit, at(START)), 0);
    });
}

#[test]
fn a_fixed_cost_is_spent_whatever_the_commit_says() {
    each(|rig, limit| {
        let calls = ("calls", quota(100, Algorithm::FixedWindow));
        let mut open = rig.reserve(&[limit, calls], 3, START + HOUR, at(START)).unwrap();
        open.parts[1].cost = Cost::Fixed(3);
        let settled = rig.commit(&open, 0, at(START)).unwrap();
        assert_eq!((settled.charged, settled.uncharged), (0, 0));
        assert_eq!((rig.left(limit, at(START)), rig.left(calls, at(START))), (100, 97));
    });
}

#[test]
fn a_shadow_bounds_nothing_and_counts_what_finds_room() {
    each(|rig, limit| {
        let shadow = ("b", quota(5, Algorithm::FixedWindow));
        let mut open = rig.reserve(&[limit, shadow], 5, START + HOUR, at(START)).unwrap();
        (open.parts[1].is_enforced, open.parts[1].shadow) = (false, true);
        let settled = rig.commit(&open, 20, at(START)).unwrap();
        assert_eq!((settled.charged, settled.uncharged), (20, 0), "{limit:?}");
        assert!(!settled.outcomes[0].over && settled.outcomes[1].over);
        assert_eq!((rig.left(limit, at(START)), rig.left(shadow, at(START))), (80, 0));
    });
}

#[test]
fn whoever_waits_out_a_penalty_still_has_what_was_held_and_no_more() {
    each(|rig, limit| {
        let penalty_max = Some(Duration::from_secs(60));
        let strict = (limit.0, Quota { penalty_max, ..limit.1 });
        assert!(!rig.hit(strict, 50, at(START)).over);
        let open = rig.reserve(&[strict], 40, START + HOUR, at(START)).unwrap();
        // Refused by the algorithm itself, and impatient.
        for _ in 0..4 {
            assert!(rig.hit(strict, 51, at(START)).over, "{limit:?}");
        }
        assert!(rig.hit(strict, 1, at(START)).over, "{limit:?}: it came back too early");
        assert!(rig.reserve(&[strict], 1, START + HOUR, at(START)).is_none());
        let settled = rig.commit(&open, 45, at(START)).unwrap();
        assert_eq!((settled.charged, settled.uncharged), (40, 5), "{limit:?}");
        assert_eq!(rig.left(limit, at(START)), 10);
    });
}

#[test]
fn who_is_refused_only_for_what_others_hold_is_not_penalised() {
    each(|rig, limit| {
        let penalty_max = Some(Duration::from_secs(60));
        let strict = (limit.0, Quota { penalty_max, ..limit.1 });
        let open = rig.reserve(&[strict], 100, START + HOUR, at(START)).unwrap();
        for _ in 0..4 {
            assert!(rig.hit(strict, 1, at(START)).over, "{limit:?}");
        }
        rig.cancel(&open, at(START)).unwrap();
        assert!(!rig.hit(strict, 100, at(START)).over, "{limit:?}");
    });
}

#[test]
fn a_reset_forgets_what_was_spent_and_leaves_what_is_held() {
    each(|rig, limit| {
        assert!(!rig.hit(limit, 50, at(START)).over);
        let open = rig.reserve(&[limit], 30, START + HOUR, at(START)).unwrap();
        assert!(rig.shard.reset(key(limit)));
        assert_eq!((rig.left(limit, at(START)), rig.held(limit, at(START))), (70, 30));
        assert_eq!(rig.commit(&open, 30, at(START)).unwrap().charged, 30);
    });
}

#[test]
fn a_bucket_that_leaves_keeps_its_holds() {
    each(|_, limit| {
        let mut rig = Rig::bounded(Bounds { keys_max: 1, ..BOUNDS });
        assert!(!rig.hit(limit, 1, at(START)).over);
        let open = rig.reserve(&[limit], 30, START + HOUR, at(START)).unwrap();
        // Takes its place.
        assert!(!rig.hit(("b", limit.1), 1, at(START)).over);
        assert!(rig.shard.slot(key(limit)).is_none());
        assert_eq!(rig.left(limit, at(START)), 70, "{limit:?}");
        assert_eq!(rig.commit(&open, 30, at(START)).unwrap().charged, 30);
        assert_eq!(rig.left(limit, at(START)), 70);
    });
}

#[test]
fn a_commit_for_which_there_is_no_room_leaves_the_reservation_standing() {
    each(|_, limit| {
        let mut rig = Rig::bounded(Bounds { keys_max: 1, ..BOUNDS });
        let open = rig.reserve(&[limit], 30, START + HOUR, at(START)).unwrap();
        let spent = ("b", quota(1, Algorithm::FixedWindow));
        assert!(!rig.hit(spent, 1, at(START)).over);
        assert_eq!(rig.commit(&open, 30, at(START)), Err(Unsettled::Refused(Refused)));
        assert_eq!(rig.held(limit, at(START)), 30);
        let later = 11 * LENGTH;
        assert_eq!(rig.commit(&open, 30, at(later)).unwrap().charged, 30, "{limit:?}");
    });
}

#[test]
fn a_bucket_whose_rest_is_held_is_as_good_as_spent_for_eviction() {
    each(|rig, limit| {
        assert!(!rig.hit(limit, 1, at(START)).over);
        rig.reserve(&[limit], 99, START + HOUR, at(START)).unwrap();
        assert_eq!(rig.shard.slot(key(limit)).unwrap().fill, FULL);
    });
}

#[test]
fn refused_hits_beside_a_hold_do_not_close_the_window_to_it() {
    let limit = ("a", quota(100, Algorithm::FixedWindow));
    let counting = ("a", Quota { counts_refused: true, ..limit.1 });
    let mut rig = Rig::new();
    let open = rig.reserve(&[limit], 30, START + HOUR, at(START)).unwrap();
    assert!(rig.hit(counting, 1_000, at(START)).over);
    assert_eq!(rig.left(limit, at(START)), 70);
    assert_eq!(rig.commit(&open, 30, at(START)).unwrap().charged, 30);
}

/// Charges `hits` of a bucket with these holds (hits, end), and then again at the time it is told.
fn waits(limit: Limit, spent: u64, holds: &[(u64, u64)], hits: u64) -> u64 {
    let mut rig = Rig::new();
    assert!(!rig.hit(limit, spent, at(START)).over);
    for (held, end) in holds {
        rig.reserve(&[limit], *held, START + end, at(START)).unwrap();
    }
    let outcome = rig.hit(limit, hits, at(START));
    assert!(outcome.over);
    let wait = u64::try_from(outcome.retry_after.unwrap().as_nanos()).unwrap();
    assert!(rig.clone_hit(limit, hits, at(START + wait - 1)).over, "{limit:?}: too late by one");
    assert!(!rig.clone_hit(limit, hits, at(START + wait)).over, "{limit:?}: too early");
    wait
}

#[test]
fn who_is_refused_for_a_hold_is_told_when_the_hold_ends_or_the_window_does() {
    let fixed = ("a", quota(100, Algorithm::FixedWindow));
    // The hold ends first, the window ends first, the hold leaves too little of any window.
    assert_eq!(waits(fixed, 1, &[(50, 9), (40, 12)], 10), 9);
    assert_eq!(waits(fixed, 1, &[(50, 9), (40, 12)], 60), 12);
    assert_eq!(waits(fixed, 50, &[(50, HOUR)], 40), LENGTH - 5);
    assert_eq!(waits(fixed, 1, &[(50, HOUR)], 60), HOUR);
    let sliding = ("a", quota(100, Algorithm::SlidingWindow));
    assert_eq!(waits(sliding, 50, &[(50, HOUR)], 40), LENGTH);
    assert_eq!(waits(sliding, 50, &[(50, 7)], 40), 7);
    let token = ("a", quota(100, Algorithm::TokenBucket { burst: 100 }));
    assert_eq!(waits(token, 50, &[(50, HOUR)], 40), LENGTH * 40 / 100);
    assert_eq!(waits(token, 50, &[(50, 7)], 40), 7);
}

#[test]
fn a_peek_at_a_bucket_whose_rest_is_held_is_over_where_a_hit_would_be() {
    each(|rig, limit| {
        rig.reserve(&[limit], 100, START + 50, at(START)).unwrap();
        let peek = rig.hit(limit, 0, at(START));
        let asks_for_a_hit = limit.1.algorithm != Algorithm::FixedWindow;
        assert_eq!((peek.over, peek.remaining), (asks_for_a_hit, 0), "{limit:?}");
        let wait = asks_for_a_hit.then_some(Duration::from_nanos(50));
        assert_eq!(peek.retry_after, wait);
    });
}

#[test]
fn a_limit_of_zero_can_be_held_by_nobody() {
    for algorithm in ALL {
        let limit = ("a", quota(0, algorithm));
        assert!(Rig::new().reserve(&[limit], 1, START + HOUR, at(START)).is_none());
    }
}

#[test]
fn many_holds_on_one_key_are_added_up() {
    each(|rig, limit| {
        for number in 0..100 {
            rig.reserve(&[limit], 1, START + 100 + number, at(START)).unwrap();
        }
        assert!(rig.reserve(&[limit], 1, START + HOUR, at(START)).is_none(), "{limit:?}");
        for ended in [1, 50, 99, 100] {
            // Looked at by a copy first, which clears nothing away.
            let now = at(START + 99 + ended);
            assert_eq!(rig.held(limit, now), 100 - ended);
            assert_eq!(u64::from(rig.left(limit, now)), ended);
        }
        assert!(rig.shard.holds.is_empty());
    });
}

#[test]
fn refunds_give_back_what_was_spent_and_not_what_is_held() {
    each(|rig, limit| {
        assert!(!rig.hit(limit, 20, at(START)).over);
        rig.reserve(&[limit], 30, START + HOUR, at(START)).unwrap();
        let refund = operation(limit, Charge::Refund(1_000));
        let outcome = rig.shard.charge(&refund, &[], at(START)).unwrap();
        assert_eq!((outcome.over, outcome.remaining), (false, 70), "{limit:?}");
    });
}
