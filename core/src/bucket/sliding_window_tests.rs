//! The seed traces, and the promise held against a list of every admission.

use proptest::prelude::*;

use super::*;
use crate::limit::{Algorithm, Unit, Window};
use crate::time::{NANOS_PER_SECOND, Wall};

fn quota(limit: u32, window: Window) -> Quota {
    Quota { window, algorithm: Algorithm::SlidingWindow, ..Quota::per_unit(limit, Unit::Second) }
}

fn at(nanos: u64) -> Now {
    Now { log: LogTime::from_nanos(nanos), epoch: Wall::from_nanos(nanos) }
}

fn hit(window: &mut SlidingWindow, quota: &Quota, second: u64) -> bool {
    !window.charge(quota, Charge::Hits(1), at(second * NANOS_PER_SECOND)).over
}

#[test]
fn a_hundred_in_any_sixty_seconds() {
    let quota = quota(100, Window::of_unit(Unit::Minute));
    let mut window = SlidingWindow::fresh(Window::of_unit(Unit::Minute));
    for i in 0..100 {
        assert!(hit(&mut window, &quota, 1_000 + i / 2));
    }
    assert!(!hit(&mut window, &quota, 1_059));
    // The two hits of second 1000 leave at 1060, and only those.
    assert!(hit(&mut window, &quota, 1_060));
    assert!(hit(&mut window, &quota, 1_060));
    assert!(!hit(&mut window, &quota, 1_060));
}

#[test]
fn a_refused_hit_spends_nothing_and_is_told_when_to_come_back() {
    let quota = quota(2, Window::of_unit(Unit::Minute));
    let mut window = SlidingWindow::fresh(Window::of_unit(Unit::Minute));
    assert!(hit(&mut window, &quota, 10));
    assert!(hit(&mut window, &quota, 30));
    for _ in 0..5 {
        let outcome = window.charge(&quota, Charge::Hits(1), at(40 * NANOS_PER_SECOND));
        assert_eq!(outcome.retry_after, Some(Duration::from_secs(30)));
        assert_eq!((outcome.over, outcome.after), (true, 2));
    }
    let both = window.charge(&quota, Charge::Hits(2), at(40 * NANOS_PER_SECOND));
    assert_eq!(both.retry_after, Some(Duration::from_secs(50)));
    assert!(hit(&mut window, &quota, 70));
}

#[test]
fn a_peek_says_whether_a_hit_would_pass() {
    let quota = quota(1, Window::of_unit(Unit::Minute));
    let mut window = SlidingWindow::fresh(Window::of_unit(Unit::Minute));
    assert!(!window.charge(&quota, Charge::Hits(0), at(0)).over);
    assert!(hit(&mut window, &quota, 0));
    assert!(window.charge(&quota, Charge::Hits(0), at(0)).over);
}

#[test]
fn a_refund_takes_back_the_latest_hits() {
    let quota = quota(3, Window::of_unit(Unit::Minute));
    let mut window = SlidingWindow::fresh(Window::of_unit(Unit::Minute));
    for second in [10, 20, 30] {
        assert!(hit(&mut window, &quota, second));
    }
    let outcome = window.charge(&quota, Charge::Refund(2), at(30 * NANOS_PER_SECOND));
    assert_eq!((outcome.after, outcome.remaining), (1, 2));
    assert_eq!(outcome.reset_after, Duration::from_secs(40));
    assert_eq!(window.charge(&quota, Charge::Refund(9), at(0)).after, 0);
}

#[test]
fn a_changed_number_acts_at_once_and_keeps_the_runs() {
    let minute = Window::of_unit(Unit::Minute);
    let mut window = SlidingWindow::fresh(Window::of_unit(Unit::Minute));
    assert!(!window.charge(&quota(1_000, minute), Charge::Hits(500), at(0)).over);
    let lowered = window.charge(&quota(100, minute), Charge::Hits(1), at(1));
    assert_eq!((lowered.over, lowered.before), (true, 500));
    let raised = window.charge(&quota(600, minute), Charge::Hits(100), at(2));
    assert_eq!((raised.over, raised.remaining), (false, 0));
}

#[test]
fn above_the_exact_bound_memory_stays_bounded() {
    let quota = quota(1_000_000, Window::of_unit(Unit::Minute));
    let mut window = SlidingWindow::fresh(Window::of_unit(Unit::Minute));
    for i in 0..200_000 {
        window.charge(&quota, Charge::Hits(1), at(i * 1_000_000));
    }
    assert!(window.runs.len() as u64 <= PARTS + 2, "{} runs", window.runs.len());
}

/// The most hits in any half-open window of `length`, over all admissions.
fn most_in_any_window(admitted: &[(u64, u64)], length: u64) -> u64 {
    let within = |start: u64| {
        let inside = admitted.iter().filter(|(t, _)| (start..start + length).contains(t));
        inside.map(|(_, hits)| hits).sum()
    };
    admitted.iter().map(|(start, _)| within(*start)).max().unwrap_or(0)
}

proptest! {
    /// Sweeps every window over all admissions: never more than the limit, exact or in parts, at
    /// any resolution of times, with the number changing to no more than the greatest one used.
    #[test]
    fn never_more_than_the_limit_in_any_window(
        limit in prop_oneof![1..10_u32, 120..140_u32, 500..600_u32],
        steps in proptest::collection::vec((0..3_000_000_u64, 1..60_u64), 1..200),
    ) {
        let length = 10_000_000;
        let quota = quota(limit, Window::of_length(Duration::from_nanos(length)).unwrap());
        let mut window = SlidingWindow::fresh(quota.window);
        let (mut now, mut admitted) = (0, Vec::new());
        for (pause, hits) in steps {
            now += pause;
            if !window.charge(&quota, Charge::Hits(hits), at(now)).over {
                admitted.push((now, hits));
            }
        }
        prop_assert!(most_in_any_window(&admitted, length) <= u64::from(limit));
    }

    /// Up to the exact bound, every answer is that of the list of admitted hits.
    #[test]
    fn the_exact_window_agrees_with_a_list(
        limit in 0..12_u32,
        steps in proptest::collection::vec((0..4_000_000_u64, 0..4_u64, any::<bool>()), 1..120),
    ) {
        let length = 10_000_000;
        let quota = quota(limit, Window::of_length(Duration::from_nanos(length)).unwrap());
        let mut window = SlidingWindow::fresh(quota.window);
        let (mut now, mut list) = (0_u64, Vec::<u64>::new());
        for (pause, hits, refund) in steps {
            now += pause;
            list.retain(|t| t + length > now);
            let before = list.len() as u64;
            let charge = if refund { Charge::Refund(hits) } else { Charge::Hits(hits) };
            let outcome = window.charge(&quota, charge, at(now));
            let over = !refund && before + hits.max(1) > u64::from(limit);
            if refund {
                list.truncate(list.len().saturating_sub(hits as usize));
            } else if !over {
                list.extend(std::iter::repeat_n(now, hits as usize));
            }
            prop_assert_eq!(outcome.over, over);
            prop_assert_eq!((outcome.before, outcome.after), (before, list.len() as u64));
            if let Some(retry) = outcome.retry_after.filter(|_| hits.max(1) <= u64::from(limit)) {
                let mut later = window.clone();
                let then = now + u64::try_from(retry.as_nanos()).unwrap();
                prop_assert!(later.clone().charge(&quota, charge, at(then - 1)).over);
                prop_assert!(!later.charge(&quota, charge, at(then)).over);
            }
        }
    }
}
