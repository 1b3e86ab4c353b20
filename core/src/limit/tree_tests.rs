//! The matching rules, one a test, and the ordering vectors of the reference.

use std::sync::Arc;

use super::*;
use crate::limit::{Bound, Quota, Unit};

fn limit(number: u32) -> Limit {
    Limit::new(Bound::Limited(Quota::per_unit(number, Unit::Second)), Arc::from("d"))
}

fn node(key: &str, value: &str, number: Option<u32>, children: Vec<Node>) -> Node {
    let mut rules = Rules::default();
    for child in children {
        rules.add(child).unwrap();
    }
    let limits = number.map(limit).into_iter().collect();
    Node { key: key.into(), value: value.into(), limits, rules, ..Node::default() }
}

fn rules(nodes: Vec<Node>) -> Rules {
    node("", "", None, nodes).rules
}

fn number(rules: &Rules, entries: &[(&str, &str)]) -> Option<u32> {
    let entries: Vec<_> = entries.iter().map(|&(key, value)| Entry { key, value }).collect();
    match rules.find(&entries, |_| ())?.node.limits.first()?.bound {
        Bound::Limited(quota) => Some(quota.limit),
        Bound::Unlimited => None,
    }
}

#[test]
fn the_reference_ordering_vectors_hold() {
    let rules = rules(vec![
        node("k", "", Some(10), vec![]),
        node("k", "v", Some(5), vec![]),
        node("k", "v*", Some(7), vec![]),
    ]);
    assert_eq!(number(&rules, &[("k", "v")]), Some(5));
    assert_eq!(number(&rules, &[("k", "vx")]), Some(7));
    assert_eq!(number(&rules, &[("k", "z")]), Some(10));
    assert_eq!(number(&rules, &[("k", "")]), Some(10));
    assert_eq!(number(&rules, &[("k", "v"), ("j", "1")]), None);
    assert_eq!(number(&rules, &[("j", "1")]), None);
    assert_eq!(number(&rules, &[]), None);
}

#[test]
fn the_first_fitting_wildcard_in_file_order_wins() {
    let rules = rules(vec![
        node("k", "a*", Some(1), vec![]),
        node("k", "ab*", Some(2), vec![]),
        node("k*", "", Some(3), vec![]),
    ]);
    assert_eq!(number(&rules, &[("k", "abc")]), Some(1));
    assert_eq!(number(&rules, &[("kk", "zz")]), Some(3));
}

#[test]
fn a_failed_subtree_is_not_left_for_a_sibling() {
    let rules = rules(vec![
        node("k", "v", None, vec![node("x", "1", Some(1), vec![])]),
        node("k", "", None, vec![node("x", "", Some(2), vec![])]),
    ]);
    assert_eq!(number(&rules, &[("k", "v"), ("x", "1")]), Some(1));
    assert_eq!(number(&rules, &[("k", "v"), ("x", "2")]), None);
    assert_eq!(number(&rules, &[("k", "w"), ("x", "2")]), Some(2));
}

#[test]
fn a_rule_counts_only_at_its_own_depth() {
    let rules = rules(vec![node("a", "", Some(1), vec![node("b", "", Some(2), vec![])])]);
    assert_eq!(number(&rules, &[("a", "x")]), Some(1));
    assert_eq!(number(&rules, &[("a", "x"), ("b", "y")]), Some(2));
    assert_eq!(number(&rules, &[("a", "x"), ("b", "y"), ("c", "z")]), None);
}

#[test]
fn a_joined_key_meets_the_same_node_as_its_parts() {
    let by_key = rules(vec![node("a_b", "", Some(1), vec![])]);
    assert_eq!(number(&by_key, &[("a", "b")]), Some(1));
    let by_pair = rules(vec![node("a", "b_c", Some(1), vec![])]);
    assert_eq!(number(&by_pair, &[("a_b", "c")]), Some(1));
}

#[test]
fn two_nodes_of_one_text_are_refused_and_change_nothing() {
    let mut rules = rules(vec![node("a", "b", Some(1), vec![])]);
    let error = rules.add(node("a_b", "", Some(2), vec![])).unwrap_err();
    assert_eq!(error, DuplicateKey { text: "a_b".to_owned() });
    assert_eq!(rules.nodes().len(), 1);
}

#[test]
fn a_shared_wildcard_stands_in_for_the_value() {
    let mut shared = node("k", "files/*", Some(1), vec![]);
    shared.share_threshold = true;
    let rules = rules(vec![shared]);
    let entry = Entry { key: "k", value: "files/a" };
    let found = rules.find(&[entry], |_| ()).unwrap();
    assert_eq!(found.identity(0, entry), Entry { key: "k", value: "files/*" });
}

#[test]
fn a_level_of_many_nodes_finds_each_of_them() {
    let many = (0..1_000).map(|i| node("k", &i.to_string(), Some(i), vec![])).collect();
    let rules = rules(many);
    for i in 0..1_000 {
        assert_eq!(number(&rules, &[("k", &i.to_string())]), Some(i));
    }
    assert_eq!(number(&rules, &[("k", "1000")]), None);
}

fn shown(rules: &Rules, entries: &[(&str, &str)]) -> Option<String> {
    let entries: Vec<_> = entries.iter().map(|&(key, value)| Entry { key, value }).collect();
    rules.statistics_name("d", &entries)
}

#[test]
fn statistics_show_the_requests_values_where_the_rule_says_so() {
    let with = |key: &str, value: &str, change: fn(&mut Node), children: Vec<Node>| {
        let mut node = node(key, value, Some(1), children);
        change(&mut node);
        node
    };
    let plain = rules(vec![node("a", "", Some(1), vec![])]);
    assert_eq!(shown(&plain, &[("a", "x")]).as_deref(), Some("d.a"));
    assert_eq!(shown(&plain, &[("b", "x")]), None);

    let value = rules(vec![with(
        "a",
        "",
        |n| n.value_to_metric = true,
        vec![node("b", "y*", Some(1), vec![])],
    )]);
    assert_eq!(shown(&value, &[("a", "x"), ("b", "yz")]).as_deref(), Some("d.a_x.b_y*"));
    assert_eq!(shown(&value, &[("a", "")]).as_deref(), Some("d.a"));

    let detailed = rules(vec![node(
        "a",
        "",
        Some(1),
        vec![with("b", "y*", |n| n.detailed_metric = true, vec![])],
    )]);
    assert_eq!(shown(&detailed, &[("a", "x"), ("b", "yz")]).as_deref(), Some("d.a_x.b_yz"));
    assert_eq!(shown(&detailed, &[("a", "x")]).as_deref(), Some("d.a"));

    let shared = rules(vec![with(
        "a",
        "x*",
        |n| {
            n.share_threshold = true;
            n.detailed_metric = true;
        },
        vec![],
    )]);
    assert_eq!(shown(&shared, &[("a", "xyz")]).as_deref(), Some("d.a_x*"));
}
