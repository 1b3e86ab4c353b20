//! Reading requests: which field is wrong, and what becomes of what is right.

use std::sync::Arc;

use prost_types::Duration as Wire;
use tollgate_core::key::KeySecret;
use tollgate_core::limit::{Bound, Limit, Node, Options, Rules, Unit};
use tollgate_core::plan::Plan;

use super::*;
use crate::v1::{Descriptor as WireDescriptor, Entry as WireEntry};

const BOUNDS: Bounds = Bounds {
    descriptors_max: 3,
    entries_max: 2,
    domain_bytes_max: 8,
    key_bytes_max: 4,
    value_bytes_max: 6,
};

/// One named limit, `login` by `ip`, then `user`.
fn set() -> LimitSet {
    let limit = Limit::new(Bound::Limited(Quota::per_unit(5, Unit::Minute)), Arc::from("t"));
    let user = Node { key: "user".into(), limits: Box::new([limit]), ..Node::default() };
    let mut ip = Node { key: "ip".into(), ..Node::default() };
    ip.rules.add(user).unwrap();
    let mut login = Node { key: "limit".into(), value: "login".into(), ..Node::default() };
    login.rules.add(ip).unwrap();
    let mut rules = Rules::default();
    rules.add(login).unwrap();
    let options = Options { atomic: true, headers: None };
    LimitSet::new([(Arc::from(NAMED_DOMAIN), rules, options)], &KeySecret::new([1; 16]))
}

fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn of(kind: Kind) -> Subject {
    Subject { kind: Some(kind) }
}

fn named(name: &str, pairs: &[(&str, &str)]) -> Subject {
    of(Kind::Limit(NamedLimit { name: name.to_owned(), values: values(pairs) }))
}

fn described(domain: &str, descriptors: &[&[(&str, &str)]]) -> Subject {
    let entry = |&(key, value): &(&str, &str)| WireEntry { key: key.into(), value: value.into() };
    let descriptor = |entries: &&[(&str, &str)]| WireDescriptor {
        entries: entries.iter().map(entry).collect(),
        hits: None,
    };
    let descriptors = descriptors.iter().map(descriptor).collect();
    of(Kind::Descriptors(Descriptors { domain: domain.to_owned(), descriptors }))
}

fn inline() -> InlineLimit {
    InlineLimit {
        name: "mine".into(),
        values: values(&[("u", "1")]),
        limit: 10,
        window: Some(Wire { seconds: 60, nanos: 0 }),
        algorithm: 0,
        burst: None,
    }
}

fn refused(subject: Option<&Subject>, hits: Option<u64>) -> String {
    Asked::read(subject, hits, &BOUNDS, &set()).unwrap_err().to_string()
}

#[test]
fn a_named_limit_is_met_whatever_the_order_of_its_values() {
    let set = set();
    let subject = named("login", &[("user", "u"), ("ip", "1")]);
    let asked = Asked::read(Some(&subject), None, &BOUNDS, &set).unwrap();
    let descriptors = asked.descriptors();
    let entries: Vec<_> = descriptors[0].entries.iter().map(|one| (one.key, one.value)).collect();
    assert_eq!(entries, [("limit", "login"), ("ip", "1"), ("user", "u")]);
    let plan = Plan::of(&set, &asked.request(&descriptors));
    assert_eq!(plan.operations.len(), 1);
    assert_eq!(plan.operations[0].charge, Charge::Hits(1));
}

#[test]
fn what_is_wrong_with_a_named_limit_is_named() {
    for (subject, expected) in [
        (named("", &[]), "subject.limit.name: is missing"),
        (named("nobody\n", &[]), "there is no limit named nobody\u{fffd}"),
        (
            named("login", &[("ip", "1")]),
            "subject.limit.values: a value for `user` is missing: the limit counts by it",
        ),
        (
            named("login", &[("ip", "1"), ("user", "u"), ("x\u{1b}[", "y")]),
            "subject.limit.values: there is a value for `x\u{fffd}[`, by which the limit does not count",
        ),
        (
            named("login", &[("ip", "1"), ("user", "toolong")]),
            "subject.limit.values.user: 7 bytes are more than the 6 that this server allows",
        ),
    ] {
        assert_eq!(refused(Some(&subject), None), expected);
    }
    let many: Vec<_> = (0..10_000).map(|i| i.to_string()).collect();
    let many: Vec<_> = many.iter().map(|one| (one.as_str(), "")).collect();
    assert!(refused(Some(&named("login", &many)), None).contains("`ip` is missing"));
}

