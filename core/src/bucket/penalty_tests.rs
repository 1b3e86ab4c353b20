//! Impatience costs, patience does not.

use super::*;
use crate::bucket::Bucket;
use crate::limit::{Algorithm, Unit};
use crate::time::{NANOS_PER_SECOND, Wall};

const MAX: Duration = Duration::from_secs(300);

fn quota() -> Quota {
    Quota {
        algorithm: Algorithm::SlidingWindow,
        penalty_max: Some(MAX),
        ..Quota::per_unit(1, Unit::Minute)
    }
}

fn second(second: u64) -> Now {
    let nanos = second * NANOS_PER_SECOND;
    Now { log: LogTime::from_nanos(nanos), epoch: Wall::from_nanos(nanos) }
}

fn bucket() -> Penalised {
    Penalised::around(Plain::fresh(&quota(), second(0)), &quota(), second(0))
}

/// Charges one hit; the seconds to wait if it is refused.
fn wait(bucket: &mut Penalised, at: u64) -> Option<u64> {
    let outcome = bucket.charge(&quota(), MAX, Charge::Hits(1), second(at));
    assert_eq!(outcome.over, outcome.retry_after.is_some());
    outcome.retry_after.map(|wait| wait.as_secs())
}

#[test]
fn a_client_that_retries_at_once_waits_longer_each_time_up_to_the_bound() {
    let mut bucket = bucket();
    assert_eq!(wait(&mut bucket, 0), None);
    let waits: Vec<_> = (0..6).map(|_| wait(&mut bucket, 0).unwrap()).collect();
    assert_eq!(waits, [60, 120, 240, 300, 300, 300]);
    // Even when the algorithm would admit it again, it is held to what it was told.
    assert_eq!(wait(&mut bucket, 61), Some(300));
    assert_eq!(wait(&mut bucket, 361), None);
}

#[test]
fn a_client_that_waits_as_told_is_never_penalised() {
    let mut bucket = bucket();
    let mut now = 0;
    for _ in 0..50 {
        assert_eq!(wait(&mut bucket, now), None);
        let told = wait(&mut bucket, now).unwrap();
        assert_eq!(told, 60);
        now += told;
    }
}

#[test]
fn each_quiet_window_takes_one_doubling_back() {
    let mut bucket = bucket();
    wait(&mut bucket, 0);
    for expected in [60, 120, 240] {
        assert_eq!(wait(&mut bucket, 0), Some(expected));
    }
    // Two doublings; quiet from 0 to 240 is four windows.
    assert_eq!(wait(&mut bucket, 240), None);
    assert_eq!(wait(&mut bucket, 240), Some(60));

    for expected in [120, 240, 300, 300] {
        assert_eq!(wait(&mut bucket, 240), Some(expected));
    }
    // Four doublings; five quiet windows until 540.
    assert_eq!(wait(&mut bucket, 540), None);
    assert_eq!(wait(&mut bucket, 540), Some(60));
}

#[test]
fn looking_is_not_impatience() {
    let mut bucket = bucket();
    wait(&mut bucket, 0);
    assert_eq!(wait(&mut bucket, 0), Some(60));
    for _ in 0..10 {
        let peek = bucket.charge(&quota(), MAX, Charge::Hits(0), second(20));
        assert_eq!((peek.over, peek.retry_after), (true, Some(Duration::from_secs(40))));
    }
    assert_eq!(wait(&mut bucket, 60), None);
}

#[test]
fn a_bound_below_the_algorithms_own_wait_adds_at_most_itself() {
    let mut bucket = bucket();
    wait(&mut bucket, 0);
    let hit = |bucket: &mut Penalised, at| {
        let max = Duration::from_secs(5);
        bucket.charge(&quota(), max, Charge::Hits(1), second(at)).retry_after
    };
    assert_eq!(hit(&mut bucket, 0), Some(Duration::from_secs(60)));
    assert_eq!(hit(&mut bucket, 1), Some(Duration::from_secs(59)));
    assert_eq!(hit(&mut bucket, 58), Some(Duration::from_secs(5)));
    assert_eq!(hit(&mut bucket, 63), None);
}

#[test]
fn an_override_of_the_same_bucket_does_not_wipe_the_memory() {
    let mut shared = Bucket::fresh(&quota(), second(0));
    let brought = Quota { penalty_max: None, ..quota() };
    for _ in 0..4 {
        shared.charge(&quota(), Charge::Hits(1), second(0));
    }
    shared.charge(&brought, Charge::Hits(0), second(0));
    assert!(shared.charge(&quota(), Charge::Hits(1), second(61)).over, "it came back too early");
}

#[test]
fn it_is_kept_until_its_doublings_are_forgiven() {
    let mut bucket = bucket();
    wait(&mut bucket, 0);
    for _ in 0..4 {
        wait(&mut bucket, 0);
    }
    assert!(!bucket.is_expired(second(299)));
    assert!(bucket.is_expired(second(300)));
}
