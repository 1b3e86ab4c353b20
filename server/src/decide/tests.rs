//! The decider as a whole, on a clock that the tests move.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tollgate_core::decision::Code;
use tollgate_core::descriptor::{Descriptor, Entry};
use tollgate_core::key::KeySecret;
use tollgate_core::limit::{Bound, Limit, Node, Options, Quota, Rules, Unit};
use tollgate_core::time::{ManualClock, NANOS_PER_SECOND, Wall};

use super::double::{On, on_both};
use super::*;
use crate::done::Done as _;

const SECRET: KeySecret = KeySecret::new([3; 16]);
const ROOMY: Bounds = Bounds { keys_max: 1_000_000, bytes_max: 1 << 30 };

fn active(limit: u32, unit: Unit) -> Active {
    let bound = Bound::Limited(Quota::per_unit(limit, unit));
    let limit = Limit::new(bound, Arc::from("d.user"));
    let node = Node { key: "user".into(), limits: Box::new([limit]), ..Node::default() };
    let mut rules = Rules::default();
    rules.add(node).unwrap();
    Active::new(vec![(Arc::from("d"), rules, Options::default())], Answers::default(), &SECRET)
}

fn decider(on: On, active: Active, bounds: Bounds) -> (Arc<ManualClock>, Decider) {
    let wall = Wall::from_nanos(1_700_000_003 * NANOS_PER_SECOND);
    let clock = Arc::new(ManualClock::starting_at(wall));
    let decider = on.decider(active, SECRET, bounds, Arc::clone(&clock) as Arc<dyn Clock>);
    (clock, decider)
}

fn ask(decider: &Decider, user: &str) -> Result<Code, Unavailable> {
    let entries = [Entry { key: "user", value: user }];
    let descriptors = [Descriptor { entries: &entries, limit_override: None, charge: None }];
    let request = Request { domain: "d", descriptors: &descriptors, hits_addend: 0 };
    decider
        .check(&decider.active(), &request, Terms::default())
        .done()
        .map(|checked| checked.decision.overall)
}

fn threads_on_one_key_are_admitted_exactly_to_the_limit(on: On) {
    let (_, decider) = decider(on, active(1_000, Unit::Day), ROOMY);
    let admitted = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    if ask(&decider, "a") == Ok(Code::Ok) {
                        admitted.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(admitted.into_inner(), 1_000);
}

fn a_window_ends_with_the_clock_and_not_with_a_step_of_it(on: On) {
    let (clock, decider) = decider(on, active(1, Unit::Minute), ROOMY);
    assert_eq!(ask(&decider, "a"), Ok(Code::Ok));
    clock.step_wall_to(Wall::from_nanos(1_800_000_000 * NANOS_PER_SECOND));
    decider.tick();
    assert_eq!(ask(&decider, "a"), Ok(Code::OverLimit));
    clock.step_wall_to(Wall::from_nanos(0));
    decider.tick();
    assert_eq!(ask(&decider, "a"), Ok(Code::OverLimit));
    clock.advance(Duration::from_secs(37));
    assert_eq!(ask(&decider, "a"), Ok(Code::Ok));
}

fn a_full_ledger_is_an_error_and_never_reads_as_allowed(on: On) {
    // One key a shard, each with its limit spent.
    let bounds = Bounds { keys_max: 256, bytes_max: 1 << 30 };
    let (_, decider) = decider(on, active(1, Unit::Day), bounds);
    let answers: Vec<_> = (0..4_096).map(|i| ask(&decider, &i.to_string())).collect();
    let allowed = answers.iter().filter(|answer| **answer == Ok(Code::Ok)).count();
    let refused = answers.iter().filter(|answer| answer.is_err()).count();
    assert_eq!((allowed, refused), (256, 4_096 - 256));
    assert_eq!(decider.totals().keys, 256);
    assert_eq!(decider.totals().stats.refused, 4_096 - 256);
}

fn an_idle_ledger_empties_with_the_ticks(on: On) {
    let (clock, decider) = decider(on, active(5, Unit::Second), ROOMY);
    for i in 0..10_000 {
        ask(&decider, &i.to_string()).unwrap();
    }
    assert_eq!(decider.totals().keys, 10_000);
    for _ in 0..60 {
        clock.advance(Duration::from_secs(1));
        decider.tick();
    }
    assert_eq!(decider.totals().keys, 0);
    assert_eq!(decider.totals().stats.expired, 10_000);
}

on_both! {
    threads_on_one_key_are_admitted_exactly_to_the_limit,
    a_window_ends_with_the_clock_and_not_with_a_step_of_it,
    a_full_ledger_is_an_error_and_never_reads_as_allowed,
    an_idle_ledger_empties_with_the_ticks,
}