#[test]
fn a_subject_and_its_kind_must_be_there() {
    assert_eq!(refused(None, None), "subject: is missing");
    assert_eq!(refused(Some(&Subject { kind: None }), None), "subject.kind: is missing");
}

#[test]
fn every_bound_of_descriptors_is_named_with_its_place() {
    const ALL: &str = "subject.descriptors.descriptors";
    for (subject, expected) in [
        (described("", &[]), "subject.descriptors.domain: is missing".to_owned()),
        (described("123456789", &[]), "subject.descriptors.domain: 9 bytes".to_owned()),
        (described("d", &[]), format!("{ALL}: is missing")),
        (described("d", &[&[][..]; 4]), format!("{ALL}: 4 is more than the 3")),
        (described("d", &[&[("a", "b"); 3]]), format!("{ALL}[0].entries: 3 is more")),
        (described("d", &[&[], &[("toolo", "")]]), format!("{ALL}[1].entries[0].key: 5 bytes")),
        (described("d", &[&[("a", "toolong")]]), format!("{ALL}[0].entries[0].value: 7 bytes")),
    ] {
        let refused = refused(Some(&subject), None);
        assert!(refused.starts_with(&expected), "{refused}");
    }
}

#[test]
fn hits_are_the_requests_unless_a_descriptor_has_its_own() {
    let mut subject = described("d", &[&[("a", "1")], &[("b", "2")]]);
    let Some(Kind::Descriptors(all)) = &mut subject.kind else { panic!() };
    all.descriptors[1].hits = Some(7);
    let set = set();
    let charges = |hits| {
        let asked = Asked::read(Some(&subject), hits, &BOUNDS, &set).unwrap();
        let descriptors = asked.descriptors();
        let request = asked.request(&descriptors);
        [0, 1].map(|at| request.charge_of(&descriptors[at]))
    };
    assert_eq!(charges(None), [Charge::Hits(1), Charge::Hits(7)]);
    assert_eq!(charges(Some(3)), [Charge::Hits(3), Charge::Hits(7)]);
    assert_eq!(charges(Some(0)), [Charge::Hits(0), Charge::Hits(7)]);
    assert_eq!(charges(Some(HITS_ADDEND_MAX))[0], Charge::Hits(HITS_ADDEND_MAX));
    let over = HITS_ADDEND_MAX + 1;
    assert_eq!(refused(Some(&subject), Some(over)), "hits: 1000000001 is not from 0 to 1000000000");
    let Some(Kind::Descriptors(all)) = &mut subject.kind else { panic!() };
    all.descriptors[1].hits = Some(u64::MAX);
    assert!(refused(Some(&subject), None).starts_with("subject.descriptors.descriptors[1].hits: "));
}

#[test]
fn an_inline_limit_brings_its_quota() {
    let set = set();
    let read = |limit: InlineLimit| {
        let subject = of(Kind::Inline(limit));
        let asked = Asked::read(Some(&subject), None, &BOUNDS, &set).unwrap();
        let descriptors = asked.descriptors();
        let plan = Plan::of(&set, &asked.request(&descriptors));
        (plan.operations[0].key, plan.operations[0].quota)
    };
    let (key, quota) = read(inline());
    let minute = Window::of_length(Duration::from_secs(60)).unwrap();
    assert_eq!((quota.limit, quota.window), (10, minute));
    assert_eq!(quota.algorithm, CoreAlgorithm::FixedWindow);
    assert_eq!(read(InlineLimit { limit: 3, ..inline() }).0, key);
    for other in [
        InlineLimit { name: "other".into(), ..inline() },
        InlineLimit { values: values(&[("u", "2")]), ..inline() },
        InlineLimit { algorithm: 2, ..inline() },
        InlineLimit { window: Some(Wire { seconds: 61, nanos: 0 }), ..inline() },
    ] {
        assert_ne!(read(other).0, key);
    }
    let bucket = read(InlineLimit { algorithm: 3, burst: Some(20), ..inline() }).1;
    assert_eq!(bucket.algorithm, CoreAlgorithm::TokenBucket { burst: 20 });
    let bucket = read(InlineLimit { algorithm: 3, ..inline() }).1;
    assert_eq!(bucket.algorithm, CoreAlgorithm::TokenBucket { burst: 10 });
}

