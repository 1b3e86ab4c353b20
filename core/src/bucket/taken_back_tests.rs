//! Charges that are taken back, beside a bucket that they were never charged to.

use proptest::prelude::*;

use super::*;
use crate::limit::{Unit, Window};
use crate::time::{LogTime, Wall};

/// A window's length.
const LENGTH: u64 = 64_000_000;

fn at(nanos: u64) -> Now {
    Now { log: LogTime::from_nanos(nanos), epoch: Wall::from_nanos(nanos) }
}

fn quota(limit: u32, algorithm: Algorithm) -> Quota {
    let window = Window::of_length(Duration::from_nanos(LENGTH)).unwrap();
    Quota { window, algorithm, counts_refused: false, ..Quota::per_unit(limit, Unit::Second) }
}

fn left(bucket: &Bucket, quota: &Quota, now: Now) -> u32 {
    let patient = Quota { penalty_max: None, ..*quota };
    bucket.clone().charge(&patient, Charge::Hits(0), now).remaining
}

#[test]
fn what_is_taken_back_at_once_is_there_again() {
    let burst = Algorithm::TokenBucket { burst: 10 };
    for algorithm in [Algorithm::FixedWindow, Algorithm::SlidingWindow, burst] {
        for penalty_max in [None, Some(Duration::from_secs(1))] {
            let quota = Quota { penalty_max, ..quota(10, algorithm) };
            let mut bucket = Bucket::fresh(&quota, at(LENGTH));
            bucket.charge(&quota, Charge::Hits(3), at(LENGTH));
            bucket.charge(&quota, Charge::Hits(6), at(LENGTH));
            assert_eq!(left(&bucket, &quota, at(LENGTH)), 1);
            bucket.take_back(&quota, 6, at(LENGTH), at(LENGTH));
            assert_eq!(left(&bucket, &quota, at(LENGTH)), 7, "{algorithm:?}");
            bucket.take_back(&quota, 0, at(LENGTH), at(LENGTH));
            assert_eq!(left(&bucket, &quota, at(LENGTH)), 7, "{algorithm:?}");
        }
    }
}

#[test]
fn a_window_that_ended_gives_nothing_of_the_next_one() {
    let quota = quota(10, Algorithm::FixedWindow);
    let mut bucket = Bucket::fresh(&quota, at(0));
    bucket.charge(&quota, Charge::Hits(6), at(LENGTH - 1));
    bucket.charge(&quota, Charge::Hits(5), at(LENGTH));
    bucket.take_back(&quota, 6, at(LENGTH - 1), at(LENGTH));
    assert_eq!(left(&bucket, &quota, at(LENGTH)), 5);
}

#[test]
fn a_sliding_window_gives_back_the_hits_of_then_and_not_the_latest() {
    let quota = quota(10, Algorithm::SlidingWindow);
    let mut bucket = Bucket::fresh(&quota, at(0));
    bucket.charge(&quota, Charge::Hits(4), at(1));
    bucket.charge(&quota, Charge::Hits(4), at(9));
    bucket.take_back(&quota, 4, at(1), at(10));
    assert_eq!(left(&bucket, &quota, at(10)), 6);
    // What is there still leaves with its own time.
    assert_eq!(left(&bucket, &quota, at(LENGTH + 8)), 6);
    assert_eq!(left(&bucket, &quota, at(LENGTH + 9)), 10);
}

#[test]
fn a_token_bucket_gives_back_what_cannot_have_refilled_since() {
    // A hit a million nanoseconds.
    let quota = quota(64, Algorithm::TokenBucket { burst: 10 });
    let mut bucket = Bucket::fresh(&quota, at(0));
    bucket.charge(&quota, Charge::Hits(8), at(0));
    bucket.take_back(&quota, 6, at(0), at(2_000_000));
    // Eight spent, two refilled, four of the six given back.
    assert_eq!(left(&bucket, &quota, at(2_000_000)), 8);
    bucket.take_back(&quota, 6, at(0), at(6_000_000));
    assert_eq!(left(&bucket, &quota, at(6_000_000)), 10);
}

#[test]
fn a_token_bucket_whose_number_changed_gives_nothing_back() {
    let burst = Algorithm::TokenBucket { burst: 10 };
    let (then, now) = (quota(64, burst), quota(32, burst));
    let mut bucket = Bucket::fresh(&then, at(0));
    bucket.charge(&then, Charge::Hits(4), at(0));
    bucket.charge(&now, Charge::Hits(4), at(0));
    bucket.take_back(&then, 4, at(0), at(0));
    assert_eq!(left(&bucket, &now, at(0)), 2);
}

#[test]
fn a_count_that_stopped_gives_nothing_back() {
    let quota = Quota { counts_refused: true, ..quota(u32::MAX - 5, Algorithm::FixedWindow) };
    let mut bucket = Bucket::fresh(&quota, at(0));
    bucket.charge(&quota, Charge::Hits(1_000_000_000), at(0));
    for _ in 0..8 {
        bucket.charge(&quota, Charge::Hits(1_000_000_000), at(0));
    }
    bucket.take_back(&quota, 1_000_000_000, at(0), at(0));
    assert_eq!(left(&bucket, &quota, at(0)), 0);
}

