//! Reservations in a store that is full, or nearly.

use std::time::Duration;

use super::super::rig::{ALL, BOUNDS, LENGTH, Limit, Rig, at, key, quota};
use super::super::{Bounds, FULL};
use super::*;
use crate::limit::{Algorithm, Quota};

const HOUR: u64 = 3_600_000_000_000;
/// Shortly after the beginning of a window.
const START: u64 = 10 * LENGTH + 5;

fn each(test: impl Fn(&mut Rig, Limit)) {
    for algorithm in ALL {
        test(&mut Rig::new(), ("a", quota(100, algorithm)));
    }
}

/// The limit with a penalty, and the same bucket asked without: looking must not make it grow.
fn strict_and_plain(limit: Limit) -> (Limit, Limit) {
    let penalty_max = Some(Duration::from_secs(60));
    ((limit.0, Quota { penalty_max, ..limit.1 }), limit)
}

#[test]
fn what_was_committed_stays_committed_in_a_store_without_a_byte_to_spare() {
    each(|roomy, limit| {
        let (strict, plain) = strict_and_plain(limit);
        let commit = |rig: &mut Rig, limit: Limit| {
            let open = rig.reserve(&[limit], 30, START + HOUR, at(START)).unwrap();
            rig.commit(&open, 30, at(START)).unwrap()
        };
        commit(roomy, plain);
        let mut tight = Rig::bounded(Bounds { bytes_max: roomy.shard.bytes(), ..BOUNDS });
        let settled = commit(&mut tight, strict);
        assert_eq!((settled.charged, settled.outcomes[0].remaining), (30, 70), "{limit:?}");
        assert_eq!(tight.left(plain, at(START)), 70, "{limit:?}");
    });
}

#[test]
fn a_denied_reservation_gives_up_no_bucket_that_it_met() {
    each(|roomy, limit| {
        let (strict, plain) = strict_and_plain(limit);
        let narrow = ("b", quota(5, Algorithm::FixedWindow));
        let deny = |rig: &mut Rig, limit: Limit| {
            assert!(!rig.hit(plain, 50, at(START)).over);
            rig.try_reserve(&[limit, narrow], 6, START + HOUR, at(START)).unwrap()
        };
        deny(roomy, plain);
        let mut tight = Rig::bounded(Bounds { bytes_max: roomy.shard.bytes(), ..BOUNDS });
        let (outcomes, open) = deny(&mut tight, strict);
        assert!(open.is_none());
        let told: Vec<_> = outcomes.iter().map(|one| (one.over, one.remaining)).collect();
        assert_eq!(told, [(false, 50), (true, 0)], "{limit:?}");
        assert_eq!(tight.left(plain, at(START)), 50, "{limit:?}");
    });
}

#[test]
fn a_bucket_whose_holds_have_ended_may_leave_again() {
    each(|rig, limit| {
        assert!(!rig.hit(limit, 1, at(START)).over);
        let open = rig.reserve(&[limit], 99, START + 10, at(START)).unwrap();
        assert_eq!(rig.shard.slot(key(limit)).unwrap().fill, FULL);
        assert_eq!(rig.cancel(&open, at(START + 10)), Err(Unsettled::Ended));
        assert!(rig.shard.slot(key(limit)).unwrap().fill < FULL, "{limit:?}");
    });
}
