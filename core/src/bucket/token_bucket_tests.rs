//! The seed trace, and GCRA held against a bucket of exact fractions.

use proptest::prelude::*;

use super::*;
use crate::limit::{Algorithm, Unit, Window};
use crate::time::{NANOS_PER_SECOND, Wall};

fn quota(limit: u32, window: Window) -> Quota {
    Quota {
        window,
        algorithm: Algorithm::TokenBucket { burst: limit },
        ..Quota::per_unit(limit, Unit::Second)
    }
}

fn at(nanos: u64) -> Now {
    Now { log: LogTime::from_nanos(nanos), epoch: Wall::from_nanos(nanos) }
}

fn seconds(second: u64) -> Now {
    at(second * NANOS_PER_SECOND)
}

#[test]
fn a_bucket_of_ten_refilled_at_one_a_second() {
    let quota = quota(1, Window::of_unit(Unit::Second));
    let mut bucket = TokenBucket::fresh(&quota, seconds(100));
    for left in (0..10).rev() {
        let outcome = bucket.charge(&quota, 10, Charge::Hits(1), seconds(100));
        assert_eq!((outcome.over, outcome.remaining), (false, left));
    }
    let eleventh = bucket.charge(&quota, 10, Charge::Hits(1), seconds(100));
    assert!(eleventh.over);
    assert_eq!(eleventh.retry_after, Some(Duration::from_secs(1)));
    assert_eq!(eleventh.reset_after, Duration::from_secs(10));
    assert!(!bucket.charge(&quota, 10, Charge::Hits(1), seconds(101)).over);
    assert!(bucket.charge(&quota, 10, Charge::Hits(1), seconds(101)).over);
}

#[test]
fn idle_time_never_saves_up_more_than_the_burst() {
    let quota = quota(10, Window::of_length(Duration::from_secs(10)).unwrap());
    let mut bucket = TokenBucket::fresh(&quota, seconds(0));
    for _ in 0..10 {
        assert!(!bucket.charge(&quota, 10, Charge::Hits(1), seconds(0)).over);
    }
    let admitted =
        (0..30).filter(|_| !bucket.charge(&quota, 10, Charge::Hits(1), seconds(1_000)).over);
    assert_eq!(admitted.count(), 10);
}

#[test]
fn a_charge_larger_than_the_burst_never_passes_and_spends_nothing() {
    let quota = quota(10, Window::of_unit(Unit::Minute));
    let mut bucket = TokenBucket::fresh(&quota, seconds(0));
    assert!(bucket.charge(&quota, 10, Charge::Hits(11), seconds(0)).over);
    assert!(bucket.charge(&quota, 10, Charge::Hits(1_000_000_000), seconds(0)).over);
    assert!(!bucket.charge(&quota, 10, Charge::Hits(10), seconds(0)).over);
}

#[test]
fn a_bucket_that_takes_longer_to_fill_than_time_can_say_still_ends() {
    let quota = quota(1, Window::of_unit(Unit::Year));
    let mut bucket = TokenBucket::fresh(&quota, seconds(0));
    let admitted = (0..2_000)
        .filter(|_| !bucket.charge(&quota, u32::MAX, Charge::Hits(1_000_000_000), seconds(0)).over);
    assert!(admitted.count() < 5);
}

#[test]
fn a_limit_of_zero_refuses_everything() {
    let quota = quota(0, Window::of_unit(Unit::Minute));
    let mut bucket = TokenBucket::fresh(&quota, seconds(0));
    assert!(bucket.charge(&quota, 5, Charge::Hits(1), seconds(0)).over);
    assert!(bucket.charge(&quota, 0, Charge::Hits(1), seconds(900)).over);
}

#[test]
fn a_refund_fills_the_bucket_but_never_beyond_its_size() {
    let quota = quota(10, Window::of_unit(Unit::Minute));
    let mut bucket = TokenBucket::fresh(&quota, seconds(0));
    bucket.charge(&quota, 10, Charge::Hits(8), seconds(0));
    let outcome = bucket.charge(&quota, 10, Charge::Refund(3), seconds(0));
    assert_eq!((outcome.after, outcome.remaining), (5, 5));
    assert_eq!(bucket.charge(&quota, 10, Charge::Refund(99), seconds(0)).remaining, 10);
    assert!(bucket.charge(&quota, 10, Charge::Hits(11), seconds(0)).over);
}

#[test]
fn a_peek_says_whether_a_hit_would_pass() {
    let quota = quota(1, Window::of_unit(Unit::Minute));
    let mut bucket = TokenBucket::fresh(&quota, seconds(0));
    assert!(!bucket.charge(&quota, 1, Charge::Hits(0), seconds(0)).over);
    assert!(!bucket.charge(&quota, 1, Charge::Hits(1), seconds(0)).over);
    assert!(bucket.charge(&quota, 1, Charge::Hits(0), seconds(0)).over);
}

