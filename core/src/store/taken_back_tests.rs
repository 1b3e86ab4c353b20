//! Charges that are taken back from a shard, whatever became of their buckets.

use std::time::Duration;

use super::super::rig::{ALL, BOUNDS, LENGTH, Rig, at, key, operation, quota};
use crate::descriptor::Charge;
use crate::limit::{Algorithm, Quota};
use crate::store::{Bounds, FULL};

const NOW: u64 = 4 * LENGTH;

fn take_back(rig: &mut Rig, limit: (&'static str, Quota), hits: u64, nanos: u64) {
    rig.shard.take_back(&operation(limit, Charge::Hits(hits)), at(nanos), at(nanos));
}

#[test]
fn a_charge_that_is_taken_back_is_there_again_and_the_bucket_is_no_fuller_for_it() {
    for algorithm in ALL {
        let (mut rig, limit) = (Rig::new(), ("a", quota(10, algorithm)));
        rig.hit(limit, 2, at(NOW));
        let left = rig.left(limit, at(NOW));
        let fill = rig.shard.slot(key(limit)).map(|slot| slot.fill);
        let bytes = rig.shard.bytes();
        rig.hit(limit, u64::from(left), at(NOW));
        assert_eq!(rig.shard.slot(key(limit)).map(|slot| slot.fill), Some(FULL));
        take_back(&mut rig, limit, u64::from(left), NOW);
        assert_eq!(rig.left(limit, at(NOW)), left, "{algorithm:?}");
        assert_eq!(rig.shard.slot(key(limit)).map(|slot| slot.fill), fill);
        assert_eq!(rig.shard.bytes(), bytes);
    }
}

#[test]
fn what_others_charged_after_a_bucket_was_forgotten_stays() {
    for algorithm in ALL {
        let (mut rig, limit) = (Rig::new(), ("a", quota(10, algorithm)));
        rig.hit(limit, 6, at(NOW));
        assert!(rig.shard.reset(key(limit)));
        rig.hit(limit, 6, at(NOW));
        let left = rig.left(limit, at(NOW));
        take_back(&mut rig, limit, 6, NOW);
        assert_eq!(rig.left(limit, at(NOW)), left, "{algorithm:?}");
    }
}

#[test]
fn what_others_charged_after_a_bucket_was_given_up_stays() {
    for algorithm in ALL {
        let mut rig = Rig::bounded(Bounds { keys_max: 1, ..BOUNDS });
        let (limit, other) = (("a", quota(100, algorithm)), ("b", quota(100, algorithm)));
        rig.hit(limit, 6, at(NOW));
        rig.hit(other, 1, at(NOW));
        rig.hit(limit, 6, at(NOW));
        assert_eq!(rig.shard.stats().evicted_live, 2);
        let left = rig.left(limit, at(NOW));
        take_back(&mut rig, limit, 6, NOW);
        assert_eq!(rig.left(limit, at(NOW)), left, "{algorithm:?}");
    }
}

#[test]
fn hits_that_a_refund_gave_back_are_not_given_back_again() {
    for algorithm in ALL {
        let (mut rig, limit) = (Rig::new(), ("a", quota(100, algorithm)));
        rig.hit(limit, 6, at(NOW));
        let refund = operation(limit, Charge::Refund(6));
        rig.shard.charge(&refund, &[], at(NOW)).unwrap();
        rig.hit(limit, 6, at(NOW));
        let left = rig.left(limit, at(NOW));
        take_back(&mut rig, limit, 6, NOW);
        assert_eq!(rig.left(limit, at(NOW)), left, "{algorithm:?}");
        // Charges that came after it are taken back as ever.
        rig.hit(limit, 5, at(NOW + 1));
        take_back(&mut rig, limit, 5, NOW + 1);
        assert!(rig.left(limit, at(NOW + 1)) >= left, "{algorithm:?}");
    }
}

#[test]
fn a_number_that_changed_and_changed_back_gives_nothing_back() {
    let burst = Algorithm::TokenBucket { burst: 100 };
    let (mut rig, limit, lower) = (Rig::new(), ("a", quota(60, burst)), ("a", quota(600, burst)));
    rig.hit(limit, 60, at(NOW));
    rig.hit(lower, 1, at(NOW + LENGTH / 60));
    rig.hit(limit, 1, at(NOW + LENGTH / 60));
    let now = at(NOW + LENGTH / 60);
    let left = rig.left(limit, now);
    rig.shard.take_back(&operation(limit, Charge::Hits(60)), at(NOW), now);
    assert_eq!(rig.left(limit, now), left);
}

#[test]
fn what_was_never_there_is_not_taken_back() {
    let (mut rig, limit) = (Rig::new(), ("a", quota(10, Algorithm::FixedWindow)));
    take_back(&mut rig, limit, 6, NOW);
    assert_eq!(rig.shard.keys(), 0);
    rig.hit(limit, 6, at(NOW));
    rig.shard.take_back(&operation(limit, Charge::Refund(6)), at(NOW), at(NOW));
    assert_eq!(rig.left(limit, at(NOW)), 4);
}

#[test]
fn impatient_hits_double_the_wait_and_spend_nothing() {
    let penalty_max = Some(Duration::from_nanos(100 * LENGTH));
    let limit = ("a", Quota { penalty_max, ..quota(1, Algorithm::FixedWindow) });
    let (mut real, mut told) = (Rig::new(), Rig::new());
    for rig in [&mut real, &mut told] {
        rig.hit(limit, 1, at(NOW));
        rig.hit(limit, 1, at(NOW));
    }
    for later in 1..4 {
        real.hit(limit, 1, at(NOW + later));
        told.shard.impatient(&operation(limit, Charge::Hits(1)), at(NOW + later));
        assert_eq!(real.shard.image(), told.shard.image());
    }
    // Hits that come in time, looks and hits without a penalty are nobody's impatience.
    let before = told.shard.image().places;
    told.shard.impatient(&operation(limit, Charge::Hits(0)), at(NOW + 4));
    let late = at(NOW + 101 * LENGTH);
    told.shard.impatient(&operation(limit, Charge::Hits(1)), late);
    let plain = ("b", quota(1, Algorithm::FixedWindow));
    told.shard.impatient(&operation(plain, Charge::Hits(1)), late);
    assert_eq!(told.shard.image().places, before);
}
