//! Planning: which operations a request stands for, and which buckets they meet.

use super::*;
use crate::descriptor::Override;
use crate::key::KeySecret;
use crate::limit::{Node, Options, Rules, Unit};

fn limit(name: &str, replaces: &[&str]) -> Limit {
    Limit {
        name: (!name.is_empty()).then(|| Arc::from(name)),
        replaces: replaces.iter().map(|name| Arc::from(*name)).collect(),
        ..Limit::new(Bound::Limited(Quota::per_unit(10, Unit::Minute)), Arc::from("d.path"))
    }
}

fn node(key: &str, value: &str, limits: Vec<Limit>) -> Node {
    Node { key: key.into(), value: value.into(), limits: limits.into(), ..Node::default() }
}

fn set(nodes: Vec<Node>) -> LimitSet {
    let mut rules = Rules::default();
    for node in nodes {
        rules.add(node).unwrap();
    }
    LimitSet::new([(Arc::from("d"), rules, Options::default())], &KeySecret::new([7; 16]))
}

fn plan<'a>(set: &'a LimitSet, domain: &'a str, descriptors: &'a [Descriptor<'a>]) -> Plan<'a> {
    Plan::of(set, &Request { domain, descriptors, hits_addend: 0 })
}

const fn descriptor<'a>(entries: &'a [Entry<'a>]) -> Descriptor<'a> {
    Descriptor { entries, limit_override: None, charge: None }
}

const A: &[Entry<'_>] = &[Entry { key: "a", value: "1" }];
const A2: &[Entry<'_>] = &[Entry { key: "a", value: "2" }];
const B: &[Entry<'_>] = &[Entry { key: "b", value: "1" }];

#[test]
fn an_unknown_domain_counts_nothing_even_with_an_override() {
    let set = set(vec![node("a", "", vec![limit("", &[])])]);
    let brought = Some(Override::PerUnit { requests_per_unit: 5, unit: Unit::Minute });
    let descriptors = [Descriptor { limit_override: brought, ..descriptor(A) }];
    let plan = plan(&set, "other", &descriptors);
    assert!(plan.domain.is_none());
    assert_eq!(plan.items, [Item::Unmatched]);
}

#[test]
fn an_override_replaces_the_rules_of_a_known_domain() {
    let set = set(vec![node("a", "", vec![limit("x", &[])])]);
    let brought = Some(Override::PerUnit { requests_per_unit: 5, unit: Unit::Hour });
    let descriptors = [
        Descriptor { limit_override: brought, ..descriptor(A) },
        Descriptor { limit_override: brought, ..descriptor(B) },
    ];
    let plan = plan(&set, "d", &descriptors);
    assert_eq!(plan.items, [Item::Counted(0..1), Item::Counted(1..2)]);
    for operation in &plan.operations {
        assert!(operation.limit.is_none());
        assert_eq!(operation.quota, Quota::per_unit(5, Unit::Hour));
    }
}

#[test]
fn an_override_of_the_same_window_shares_the_rules_bucket() {
    let set = set(vec![node("a", "", vec![limit("", &[])])]);
    let brought = Some(Override::PerUnit { requests_per_unit: 5, unit: Unit::Minute });
    let descriptors =
        [descriptor(A), Descriptor { limit_override: brought, ..descriptor(A) }, descriptor(A2)];
    let plan = plan(&set, "d", &descriptors);
    assert_eq!(plan.operations[0].key, plan.operations[1].key);
    assert_ne!(plan.operations[0].key, plan.operations[2].key);
}

#[test]
fn several_limits_on_one_rule_are_counted_apart() {
    let set = set(vec![node("a", "", vec![limit("", &[]), limit("", &[])])]);
    let descriptors = [descriptor(A)];
    let plan = plan(&set, "d", &descriptors);
    assert_eq!(plan.items, [Item::Counted(0..2)]);
    assert_ne!(plan.operations[0].key, plan.operations[1].key);
}

#[test]
fn a_replaced_limit_is_not_counted() {
    let set =
        set(vec![node("a", "", vec![limit("a", &[])]), node("b", "", vec![limit("b", &["a"])])]);
    let descriptors = [descriptor(A), descriptor(B)];
    let plan = plan(&set, "d", &descriptors);
    assert_eq!(plan.items, [Item::Replaced, Item::Counted(0..1)]);
    assert_eq!(plan.operations.len(), 1);
    assert_eq!(plan.operations[0].limit.unwrap().name.as_deref(), Some("b"));
}

#[test]
fn mutual_replacement_drops_both_and_an_unlimited_rule_replaces_too() {
    let both =
        set(vec![node("a", "", vec![limit("a", &["b"])]), node("b", "", vec![limit("b", &["a"])])]);
    let descriptors = [descriptor(A), descriptor(B)];
    assert_eq!(plan(&both, "d", &descriptors).items, [Item::Replaced, Item::Replaced]);

    let free = Limit { bound: Bound::Unlimited, ..limit("", &["a"]) };
    let unlimited = set(vec![node("a", "", vec![limit("a", &[])]), node("b", "", vec![free])]);
    let plan = plan(&unlimited, "d", &descriptors);
    assert!(matches!(plan.items[..], [Item::Replaced, Item::Unlimited(_)]));
    assert!(plan.operations.is_empty());
}

#[test]
fn a_label_can_be_read_back() {
    let entries = [Entry { key: "user", value: "ü=1 x" }, Entry { key: "k", value: "" }];
    let text = Label { domain: "d", entries: &entries, named: None }.to_text();
    let (domain, read) = Label::parse(&text).unwrap();
    assert_eq!((domain, &read[..]), ("d", &entries[..]));
    let none = Label { domain: "d", entries: &[], named: None }.to_text();
    assert_eq!(Label::parse(&none), Some(("d", vec![])));
}

#[test]
fn a_label_that_lost_something_is_not_read_back() {
    let long = "ü".repeat(1_000);
    let entries = [Entry { key: "key", value: &long }];
    let text = Label { domain: "d", entries: &entries, named: None }.to_text();
    assert!(text.len() <= LABEL_BYTES_MAX && text.len() > LABEL_BYTES_MAX - 4);
    assert_eq!(Label::parse(&text), None);
    let entries = [Entry { key: "key", value: "a\u{1f}b" }];
    assert_eq!(
        Label::parse(&Label { domain: "d", entries: &entries, named: None }.to_text()),
        None
    );
}

#[test]
fn a_rule_may_count_in_a_named_limits_bucket() {
    let own = Limit { named: None, ..limit("plan", &[]) };
    let mut inner = Rules::default();
    inner.add(node("user", "", vec![own])).unwrap();
    let mut named_rules = Rules::default();
    named_rules
        .add(Node { rules: inner, ..node(crate::limit::NAMED_KEY, "plan", vec![]) })
        .unwrap();
    let named = Named { name: Arc::from("plan"), by: Box::new([Arc::from("user")]) };
    let borrowed = Limit { named: Some(named), ..limit("plan", &[]) };
    let mut path = Rules::default();
    path.add(node("user", "", vec![borrowed])).unwrap();
    let mut rules = Rules::default();
    rules.add(Node { rules: path, ..node("path", "", vec![]) }).unwrap();
    let all = [
        (Arc::from(NAMED_DOMAIN), named_rules, Options::default()),
        (Arc::from("d"), rules, Options::default()),
    ];
    let set = LimitSet::new(all, &KeySecret::new([7; 16]));

    let at = |value| [Entry { key: "path", value: "/" }, Entry { key: "user", value }];
    let (alice, bob) = (at("alice"), at("bob"));
    let direct = [Entry { key: "limit", value: "plan" }, Entry { key: "user", value: "alice" }];
    let from_file = [descriptor(&alice), descriptor(&bob)];
    let from_file = plan(&set, "d", &from_file);
    let own = [descriptor(&direct)];
    let own = plan(&set, NAMED_DOMAIN, &own);
    assert_eq!(from_file.operations[0].key, own.operations[0].key);
    assert_eq!(from_file.operations[0].domain, own.operations[0].domain);
    assert_ne!(from_file.operations[1].key, own.operations[0].key);
    let text = |plan: &Plan<'_>| plan.operations[0].label.to_text();
    assert_eq!(text(&from_file), text(&own));
}

#[test]
fn no_character_of_a_label_turns_or_breaks_the_line_that_shows_it() {
    let text = "d\u{1e}a\u{1f}1\u{202e}2\u{2028}3\u{2029}4\u{2066}5\u{2069}6\u{200e}7\u{200f}8\u{1b}é\u{18}";
    assert_eq!(Label::printable(text), "d a=1�2�3�4�5�6�7�8�é…");
}

#[test]
fn an_inline_limit_has_buckets_that_no_domain_reaches() {
    let five = Quota::per_unit(5, Unit::Minute);
    let set = set(vec![node("a", "", vec![limit("", &[])])]);
    let inline = |entries, quota| Descriptor {
        limit_override: Some(Override::Inline(quota)),
        ..descriptor(entries)
    };
    let hour = Quota::per_unit(9, Unit::Hour);
    let descriptors = [inline(A, five), inline(A2, five), inline(A, hour), inline(A, five)];
    let planned = plan(&set, INLINE_DOMAIN, &descriptors);
    let keys: Vec<_> = planned.operations.iter().map(|operation| operation.key).collect();
    assert_eq!(keys[0], keys[3]);
    assert!(keys[0] != keys[1] && keys[0] != keys[2]);
    let mut named = set.begin_named_key().0;
    named.entry(A[0]);
    let own = [descriptor(A)];
    let own = plan(&set, "d", &own);
    for other in [own.operations[0].key, named.finish(five.shape(0))] {
        assert!(!keys.contains(&other));
    }
    assert!(planned.operations.iter().all(|operation| operation.limit.is_none()));
    assert_eq!(planned.operations[2].quota, Quota { counts_refused: false, ..hour });
}

#[test]
fn an_inline_request_without_its_limit_is_denied() {
    let set = set(vec![node("a", "", vec![limit("", &[])])]);
    let descriptors = [descriptor(A)];
    let plan = plan(&set, INLINE_DOMAIN, &descriptors);
    let decision = crate::decision::Decision::of(&plan, &[], Default::default());
    assert_eq!(decision.overall, crate::decision::Code::OverLimit);
}
