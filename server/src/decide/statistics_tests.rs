//! What a whole decision counts, against what it answered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use tollgate_core::decision::Code;
use tollgate_core::descriptor::{Charge, Descriptor, Entry};
use tollgate_core::key::KeySecret;
use tollgate_core::limit::{Algorithm, Bound, Node, Options, Quota, Rules, Unit};
use tollgate_core::store::Bounds;
use tollgate_core::tally::Tally;
use tollgate_core::time::{Clock, ManualClock, NANOS_PER_SECOND, Wall};

use super::*;
use crate::config::Domains;
use crate::decide::Terms;
use crate::decide::double::{On, on_both};
use crate::decide::{Answers, Decider};
use crate::done::Done as _;

const SECRET: KeySecret = KeySecret::new([3; 16]);
const ROOMY: Bounds = Bounds { keys_max: 1_000_000, bytes_max: 1 << 30 };
const TEN: u32 = 10;

/// One rule for each algorithm, a shadow, and one whose name shows the request.
fn domains(atomic: bool) -> Domains {
    let quota = |algorithm| Quota { algorithm, ..Quota::per_unit(TEN, Unit::Minute) };
    let mut rules = Rules::default();
    for (key, algorithm) in [
        ("fixed", Algorithm::FixedWindow),
        ("sliding", Algorithm::SlidingWindow),
        ("tokens", Algorithm::TokenBucket { burst: TEN }),
        ("shadow", Algorithm::FixedWindow),
        ("shown", Algorithm::SlidingWindow),
    ] {
        let limit = Limit::new(Bound::Limited(quota(algorithm)), format!("d.{key}").into());
        let limit = Limit { shadow: key == "shadow", ..limit };
        let node = Node { key: key.into(), limits: Box::new([limit]), ..Node::default() };
        rules.add(Node { value_to_metric: key == "shown", ..node }).unwrap();
    }
    vec![(Arc::from("d"), rules, Options { atomic, ..Options::default() })]
}

fn node(on: On, atomic: bool) -> (Arc<ManualClock>, Decider) {
    let wall = Wall::from_nanos(1_700_000_003 * NANOS_PER_SECOND);
    let clock = Arc::new(ManualClock::starting_at(wall));
    let active = Active::new(domains(atomic), Answers::default(), &SECRET);
    let decider = on.decider(active, SECRET, ROOMY, Arc::clone(&clock) as Arc<dyn Clock>);
    (clock, decider)
}

fn figures(decider: &Decider) -> Vec<(String, Tally)> {
    let all = decider.statistics().limits.all();
    all.iter().map(|limit| (limit.name.to_string(), limit.figures.read())).collect()
}

fn figure(decider: &Decider, name: &str) -> Tally {
    figures(decider).into_iter().find(|(of, _)| of == name).map(|(_, of)| of).unwrap_or_default()
}

/// Charges each key; the code of the request and of each descriptor.
fn ask(decider: &Decider, keys: &[&str], charge: Charge) -> (Code, Vec<Code>) {
    let entries: Vec<_> = keys.iter().map(|&key| [Entry { key, value: "v" }]).collect();
    let descriptor = |entries| Descriptor { entries, limit_override: None, charge: Some(charge) };
    let descriptors: Vec<_> = entries.iter().map(|entries| descriptor(&entries[..])).collect();
    let request = tollgate_core::descriptor::Request {
        domain: "d",
        descriptors: &descriptors,
        hits_addend: 0,
    };
    let active = decider.active();
    let decision = decider.check(&active, &request, Terms::default()).done().unwrap().decision;
    (decision.overall, decision.statuses.iter().map(|status| status.code).collect())
}

fn an_atomic_denial_counts_for_the_limits_that_denied_and_for_no_other(on: On) {
    let (_, decider) = node(on, true);
    assert_eq!(ask(&decider, &["fixed", "sliding"], Charge::Hits(9)).0, Code::Ok);
    assert_eq!(ask(&decider, &["sliding"], Charge::Hits(1)).0, Code::Ok);
    for _ in 0..3 {
        assert_eq!(ask(&decider, &["fixed", "sliding"], Charge::Hits(1)).0, Code::OverLimit);
    }
    let fixed = figure(&decider, "d.fixed");
    assert_eq!(fixed, Tally { total: 9, within: 9, near: 1, ..Tally::default() });
    let sliding = Tally { total: 13, within: 10, near: 2, over: 3, ..Tally::default() };
    assert_eq!(figure(&decider, "d.sliding"), sliding);
}

