//! Domains that charge all limits of a request or none.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tollgate_core::descriptor::{Charge, Descriptor, Entry};
use tollgate_core::limit::{Algorithm, Bound, Limit, Node, Options, Quota, Rules, Unit};
use tollgate_core::time::{ManualClock, NANOS_PER_SECOND, Wall};

use super::double::{On, on_both};
use super::*;
use crate::done::Done as _;

const SECRET: KeySecret = KeySecret::new([3; 16]);
const ROOMY: Bounds = Bounds { keys_max: 1_000_000, bytes_max: 1 << 30 };

/// One limit an hour for each key, in a domain that charges all or none.
fn decider(on: On, bounds: Bounds, limits: &[(&str, Quota)]) -> (Arc<ManualClock>, Decider) {
    let mut rules = Rules::default();
    for (key, quota) in limits {
        let limit = Limit::new(Bound::Limited(*quota), Arc::from(*key));
        let limits: Box<[Limit]> = Box::new([limit]);
        rules.add(Node { key: (*key).into(), limits, ..Node::default() }).unwrap();
    }
    let options = Options { atomic: true, ..Options::default() };
    let active = Active::new(vec![(Arc::from("d"), rules, options)], Answers::default(), &SECRET);
    let clock =
        Arc::new(ManualClock::starting_at(Wall::from_nanos(1_700_000_000 * NANOS_PER_SECOND)));
    let decider = on.decider(active, SECRET, bounds, Arc::clone(&clock) as Arc<dyn Clock>);
    (clock, decider)
}

fn quota(limit: u32, algorithm: Algorithm) -> Quota {
    Quota { algorithm, ..Quota::per_unit(limit, Unit::Hour) }
}

/// Asks for one hit of each key; the overall code and what remains of each.
fn ask(decider: &Decider, keys: &[&str]) -> Result<(Code, Vec<u32>), Unavailable> {
    charge(decider, keys, None)
}

fn charge(
    decider: &Decider,
    keys: &[&str],
    charge: Option<Charge>,
) -> Result<(Code, Vec<u32>), Unavailable> {
    let entries: Vec<_> = keys.iter().map(|&key| [Entry { key, value: "v" }]).collect();
    let descriptor = |entries| Descriptor { entries, limit_override: None, charge };
    let descriptors: Vec<_> = entries.iter().map(|entries| descriptor(&entries[..])).collect();
    let request = Request { domain: "d", descriptors: &descriptors, hits_addend: 0 };
    let active = decider.active();
    let checked = decider.check(&active, &request, Terms::default()).done()?;
    let statuses = &checked.decision.statuses;
    Ok((checked.decision.overall, statuses.iter().map(|status| status.remaining).collect()))
}

const ALL: [Algorithm; 3] =
    [Algorithm::FixedWindow, Algorithm::SlidingWindow, Algorithm::TokenBucket { burst: 2 }];

fn a_denied_request_spends_nothing_of_any_limit(on: On) {
    for algorithm in ALL {
        let wide = Quota { algorithm: Algorithm::FixedWindow, ..quota(10, algorithm) };
        let (_, decider) = decider(on, ROOMY, &[("wide", wide), ("narrow", quota(2, algorithm))]);
        assert_eq!(ask(&decider, &["wide", "narrow"]), Ok((Code::Ok, vec![9, 1])));
        assert_eq!(ask(&decider, &["wide", "narrow"]), Ok((Code::Ok, vec![8, 0])));
        for _ in 0..5 {
            let (code, remaining) = ask(&decider, &["wide", "narrow"]).unwrap();
            assert_eq!((code, remaining), (Code::OverLimit, vec![8, 0]), "{algorithm:?}");
        }
        assert_eq!(ask(&decider, &["wide"]), Ok((Code::Ok, vec![7])));
    }
}

fn a_request_that_stands_in_its_own_way_is_no_reason_for_a_penalty(on: On) {
    let penalty_max = Some(Duration::from_secs(7_200));
    let strict = Quota { penalty_max, ..quota(2, Algorithm::FixedWindow) };
    let (_, decider) = decider(on, ROOMY, &[("a", strict)]);
    assert_eq!(ask(&decider, &["a", "a", "a"]).unwrap().0, Code::OverLimit);
    assert_eq!(ask(&decider, &["a", "a"]), Ok((Code::Ok, vec![1, 0])));
    assert_eq!(ask(&decider, &["a"]).unwrap().0, Code::OverLimit);
}

fn a_bucket_met_twice_in_one_request_is_charged_twice_or_not_at_all(on: On) {
    for algorithm in ALL {
        let (_, decider) = decider(on, ROOMY, &[("a", quota(2, algorithm))]);
        assert_eq!(ask(&decider, &["a", "a", "a"]).unwrap().0, Code::OverLimit);
        assert_eq!(ask(&decider, &["a", "a"]), Ok((Code::Ok, vec![1, 0])), "{algorithm:?}");
        assert_eq!(ask(&decider, &["a"]).unwrap().0, Code::OverLimit);
    }
}