#[derive(Clone, Copy, Debug)]
struct Step {
    pause: u64,
    hits: u64,
    /// Taken back so many steps later.
    taken_back_after: Option<usize>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pause = prop_oneof![Just(0), 0..2_000_000_u64, 0..LENGTH];
    let after = proptest::option::of(0..6_usize);
    let step = (pause, 1..8_u64, after).prop_map(|(pause, hits, taken_back_after)| Step {
        pause,
        hits,
        taken_back_after,
    });
    proptest::collection::vec(step, 1..80)
}

fn quotas() -> impl Strategy<Value = Quota> {
    let algorithm = prop_oneof![
        Just(Algorithm::FixedWindow),
        Just(Algorithm::SlidingWindow),
        (1..40_u32).prop_map(|burst| Algorithm::TokenBucket { burst }),
    ];
    let limit = prop_oneof![1..30_u32, 130..200_u32];
    (limit, algorithm, any::<bool>(), any::<bool>()).prop_map(
        |(limit, algorithm, counts, grows)| {
            let penalty_max = grows.then_some(Duration::from_nanos(LENGTH));
            Quota { counts_refused: counts, penalty_max, ..quota(limit, algorithm) }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// One bucket is charged, and some of its charges are taken back. The other is charged only what
    /// was admitted to the first and is not taken back, ever. At no time is the first fuller.
    #[test]
    fn a_bucket_is_never_fuller_than_if_the_charge_had_never_been(
        quota in quotas(),
        steps in steps(),
        later in proptest::collection::vec(0..2 * LENGTH, 4),
    ) {
        let patient = Quota { penalty_max: None, ..quota };
        let (mut real, mut never) =
            (Bucket::fresh(&quota, at(LENGTH)), Bucket::fresh(&patient, at(LENGTH)));
        let mut due: Vec<(usize, u64, Now)> = Vec::new();
        let mut nanos = LENGTH;
        for (index, step) in steps.iter().enumerate() {
            nanos += step.pause;
            let now = at(nanos);
            for (_, hits, charged_at) in due.extract_if(.., |(when, ..)| *when <= index) {
                real.take_back(&quota, hits, charged_at, now);
            }
            let outcome = real.charge(&quota, Charge::Hits(step.hits), now);
            match step.taken_back_after {
                Some(after) if !outcome.over => due.push((index + after, step.hits, now)),
                // Refused hits stay counted where the quota says so.
                _ if outcome.after > outcome.before => {
                    never.charge(&patient, Charge::Hits(step.hits), now);
                }
                _ => {}
            }
            for wait in later.iter().chain([&0]) {
                let then = at(nanos + wait);
                let (left, most) = (left(&real, &quota, then), left(&never, &quota, then));
                prop_assert!(left <= most, "{left} of {most} at {then:?}: {real:?} {never:?}");
            }
        }
    }

    /// The image of a bucket is all of it.
    #[test]
    fn a_bucket_is_its_image(quota in quotas(), steps in steps()) {
        let mut bucket = Bucket::fresh(&quota, at(LENGTH));
        let mut nanos = LENGTH;
        for step in steps {
            nanos += step.pause;
            bucket.charge(&quota, Charge::Hits(step.hits), at(nanos));
            let again = Bucket::from_image(bucket.image());
            prop_assert_eq!(again.as_ref(), Ok(&bucket));
            prop_assert_eq!(again.map(|again| again.heap_bytes()), Ok(bucket.heap_bytes()));
        }
    }
}

#[test]
fn an_image_of_no_bucket_is_refused() {
    let window = |runs: Vec<(u64, u32)>| {
        let runs = runs.into_iter().map(|(at, hits)| (LogTime::from_nanos(at), hits)).collect();
        BucketImage {
            plain: PlainImage::SlidingWindow { length_nanos: LENGTH, runs },
            penalty: None,
        }
    };
    let refused = |image| Bucket::from_image(image).unwrap_err();
    assert!(Bucket::from_image(window(vec![(1, 1), (2, 1)])).is_ok());
    assert_eq!(refused(window(vec![(2, 1), (2, 1)])), BadBucket::Order);
    assert_eq!(refused(window(vec![(1, 1), (2, 0)])), BadBucket::Order);
    let many = (0..=RUNS_MAX as u64).map(|at| (at, 1)).collect();
    assert_eq!(refused(window(many)), BadBucket::Runs(RUNS_MAX + 1));
    let quota = Quota { penalty_max: Some(Duration::ZERO), ..quota(1, Algorithm::FixedWindow) };
    let mut image = Bucket::fresh(&quota, at(0)).image();
    if let Some(penalty) = &mut image.penalty {
        penalty.steps = 33;
    }
    assert_eq!(refused(image), BadBucket::Steps(33));
}