fn a_reload_keeps_figures_and_counts_on_in_them_however_the_rules_are_numbered(on: On) {
    let (_, decider) = node(on, false);
    ask(&decider, &["fixed", "shown"], Charge::Hits(3));
    let (name, mut rules, options) = domains(false).remove(0);
    let limits = |nodes: &[Node]| nodes.to_vec();
    let mut turned = Rules::default();
    for node in limits(rules.nodes()).into_iter().rev() {
        turned.add(node).unwrap();
    }
    std::mem::swap(&mut rules, &mut turned);
    let next = vec![(name, rules, options)];
    decider.replace(Active::new(next, Answers::default(), &SECRET));
    ask(&decider, &["fixed", "shown", "tokens"], Charge::Hits(2));
    let totals: Vec<_> =
        figures(&decider).into_iter().map(|(name, of)| (name, of.total, of.within)).collect();
    let named = |name: &str, hits| (name.to_owned(), hits, hits);
    assert_eq!(totals, [named("d.fixed", 5), named("d.shown_v", 5), named("d.tokens", 2)]);
}

fn threads_count_every_hit_once(on: On) {
    let (_, decider) = node(on, false);
    let allowed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let (code, _) = ask(&decider, &["fixed", "shown"], Charge::Hits(1));
                    allowed.fetch_add(u64::from(code == Code::Ok), Ordering::Relaxed);
                }
            });
        }
    });
    let counted = Tally { total: 4_000, within: 10, near: 2, over: 3_990, ..Tally::default() };
    assert_eq!(figure(&decider, "d.fixed"), counted);
    assert_eq!(figure(&decider, "d.shown_v"), counted);
    assert_eq!(allowed.into_inner(), 10);
}

proptest! {
    /// Whatever is charged, figures say what was answered: all hits; those of statuses that passed as
    /// within; the rest as over, but for what a fixed window had room for of a charge that it
    /// refused, which the reference counts as neither; near hits are among those that had room.
    #[test]
    fn figures_say_what_was_answered(
        steps in proptest::collection::vec((0..5_usize, 0..14_u64, 0..40_u64, any::<bool>()), 1..60),
        on in prop_oneof![Just(On::Own), Just(On::Replicated)],
    ) {
        let (clock, decider) = node(on, false);
        let keys = ["fixed", "sliding", "tokens", "shadow", "shown"];
        let (mut totals, mut passed, mut refunded) = ([0; 5], [0; 5], [0; 5]);
        for (at, hits, pause, refunds) in steps {
            clock.advance(Duration::from_secs(pause));
            let charge = if refunds { Charge::Refund(hits) } else { Charge::Hits(hits) };
            let (_, codes) = ask(&decider, &[keys[at]], charge);
            match charge {
                Charge::Refund(hits) => refunded[at] += hits,
                Charge::Hits(hits) => {
                    totals[at] += hits;
                    // A shadow's status passes whatever it counted.
                    passed[at] += if codes[0] == Code::Ok { hits } else { 0 };
                }
            }
        }
        for (at, key) in keys.iter().enumerate() {
            let name = if *key == "shown" { "d.shown_v".to_owned() } else { format!("d.{key}") };
            let of = figure(&decider, &name);
            prop_assert_eq!((of.total, of.refunded), (totals[at], refunded[at]), "{}", name);
            prop_assert!(of.near + of.over <= of.total && of.within + of.over <= of.total);
            match *key {
                "shadow" => prop_assert_eq!((passed[at], of.shadow), (of.total, of.over)),
                "fixed" => prop_assert_eq!((of.within, of.shadow), (passed[at], 0)),
                _ => {
                    prop_assert_eq!((of.within, of.shadow), (passed[at], 0));
                    prop_assert_eq!(of.within + of.over, of.total, "{}", name);
                }
            }
        }
    }
}

on_both! {
    an_atomic_denial_counts_for_the_limits_that_denied_and_for_no_other,
    a_reload_keeps_figures_and_counts_on_in_them_however_the_rules_are_numbered,
    threads_count_every_hit_once,
}
