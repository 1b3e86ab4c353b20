//! What each limit wants while the others are out of reach, for every way of not being answered.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusBuilder;
use tollgate_core::command::NotDone;
use tollgate_core::descriptor::{Descriptor, Entry, Override, Request};
use tollgate_core::key::KeySecret;
use tollgate_core::limit::{Bound, Limit, Node, Options, Quota, Rules, Unit};
use tollgate_core::time::{ManualClock, NANOS_PER_SECOND, Wall};

use super::*;
use crate::decide::double::Double;
use crate::decide::{Answers, RESERVATIONS_MAX, Terms, Unreserved};
use crate::done::Done as _;

const SECRET: KeySecret = KeySecret::new([3; 16]);

/// Every way of being out of reach, and what is said of it.
const AWAY: [(NotAnswered, Unavailable); 4] = [
    (NotAnswered::Overloaded, Unavailable::Overloaded),
    (NotAnswered::NoLeader, Unavailable::NoLeader),
    (NotAnswered::NotSent, Unavailable::NotSent),
    (NotAnswered::TimedOut, Unavailable::TimedOut),
];

struct World {
    clock: Arc<ManualClock>,
    double: Arc<Double>,
    decider: Decider,
}

/// A limit of nine an hour for each thing that a limit may want, and a shadow that wants an error.
fn world(atomic: bool, modes: Modes) -> World {
    let mut rules = Rules::default();
    for (key, on_unavailable) in [
        ("error", OnUnavailable::Error),
        ("deny", OnUnavailable::Deny),
        ("allow", OnUnavailable::Allow),
        ("local", OnUnavailable::Local),
        ("shadow", OnUnavailable::Error),
    ] {
        let bound = Bound::Limited(Quota::per_unit(9, Unit::Hour));
        let (limit, shadow) = (Limit::new(bound, Arc::from(key)), key == "shadow");
        let limits: Box<[Limit]> = Box::new([Limit { on_unavailable, shadow, ..limit }]);
        rules.add(Node { key: key.into(), limits, ..Node::default() }).unwrap();
    }
    let options = Options { atomic, ..Options::default() };
    let answers = Answers { modes, ..Answers::default() };
    let active = Active::new(vec![(Arc::from("d"), rules, options)], answers, &SECRET);
    let wall = Wall::from_nanos(1_700_000_000 * NANOS_PER_SECOND);
    let clock = Arc::new(ManualClock::starting_at(wall));
    let shared: Arc<dyn Clock> = Arc::clone(&clock) as _;
    let bounds = Bounds { keys_max: 1 << 20, bytes_max: 1 << 30 };
    let double = Double::new(bounds, RESERVATIONS_MAX, &shared);
    let decider = Arc::clone(&double).decider(active, SECRET, shared);
    World { clock, double, decider }
}

impl World {
    fn new() -> Self {
        world(false, Modes::default())
    }

    /// One hit of each key; `brought` brings a limit along.
    fn ask(&self, keys: &[&str]) -> Result<(Code, Vec<(Code, u32)>), Unavailable> {
        with(keys, None, |request| {
            let active = self.decider.active();
            let checked = self.decider.check(&active, request, Terms::default()).done()?;
            let decision = &checked.decision;
            let statuses = decision.statuses.iter().map(|one| (one.code, one.remaining));
            Ok((decision.overall, statuses.collect()))
        })
    }

    fn ask_away(&self, keys: &[&str]) -> Result<(Code, Vec<(Code, u32)>), Unavailable> {
        self.double.fail(NotAnswered::NoLeader);
        self.ask(keys)
    }
}