#[test]
fn a_changed_rate_keeps_the_missing_hits_and_a_new_burst_acts_at_once() {
    let hour = Window::of_unit(Unit::Hour);
    let (fast, slow) = (quota(1_000, hour), quota(10, hour));
    let drain = |quota: &Quota| {
        let mut bucket = TokenBucket::fresh(quota, seconds(0));
        assert!(!bucket.charge(quota, 5, Charge::Hits(5), seconds(0)).over);
        bucket
    };
    // Lowered: what was handed out is not handed out again.
    let mut lowered = drain(&fast);
    let outcome = lowered.charge(&slow, 5, Charge::Hits(1), seconds(0));
    assert_eq!((outcome.over, outcome.retry_after), (true, Some(Duration::from_secs(360))));
    // Raised: the refill is the new one.
    let mut raised = drain(&slow);
    assert_eq!(raised.charge(&fast, 5, Charge::Hits(0), seconds(0)).remaining, 0);
    assert_eq!(raised.charge(&fast, 5, Charge::Hits(0), seconds(18)).remaining, 5);
    // With a smaller burst the missing hits are refilled first, a larger one has what is added.
    let mut smaller = drain(&slow);
    assert!(smaller.charge(&slow, 2, Charge::Hits(1), seconds(3 * 360)).over);
    assert!(!smaller.charge(&slow, 2, Charge::Hits(1), seconds(4 * 360)).over);
    let mut larger = drain(&slow);
    assert_eq!(larger.charge(&slow, 8, Charge::Hits(0), seconds(0)).remaining, 3);
}

proptest! {
    /// Against a bucket that counts in exact fractions: the same answers where a hit's share of
    /// the window is a whole number of nanoseconds, and never more where it is not.
    #[test]
    fn agrees_with_a_bucket_of_exact_fractions(
        limit in 1..12_u64,
        burst in 0..20_u32,
        steps in proptest::collection::vec((0..4_000_000_u64, 0..6_u64, any::<bool>()), 1..120),
    ) {
        let length = 3_000_000_u64;
        let exact = length.is_multiple_of(limit);
        let window = Window::of_length(Duration::from_nanos(length)).unwrap();
        let quota = quota(u32::try_from(limit).unwrap(), window);
        let mut bucket = TokenBucket::fresh(&quota, at(0));
        // Tokens in units of 1/length, so that a nanosecond adds `limit` of them.
        let size = u64::from(burst) * length;
        let (mut tokens, mut now, mut admitted, mut allowance) = (size, 0, 0_u64, 0_u64);
        for (pause, hits, refund) in steps {
            now += pause;
            tokens = size.min(tokens + pause * limit);
            allowance = now * limit / length + u64::from(burst);
            let charge = if refund { Charge::Refund(hits) } else { Charge::Hits(hits) };
            let outcome = bucket.charge(&quota, burst, charge, at(now));
            if !refund && !outcome.over {
                admitted += hits;
            }
            if refund {
                // A refund allows that much more.
                admitted = admitted.saturating_sub(hits);
                tokens = size.min(tokens + hits * length);
                continue;
            }
            let over = tokens < hits.max(1) * length;
            if exact {
                prop_assert_eq!(outcome.over, over);
            } else if over {
                prop_assert!(outcome.over, "admitted what the exact bucket refuses");
            }
            if !outcome.over {
                tokens -= hits * length;
            }
        }
        prop_assert!(admitted <= allowance);
    }

    /// A refused charge passes exactly when it was told to come back.
    #[test]
    fn retry_after_is_the_first_moment_that_works(
        limit in 1..1_000_u32, burst in 1..50_u32, spent in 1..50_u64, hits in 1..50_u64,
    ) {
        let quota = quota(limit, Window::of_unit(Unit::Second));
        let mut bucket = TokenBucket::fresh(&quota, at(5));
        bucket.charge(&quota, burst, Charge::Hits(spent), at(5));
        let outcome = bucket.charge(&quota, burst, Charge::Hits(hits), at(5));
        let Some(retry) = outcome.retry_after.filter(|_| hits <= u64::from(burst)) else {
            return Ok(());
        };
        let then = 5 + u64::try_from(retry.as_nanos()).unwrap();
        let mut later = bucket;
        prop_assert!(later.charge(&quota, burst, Charge::Hits(hits), at(then - 1)).over);
        prop_assert!(!bucket.charge(&quota, burst, Charge::Hits(hits), at(then)).over);
    }

    /// Decisions of several threads may be applied a little out of order: what is admitted up to
    /// any moment never exceeds the burst and the refill until the latest time seen.
    #[test]
    fn times_out_of_order_admit_no_more(
        limit in 1..50_u64,
        burst in 1..20_u32,
        steps in proptest::collection::vec((0..400_000_u64, 0..300_000_u64, 1..6_u64), 1..150),
    ) {
        let length = 3_000_000_u64;
        let window = Window::of_length(Duration::from_nanos(length)).unwrap();
        let quota = quota(u32::try_from(limit).unwrap(), window);
        let start = 1_000_000;
        let mut bucket = TokenBucket::fresh(&quota, at(start));
        let (mut clock, mut latest, mut admitted) = (start, start, 0);
        for (pause, behind, hits) in steps {
            clock += pause;
            let now = clock.saturating_sub(behind).max(start);
            latest = latest.max(now);
            if !bucket.charge(&quota, burst, Charge::Hits(hits), at(now)).over {
                admitted += hits;
            }
            prop_assert!(admitted <= u64::from(burst) + (latest - start) * limit / length);
        }
    }
}
