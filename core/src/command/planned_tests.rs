//! A plan as a command: nothing is lost, and one bucket is in one slot.

use super::*;
use crate::bucket::Outcome;
use crate::descriptor::{Charge, Descriptor, Override};
use crate::limit::{Bound, Limit, LimitSet, Named, Node, Options, Rules, Unit};
use crate::reservation::Reservation;
use crate::time::LogTime;

const SECRET: KeySecret = KeySecret::new([7; 16]);

fn entries(all: &[(&'static str, &'static str)]) -> Vec<Entry<'static>> {
    all.iter().map(|&(key, value)| Entry { key, value }).collect()
}

fn limit(name: &str) -> Limit {
    Limit {
        name: Some(name.into()),
        ..Limit::new(Bound::Limited(Quota::per_unit(10, Unit::Minute)), "d.path".into())
    }
}

fn node(key: &str, value: &str, limits: Vec<Limit>) -> Node {
    Node { key: key.into(), value: value.into(), limits: limits.into(), ..Node::default() }
}

/// Domain `d`: `shared=*` in one bucket, `client=…` in one each, `api=…` in those of the named limit
/// `login` by `client`; domain `tollgate` with that named limit.
fn set() -> LimitSet {
    let mut rules = Rules::default();
    let shared = Node { share_threshold: true, ..node("shared", "*", vec![limit("s")]) };
    let named = Named { name: "login".into(), by: Box::from(["client".into()]) };
    let named = Limit { named: Some(named), ..limit("login") };
    let mut api = node("api", "", Vec::new());
    api.rules.add(node("client", "", vec![named])).unwrap();
    let quota = Limit { quota_mode: true, ..limit("c") };
    let shadow = Limit { shadow: true, ..limit("x") };
    for node in [shared, node("client", "", vec![quota, shadow]), api] {
        rules.add(node).unwrap();
    }
    let mut tree = Rules::default();
    let mut login = node("limit", "login", Vec::new());
    login.rules.add(node("client", "", vec![limit("login")])).unwrap();
    tree.add(login).unwrap();
    let all =
        [("d".into(), rules, Options::default()), (NAMED_DOMAIN.into(), tree, Options::default())];
    LimitSet::new(all, &SECRET)
}

/// Keys and slots of what one descriptor meets.
fn met(set: &LimitSet, domain: &str, of: &[(&'static str, &'static str)]) -> Vec<Charging> {
    let entries = entries(of);
    let descriptors = [Descriptor { entries: &entries, limit_override: None, charge: None }];
    let request = Request { domain, descriptors: &descriptors, hits_addend: 3 };
    Plan::of(set, &request).charges(&SECRET)
}

#[test]
fn buckets_that_several_values_share_are_in_one_slot() {
    let set = set();
    let (one, two) = (met(&set, "d", &[("shared", "1")]), met(&set, "d", &[("shared", "2")]));
    assert_eq!((one[0].key, one[0].slot), (two[0].key, two[0].slot));
}

#[test]
fn a_named_limits_bucket_is_in_the_slot_of_the_client_whichever_way_it_is_met() {
    let set = set();
    let slots: Vec<_> = ["a", "b", "c", "e"]
        .into_iter()
        .map(|client| {
            let rule = met(&set, "d", &[("api", "1"), ("client", client)]);
            let direct = met(&set, NAMED_DOMAIN, &[("limit", "login"), ("client", client)]);
            assert_eq!((rule[0].key, rule[0].slot), (direct[0].key, direct[0].slot));
            rule[0].slot
        })
        .collect();
    assert!(slots.iter().any(|slot| *slot != slots[0]));
}

#[test]
fn limits_of_one_client_meet_in_one_slot() {
    let all = met(&set(), "d", &[("client", "a")]);
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].slot, all[1].slot);
    assert_ne!(all[0].key, all[1].key);
    assert!((all[0].quota_mode, all[0].shadow) == (true, false));
    assert!((all[1].quota_mode, all[1].shadow) == (false, true));
    assert_eq!(all[0].charge, Charge::Hits(3));
    assert_eq!(&*all[0].text, "d\u{1e}client\u{1f}a");
}

#[test]
fn inline_limits_are_spread_by_their_own_entries() {
    let set = set();
    let quota = Override::Inline(Quota::per_unit(1, Unit::Second));
    let slot = |value: &str| {
        let entries = [Entry { key: "k", value }];
        let limit_override = Some(quota);
        let descriptors = [Descriptor { entries: &entries, limit_override, charge: None }];
        let request = Request { domain: "", descriptors: &descriptors, hits_addend: 1 };
        Plan::of(&set, &request).charges(&SECRET)[0].slot
    };
    assert_eq!(slot("a"), slot("a"));
    assert!(["b", "c", "d"].into_iter().any(|value| slot(value) != slot("a")));
}

#[test]
fn a_reservation_is_the_same_whether_of_a_plan_or_of_a_command() {
    let set = set();
    let (client, other) = (entries(&[("client", "a")]), entries(&[("nobody", "")]));
    let charge = Some(Charge::Hits(2));
    let descriptors = [
        Descriptor { entries: &other, limit_override: None, charge: None },
        Descriptor { entries: &client, limit_override: None, charge },
        Descriptor { entries: &client, limit_override: None, charge: None },
    ];
    let request = Request { domain: "d", descriptors: &descriptors, hits_addend: 1 };
    let mut plan = Plan::of(&set, &request);
    for operation in &mut plan.operations {
        operation.quota.counts_refused = false;
    }
    let outcome = |over| Outcome {
        over,
        before: 0,
        after: 1,
        remaining: 9,
        reset_after: std::time::Duration::ZERO,
        retry_after: None,
    };
    let outcomes = [false, true, false, false].map(outcome);
    for modes in [Modes::default(), Modes { shadow: true, quota: true }] {
        let of = (LogTime::from_nanos(5), SECRET.reservation_id(1));
        let planned = Reservation::new(of, &plan, &request, &outcomes, modes);
        let holdings = plan.holdings(&request, &SECRET);
        let told = Reservation::of_holdings(of, &holdings, &outcomes, plan.combining(modes));
        assert_eq!(planned, told);
        assert_eq!(
            told.parts.iter().map(|part| part.is_held).collect::<Vec<_>>(),
            [true, false, true, true]
        );
        assert!(holdings[0].is_fixed && !holdings[2].is_fixed);
        assert_eq!(told.statuses(&outcomes), planned.statuses(&outcomes));
        let parts = Reservation::parts_of_holdings(&holdings, &plan.combining(modes));
        assert_eq!(parts, Reservation::parts_of(&plan));
    }
}