fn with<R>(keys: &[&str], charge: Option<Charge>, ask: impl FnOnce(&Request<'_>) -> R) -> R {
    let entries: Vec<_> = keys.iter().map(|&key| [Entry { key, value: "v" }]).collect();
    let descriptors: Vec<_> = std::iter::zip(keys, &entries)
        .map(|(&key, entries)| Descriptor {
            entries,
            limit_override: (key == "brought")
                .then_some(Override::PerUnit { requests_per_unit: 9, unit: Unit::Hour }),
            charge,
        })
        .collect();
    ask(&Request { domain: "d", descriptors: &descriptors, hits_addend: 1 })
}

const OK: Code = Code::Ok;
const OVER: Code = Code::OverLimit;

#[test]
fn each_limit_says_what_is_answered_however_the_ledger_fails() {
    for (failure, error) in AWAY {
        for (keys, expected) in [
            (&["error"][..], None),
            (&["deny"], Some((OVER, vec![(OVER, 0)]))),
            (&["allow"], Some((OK, vec![(OK, 9)]))),
            (&["local"], Some((OK, vec![(OK, 2)]))),
            (&["shadow"], Some((OK, vec![(OK, 9)]))),
            (&["brought"], None),
            (&["allow", "deny"], Some((OVER, vec![(OK, 9), (OVER, 0)]))),
            (&["allow", "local", "shadow"], Some((OK, vec![(OK, 9), (OK, 2), (OK, 9)]))),
            (&["deny", "error"], None),
            (&["allow", "brought"], None),
            (&["shadow", "error"], None),
            (&["unknown"], Some((OK, vec![(OK, 0)]))),
        ] {
            let world = World::new();
            world.double.fail(failure);
            assert_eq!(world.ask(keys), expected.ok_or(error), "{failure:?} {keys:?}");
        }
    }
}

#[test]
fn where_nothing_is_enforced_nothing_is_an_error() {
    let world = world(false, Modes { shadow: true, ..Modes::default() });
    assert_eq!(world.ask_away(&["error"]), Ok((OK, vec![(OK, 9)])));
}

#[test]
fn a_node_alone_allows_its_share_and_no_more() {
    let world = World::new();
    for remaining in [2, 1, 0] {
        assert_eq!(world.ask_away(&["local"]), Ok((OK, vec![(OK, remaining)])));
    }
    assert_eq!(world.ask_away(&["local"]), Ok((OVER, vec![(OVER, 0)])));
    // What the nodes agreed on is another count.
    assert_eq!(world.ask(&["local"]), Ok((OK, vec![(OK, 8)])));
    world.clock.advance(Duration::from_secs(3_600));
    assert_eq!(world.ask_away(&["local"]), Ok((OK, vec![(OK, 2)])));
}

#[test]
fn an_atomic_request_that_is_denied_charges_nothing_of_what_a_node_counts_alone() {
    let world = world(true, Modes::default());
    for _ in 0..5 {
        assert_eq!(world.ask_away(&["local", "deny"]), Ok((OVER, vec![(OK, 3), (OVER, 0)])));
    }
    assert_eq!(world.ask_away(&["local", "allow"]), Ok((OK, vec![(OK, 2), (OK, 9)])));
}

#[test]
fn what_the_ledger_refused_is_no_matter_of_reach() {
    for (not_done, error) in [
        (NotDone::Full, Unavailable::LedgerFull),
        (NotDone::Conflict, Unavailable::Conflict),
        (NotDone::OnceFull, Unavailable::OnceFull),
        (NotDone::Malformed, Unavailable::Senseless),
    ] {
        let world = World::new();
        world.double.fail(not_done.into());
        assert_eq!(world.ask(&["allow"]), Err(error), "{not_done:?}");
    }
}

#[test]
fn what_has_to_be_everybodys_is_an_error_whatever_limits_want() {
    let world = World::new();
    let (decider, active) = (&world.decider, world.decider.active());
    with(&["allow"], None, |request| {
        let fail = || world.double.fail(NotAnswered::NoLeader);
        fail();
        let reserved = decider.reserve(&active, request, RETRY_AFTER, Terms::default()).done();
        assert_eq!(reserved.unwrap_err(), Unreserved::Unavailable(Unavailable::NoLeader));
        fail();
        let refunded = decider.refund(&active, request, Terms::default()).done();
        assert_eq!(refunded.unwrap_err(), Unavailable::NoLeader);
        fail();
        let reset = decider.reset(&active, request, Terms::default()).done();
        assert_eq!(reset.unwrap_err(), Unavailable::NoLeader);
        fail();
        let previewed = decider.preview(&active, request, Terms::default()).done();
        assert_eq!(previewed.unwrap_err(), Unavailable::NoLeader);
    });
    // A refund that comes as a check is never too much.
    world.double.fail(NotAnswered::NoLeader);
    let code = with(&["deny"], Some(Charge::Refund(1)), |request| {
        decider.check(&active, request, Terms::default()).done().unwrap().decision.overall
    });
    assert_eq!(code, OK);
}

#[test]
fn each_answer_is_counted_by_what_it_was() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    ::metrics::with_local_recorder(&recorder, || {
        let world = World::new();
        world.ask_away(&["deny", "allow", "allow", "local"]).unwrap();
        world.ask_away(&["deny", "error", "error"]).unwrap_err();
        world.ask(&["deny", "error"]).unwrap();
    });
    let rendered = handle.render();
    for (answer, count) in [("error", 1), ("deny", 1), ("allow", 2), ("local", 1)] {
        let line = format!("tollgate_unavailable_answers_total{{answer=\"{answer}\"}} {count}");
        assert!(rendered.lines().any(|told| told == line), "{line}: {rendered}");
    }
}

#[test]
fn the_log_tells_of_changes_and_not_of_calls() {
    let ((), lines) = crate::audit::testing::logged(|| {
        let world = World::new();
        for _ in 0..2 {
            for _ in 0..10 {
                world.ask_away(&["deny"]).unwrap();
                // Every second one is answered: that is no news yet.
                world.ask(&["deny"]).unwrap();
            }
            world.clock.advance(STEADY);
            world.ask(&["deny"]).unwrap();
            world.ask(&["deny"]).unwrap();
        }
    });
    let told: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    let once = ["ledger_out_of_reach", "ledger_in_reach"];
    assert_eq!(told, [once, once].concat());
    assert_eq!((&lines[0]["level"], &lines[0]["reason"]), (&"WARN".into(), &"no_leader".into()));
}
