//! Searching and ranking, on a decider whose clock the tests move.

use std::sync::Arc;
use std::time::Duration;

use tollgate_core::descriptor::{Charge, Descriptor, Entry, Request};
use tollgate_core::key::KeySecret;
use tollgate_core::limit::{Bound, Limit, Node, Options, Quota, Rules, Unit};
use tollgate_core::store::Bounds;
use tollgate_core::time::{Clock, ManualClock, NANOS_PER_SECOND, Wall};

use super::*;
use crate::decide::Terms;
use crate::decide::{Active, Answers};
use crate::done::Done as _;

const SECRET: KeySecret = KeySecret::new([5; 16]);

fn active(domains: &[&str], number: u32) -> Active {
    let domain = |name: &&str| {
        let bound = Bound::Limited(Quota::per_unit(number, Unit::Minute));
        let limit = Limit::new(bound, format!("{name}.user").into());
        let mut rules = Rules::default();
        rules
            .add(Node { key: "user".into(), limits: Box::new([limit]), ..Node::default() })
            .unwrap();
        (Arc::from(*name), rules, Options::default())
    };
    Active::new(domains.iter().map(domain).collect(), Answers::default(), &SECRET)
}

fn decider() -> (Arc<ManualClock>, Decider) {
    let wall = Wall::from_nanos(1_700_000_003 * NANOS_PER_SECOND);
    let clock = Arc::new(ManualClock::starting_at(wall));
    let bounds = Bounds { keys_max: 100_000, bytes_max: 1 << 28 };
    let active = active(&["d", "e"], 3);
    let decider = Decider::new(active, SECRET, bounds, Arc::clone(&clock) as Arc<dyn Clock>);
    (clock, decider)
}

fn hit(decider: &Decider, domain: &str, user: &str, hits: u64) {
    let entries = [Entry { key: "user", value: user }];
    let charge = Some(Charge::Hits(hits));
    let descriptors = [Descriptor { entries: &entries, limit_override: None, charge }];
    let request = Request { domain, descriptors: &descriptors, hits_addend: 0 };
    decider.check(&decider.active(), &request, Terms::default()).done().unwrap();
}

fn all() -> Search {
    Search { limit: ROWS_MAX, ..Search::default() }
}

fn labels(page: &Counters) -> Vec<&str> {
    let mut labels: Vec<_> = page.counters.iter().map(|row| row.label.as_str()).collect();
    labels.sort_unstable();
    labels
}

#[test]
fn pages_show_each_counter_once_in_the_order_of_keys() {
    let (_, decider) = decider();
    for user in 0..97 {
        hit(&decider, "d", &user.to_string(), 1);
    }
    let (mut search, mut keys) = (Search { limit: 10, ..Search::default() }, Vec::new());
    loop {
        let page = find(&decider, &search);
        assert!(page.counters.len() == 10 || page.next.is_none());
        keys.extend(page.counters.into_iter().map(|row| row.key));
        let Some(next) = page.next else { break };
        search.after = meets::parse_key(&next);
    }
    assert_eq!(keys.len(), 97);
    assert!(keys.is_sorted_by(|a, b| a < b));
}

#[test]
fn a_page_that_holds_all_says_that_it_is_the_last() {
    let (_, decider) = decider();
    hit(&decider, "d", "a", 1);
    hit(&decider, "d", "b", 1);
    assert_eq!(find(&decider, &Search { limit: 2, ..all() }).next, None);
    assert!(find(&decider, &Search { limit: 1, ..all() }).next.is_some());
}

#[test]
fn filters_go_by_domain_by_what_is_shown_and_by_what_is_left() {
    let (clock, decider) = decider();
    hit(&decider, "d", "alice", 3);
    hit(&decider, "d", "bob", 1);
    hit(&decider, "e", "alice", 1);
    let of = |search: &Search| labels(&find(&decider, search)).join(", ");
    assert_eq!(of(&Search { domain: Some("e".into()), ..all() }), "e user=alice");
    let text = Search { contains: Some("user=ali".into()), ..all() };
    assert_eq!(of(&text), "d user=alice, e user=alice");
    assert_eq!(of(&Search { contains: Some("d user=b".into()), ..all() }), "d user=bob");
    assert_eq!(of(&Search { over: true, ..all() }), "d user=alice");
    clock.advance(Duration::from_secs(60));
    assert_eq!(of(&all()), "", "what has ended is not shown");
}

