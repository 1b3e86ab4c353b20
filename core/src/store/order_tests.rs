//! Charges that come a little out of order, around buckets that a later charge has freed.
//!
//! Threads read the clock before they wait for the shard, so a charge may be applied after one with
//! a later time, or after a sweep with one. What is left of an earlier time must not open again.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::descriptor::Entry;
use crate::key::KeySecret;
use crate::limit::{Algorithm, Quota, Unit, Window};
use crate::plan::{Label, Operation};
use crate::time::{LogTime, Wall};

const LENGTH: u64 = 10_000_000;
const BOUNDS: Bounds = Bounds { keys_max: 1_000, bytes_max: 1 << 20 };
const ENTRIES: &[Entry<'_>] = &[Entry { key: "k", value: "v" }];

fn at(nanos: u64) -> Now {
    Now { log: LogTime::from_nanos(nanos), epoch: Wall::from_nanos(nanos) }
}

fn quota(limit: u32, algorithm: Algorithm) -> Quota {
    let window = Window::of_length(Duration::from_nanos(LENGTH)).unwrap();
    Quota { window, algorithm, ..Quota::per_unit(limit, Unit::Second) }
}

fn hit(shard: &mut Shard, quota: Quota, hits: u64, now: Now) -> Outcome {
    let operation = Operation {
        key: KeySecret::new([1; 16]).begin("d").finish(quota.shape(0)),
        quota,
        charge: Charge::Hits(hits),
        domain: DomainTag(1),
        limit: None,
        label: Label { domain: "d", entries: ENTRIES, named: None },
        first_shared: None,
    };
    shard.charge(&operation, &[operation.key], now).unwrap()
}

#[test]
fn a_bucket_that_a_later_sweep_freed_is_not_opened_again_for_an_earlier_time() {
    let burst = Algorithm::TokenBucket { burst: 2 };
    for algorithm in [Algorithm::FixedWindow, Algorithm::SlidingWindow, burst] {
        let (mut shard, quota) = (Shard::new(BOUNDS), quota(2, algorithm));
        assert!(!hit(&mut shard, quota, 2, at(0)).over);
        shard.sweep(u16::MAX, at(LENGTH));
        assert_eq!(shard.keys(), 0);
        // Read the clock before that sweep, and is answered after it: it passes, and counts from
        // then on.
        let late = hit(&mut shard, quota, 2, at(LENGTH - 1));
        assert!(!late.over, "{algorithm:?}");
        assert_eq!(late.reset_after, Duration::from_nanos(LENGTH), "{algorithm:?}");
        assert!(hit(&mut shard, quota, 2, at(2 * LENGTH - 1)).over, "{algorithm:?}");
        assert!(!hit(&mut shard, quota, 2, at(2 * LENGTH)).over, "{algorithm:?}");
    }
}

#[test]
fn a_hit_that_comes_late_is_counted_when_it_comes() {
    let quota = quota(2, Algorithm::SlidingWindow);
    let mut shard = Shard::new(BOUNDS);
    // One that is kept, so that the refusal meets a bucket that stays.
    assert!(!hit(&mut shard, quota, 1, at(0)).over);
    assert!(hit(&mut shard, quota, 2, at(10)).over);
    // Read the clock before that one, and is answered after it.
    assert!(!hit(&mut shard, quota, 1, at(5)).over);
    assert!(!hit(&mut shard, quota, 1, at(LENGTH)).over);
    assert!(hit(&mut shard, quota, 1, at(5 + LENGTH)).over);
    assert!(!hit(&mut shard, quota, 1, at(10 + LENGTH)).over);
}

#[test]
fn a_late_refusal_ends_no_penalty_early() {
    let penalty_max = Some(Duration::from_nanos(100 * LENGTH));
    let quota = Quota { penalty_max, ..quota(1, Algorithm::FixedWindow) };
    let mut shard = Shard::new(BOUNDS);
    let told = |shard: &mut Shard, now| {
        let wait = hit(shard, quota, 1, at(now)).retry_after.unwrap_or_default();
        now + u64::try_from(wait.as_nanos()).unwrap()
    };
    assert!(!hit(&mut shard, quota, 1, at(0)).over);
    // Eight refusals reach the longest wait.
    let until = (0..8).map(|_| told(&mut shard, 5_000)).last().unwrap();
    assert_eq!(until, 100 * LENGTH + 5_000);
    hit(&mut shard, quota, 1, at(1_000));
    assert!(hit(&mut shard, quota, 1, at(until - 1)).over);
}

#[test]
fn a_refund_that_is_taken_back_is_not_swept_away_in_between() {
    for algorithm in [Algorithm::SlidingWindow, Algorithm::TokenBucket { burst: 3 }] {
        let (mut shard, quota) = (Shard::new(BOUNDS), quota(3, algorithm));
        assert!(!hit(&mut shard, quota, 3, at(0)).over);
        let other = Quota { limit: 0, ..quota };
        let of = |domain, quota: Quota, charge| Operation {
            key: KeySecret::new([1; 16]).begin(domain).finish(quota.shape(0)),
            quota,
            charge,
            domain: DomainTag(1),
            limit: None,
            label: Label { domain, entries: ENTRIES, named: None },
            first_shared: None,
        };
        // The refund empties the bucket, so that it says no more than none would; a new bucket
        // makes the hand move.
        let request = [
            of("d", quota, Charge::Refund(3)),
            of("e", quota, Charge::Hits(1)),
            of("f", other, Charge::Hits(1)),
        ];
        let refuse = |_: &[Outcome]| false;
        super::super::charge_all_or_none(&mut shard, &request, at(0), refuse).unwrap();
        assert!(hit(&mut shard, quota, 1, at(0)).over, "{algorithm:?}");
    }
}

fn algorithms() -> impl Strategy<Value = Algorithm> {
    prop_oneof![
        Just(Algorithm::FixedWindow),
        Just(Algorithm::SlidingWindow),
        (1..8_u32).prop_map(|burst| Algorithm::TokenBucket { burst }),
    ]
}

/// What the algorithm promises of hits that were admitted at these times, in their order.
fn keeps_its_promise(quota: &Quota, admitted: &[(u64, u64)]) -> bool {
    let limit = u64::from(quota.limit);
    let sum = |all: &[(u64, u64)]| all.iter().map(|(_, hits)| hits).sum::<u64>();
    let within = |from: usize, end: u64| {
        let inside = admitted[from..].iter().take_while(|(time, _)| *time < end).count();
        sum(&admitted[from..from + inside])
    };
    (0..admitted.len()).all(|from| match quota.algorithm {
        Algorithm::FixedWindow => {
            let start = admitted[from].0 / LENGTH * LENGTH;
            let first = admitted.partition_point(|(time, _)| *time < start);
            within(first, start + LENGTH) <= limit
        }
        Algorithm::SlidingWindow => within(from, admitted[from].0 + LENGTH) <= limit,
        Algorithm::TokenBucket { burst } => (from..admitted.len()).all(|to| {
            let refill = (admitted[to].0 - admitted[from].0) * limit / LENGTH;
            sum(&admitted[from..=to]) <= u64::from(burst) + refill
        }),
    })
}

proptest! {
    /// Threads are a little apart, and buckets are freed as soon as they end. Each admission counts
    /// at the earliest time at which its answer can have been given: the latest time that the shard
    /// had seen. Held against that, no algorithm admits more than it promises.
    #[test]
    fn whatever_the_order_no_algorithm_admits_more_than_it_promises(
        algorithm in algorithms(),
        limit in prop_oneof![1..10_u32, 500..600_u32],
        steps in proptest::collection::vec(
            (0..4_000_000_u64, 0..3_000_000_u64, prop_oneof![1..5_u64, 1..60_u64], any::<bool>()),
            1..200),
    ) {
        let quota = quota(limit, algorithm);
        let mut shard = Shard::new(BOUNDS);
        let (mut clock, mut latest, mut admitted) = (LENGTH, 0, Vec::new());
        for (pause, behind, hits, sweeps) in steps {
            clock += pause;
            let now = clock - behind;
            latest = latest.max(now);
            if sweeps {
                shard.sweep(u16::MAX, at(now));
            } else if !hit(&mut shard, quota, hits, at(now)).over {
                admitted.push((latest, hits));
            }
        }
        prop_assert!(keeps_its_promise(&quota, &admitted), "{admitted:?}");
    }
}