fn threads_that_meet_the_same_limits_in_any_order_spend_exactly_what_passes(on: On) {
    let (_, decider) = decider(
        on,
        ROOMY,
        &[
            ("wide", quota(10_000, Algorithm::FixedWindow)),
            ("narrow", quota(500, Algorithm::SlidingWindow)),
        ],
    );
    let admitted = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for order in [["wide", "narrow"], ["narrow", "wide"]].repeat(4) {
            let (decider, admitted) = (&decider, &admitted);
            scope.spawn(move || {
                for _ in 0..500 {
                    if ask(decider, &order).unwrap().0 == Code::Ok {
                        admitted.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(admitted.into_inner(), 500);
    let (_, remaining) = charge(&decider, &["wide"], Some(Charge::Hits(0))).unwrap();
    assert_eq!(remaining, [9_500]);
}

fn a_full_ledger_charges_nothing(on: On) {
    let bounds = Bounds { keys_max: 256, bytes_max: 1 << 30 };
    let names: Vec<String> = (0..200).map(|i| format!("k{i}")).collect();
    let limits: Vec<_> =
        names.iter().map(|name| (&**name, quota(1, Algorithm::FixedWindow))).collect();
    let (_, decider) = decider(on, bounds, &limits);
    let all: Vec<_> = names.iter().map(|name| &**name).collect();
    // One key a shard: two hundred of them cannot all find room.
    assert_eq!(ask(&decider, &all), Err(Unavailable::LedgerFull));
    assert_eq!(decider.totals().keys, 0);
}

fn a_penalty_is_remembered_although_the_request_was_charged_nothing(on: On) {
    let penalty_max = Some(Duration::from_secs(7_200));
    let strict = Quota { penalty_max, ..quota(1, Algorithm::FixedWindow) };
    let (clock, decider) = decider(on, ROOMY, &[("a", strict)]);
    assert_eq!(ask(&decider, &["a"]).unwrap().0, Code::Ok);
    for _ in 0..8 {
        assert_eq!(ask(&decider, &["a"]).unwrap().0, Code::OverLimit);
    }
    clock.advance(Duration::from_secs(3_601));
    assert_eq!(ask(&decider, &["a"]).unwrap().0, Code::OverLimit, "it came back too early");
    clock.advance(Duration::from_secs(7_201));
    assert_eq!(ask(&decider, &["a"]).unwrap().0, Code::Ok);
}

fn refused_hits_of_a_lone_limit_spend_nothing(on: On) {
    let (_, decider) = decider(on, ROOMY, &[("a", quota(2, Algorithm::FixedWindow))]);
    assert_eq!(charge(&decider, &["a"], Some(Charge::Hits(5))).unwrap().0, Code::OverLimit);
    assert_eq!(ask(&decider, &["a"]), Ok((Code::Ok, vec![1])));
}

fn a_refund_in_a_denied_request_asks_nobody_to_wait(on: On) {
    for algorithm in ALL {
        let second = Quota { algorithm, ..Quota::per_unit(1, Unit::Second) };
        let (_, decider) = decider(on, ROOMY, &[("slow", quota(2, algorithm)), ("quick", second)]);
        assert_eq!(charge(&decider, &["slow"], Some(Charge::Hits(2))).unwrap().0, Code::Ok);
        while ask(&decider, &["quick"]).unwrap().0 == Code::Ok {}
        let (slow, quick) =
            ([Entry { key: "slow", value: "v" }], [Entry { key: "quick", value: "v" }]);
        let descriptor = |entries, charge| Descriptor { entries, limit_override: None, charge };
        let descriptors =
            [descriptor(&slow, Some(Charge::Refund(1))), descriptor(&quick, Some(Charge::Hits(1)))];
        let request = Request { domain: "d", descriptors: &descriptors, hits_addend: 0 };
        let active = decider.active();
        let previewed = decider.preview(&active, &request, Terms::default()).done().unwrap();
        let checked = decider.check(&active, &request, Terms::default()).done().unwrap();
        assert_eq!(checked.decision.overall, Code::OverLimit);
        let retry_after = checked.decision.retry_after.unwrap();
        assert!(retry_after <= Duration::from_secs(1), "{algorithm:?}: {retry_after:?}");
        assert_eq!(previewed.decision, checked.decision);
    }
}

on_both! {
    a_denied_request_spends_nothing_of_any_limit,
    a_request_that_stands_in_its_own_way_is_no_reason_for_a_penalty,
    a_bucket_met_twice_in_one_request_is_charged_twice_or_not_at_all,
    threads_that_meet_the_same_limits_in_any_order_spend_exactly_what_passes,
    a_full_ledger_charges_nothing,
    a_penalty_is_remembered_although_the_request_was_charged_nothing,
    refused_hits_of_a_lone_limit_spend_nothing,
    a_refund_in_a_denied_request_asks_nobody_to_wait,
}