#[test]
fn a_raised_limit_is_no_longer_over_and_a_removed_one_leaves_none() {
    let (_, decider) = decider();
    hit(&decider, "d", "alice", 3);
    let row = |decider: &Decider| find(decider, &all()).counters.remove(0);
    let (hits, left) = (row(&decider).hits, row(&decider).remaining);
    assert_eq!((hits, left), (Some(3), Some(0)));
    decider.replace(active(&["d"], 5));
    let raised = row(&decider);
    assert_eq!((raised.hits, raised.remaining), (Some(3), Some(2)));
    assert_eq!(raised.limit.unwrap().path, "d.user");
    assert_eq!(find(&decider, &Search { over: true, ..all() }).counters, []);
    decider.replace(active(&["e"], 5));
    let removed = row(&decider);
    assert_eq!((removed.limit, removed.hits, removed.remaining), (None, None, None));
    assert_eq!(removed.label, "d user=alice");
}

#[test]
fn the_top_is_ordered_and_as_long_as_asked() {
    let (_, decider) = decider();
    for (user, hits) in [("a", 1), ("b", 3), ("c", 2)] {
        hit(&decider, "d", user, hits);
    }
    for by in [By::Hits, By::Fill] {
        let top = top(&decider, by, 2).counters;
        let labels: Vec<_> = top.iter().map(|row| row.label.as_str()).collect();
        assert_eq!(labels, ["d user=b", "d user=c"]);
    }
}

#[test]
fn a_reset_shows_what_was_and_leaves_a_fresh_counter() {
    let (_, decider) = decider();
    hit(&decider, "d", "alice", 2);
    hit(&decider, "d", "bob", 2);
    let key = find(&decider, &Search { contains: Some("alice".into()), ..all() });
    let key = meets::parse_key(&key.counters[0].key).unwrap();
    assert_eq!(show(&decider, key).unwrap().hits, Some(2));
    assert_eq!(reset(&decider, key, &Who::Anybody).done().unwrap().unwrap().hits, Some(2));
    assert_eq!(
        (show(&decider, key), reset(&decider, key, &Who::Anybody).done().unwrap()),
        (None, None)
    );
    assert_eq!(labels(&find(&decider, &all())), ["d user=bob"]);
}

#[test]
fn a_label_is_searched_as_it_is_shown() {
    let label = "d\u{1e}user\u{1f}a=b";
    for part in ["", "d user", "user=a=b", "a=b"] {
        assert!(label_contains(label, part), "{part}");
    }
    for part in ["d=user", "user a", "x", "d user=a=bc"] {
        assert!(!label_contains(label, part), "{part}");
    }
}

#[test]
fn what_reservations_hold_is_shown_and_not_left() {
    let (clock, decider) = decider();
    hit(&decider, "d", "alice", 1);
    let entries = [Entry { key: "user", value: "alice" }];
    let descriptors = [Descriptor { entries: &entries, limit_override: None, charge: None }];
    let request = Request { domain: "d", descriptors: &descriptors, hits_addend: 2 };
    let active = decider.active();
    let reserved = decider
        .reserve(&active, &request, Duration::from_secs(30), Terms::default())
        .done()
        .unwrap();
    assert!(reserved.id.is_some());
    let row = || find(&decider, &all()).counters.remove(0);
    assert_eq!((row().hits, row().held, row().remaining), (Some(1), 2, Some(0)));
    let key = meets::parse_key(&row().key).unwrap();
    assert_eq!(show(&decider, key), Some(row()));
    assert_eq!(top(&decider, By::Hits, 1).counters, [row()]);
    // At its end all comes back by itself.
    clock.advance(Duration::from_secs(30));
    assert_eq!((row().hits, row().held, row().remaining), (Some(1), 0, Some(2)));
}