#[test]
fn what_is_wrong_with_an_inline_limit_is_named() {
    let window = |seconds, nanos| InlineLimit { window: Some(Wire { seconds, nanos }), ..inline() };
    let year = 365 * 24 * 3_600;
    for (limit, expected) in [
        (InlineLimit { name: String::new(), ..inline() }, "subject.inline.name: a name"),
        (InlineLimit { name: "Mine".into(), ..inline() }, "subject.inline.name: a name"),
        (InlineLimit { name: "a".repeat(65), ..inline() }, "subject.inline.name: a name"),
        (InlineLimit { window: None, ..inline() }, "subject.inline.window: is missing"),
        (window(-1, 0), "subject.inline.window: is no duration"),
        (window(1, -1), "subject.inline.window: is no duration"),
        (window(1, 1_000_000_000), "subject.inline.window: is no duration"),
        (window(0, 999_999), "subject.inline.window: 999.999µs is not from 1ms"),
        (window(year, 1), "subject.inline.window: 31536000.000000001s is not from"),
        (InlineLimit { algorithm: 4, ..inline() }, "subject.inline.algorithm: 4 is no algorithm"),
        (InlineLimit { burst: Some(9), ..inline() }, "subject.inline.burst: only a token bucket"),
        (
            InlineLimit { values: values(&[("a", ""), ("b", ""), ("c", "")]), ..inline() },
            "subject.inline.values: 3 is more",
        ),
        (InlineLimit { values: values(&[("toolo", "")]), ..inline() }, "subject.inline.values: 5"),
        (
            InlineLimit { values: values(&[("\n", "toolong")]), ..inline() },
            "subject.inline.values: 7 bytes",
        ),
    ] {
        let refused = refused(Some(&of(Kind::Inline(limit))), None);
        assert!(refused.starts_with(expected), "{refused}");
    }
}

#[test]
fn a_reservation_is_held_from_a_second_to_an_hour() {
    let hold = |seconds, nanos| hold_for(Some(&Wire { seconds, nanos }));
    assert_eq!(hold_for(None), Ok(Duration::from_secs(60)));
    assert_eq!(hold(1, 0), Ok(Duration::from_secs(1)));
    assert_eq!(hold(3_600, 0), Ok(Duration::from_secs(3_600)));
    for (seconds, nanos) in [(0, 999_999_999), (3_600, 1), (-1, 0), (i64::MIN, i32::MIN)] {
        assert_eq!(hold(seconds, nanos).unwrap_err().field, "hold_for");
    }
}

#[test]
fn keys_names_and_batches_are_bounded() {
    assert_eq!(idempotency_key(""), Ok(None));
    let longest = "k".repeat(128);
    assert_eq!(idempotency_key(&longest), Ok(Some(longest.as_str())));
    for wrong in ["k".repeat(129), "a\n".into(), "ä".into()] {
        assert_eq!(idempotency_key(&wrong), Err(Fault::NotAKey.at("idempotency_key")));
    }
    assert!(reservation(&"0a".repeat(16)).is_ok());
    for wrong in ["", "0", &"0A".repeat(16), &"0g".repeat(16)] {
        assert_eq!(reservation(wrong), Err(Fault::NotAReservation.at("reservation")));
    }
    let of = |count| batch(&CheckBatchRequest { checks: vec![Default::default(); count] });
    assert_eq!(of(0).unwrap_err().to_string(), "checks: is missing");
    assert_eq!((of(1), of(BATCH_MAX)), (Ok(()), Ok(())));
    assert!(of(BATCH_MAX + 1).unwrap_err().to_string().starts_with("checks: 1001 is more"));
    assert!(timeout(Some(&Wire { seconds: -1, nanos: 0 })).is_err());
}
