//! Keys that the reference does not have: what they mean, and everything that is refused in them.

use std::fs;
use std::time::Duration;

use tollgate_core::descriptor::Entry;
use tollgate_core::limit::{
    self, Algorithm, Bound, HeaderStyle, Limit, OnUnavailable, Quota, Unit, Window,
};
use tollgate_core::metadata::Map;

use super::tests::{descriptor, found, read_all, read_text, wrong};
use super::*;
use crate::config::Config;

/// The named limits of a `tollgate.yaml`.
fn named() -> Rules {
    let text = "
limits:
  login: {by: [ip, route], limit: 5, window: 1m, algorithm: sliding_window}
  global: {by: [], rate: 10/s, shadow: true}
";
    Config::parse("tollgate.yaml", text, Path::new("")).unwrap().limits
}

fn read_with(text: &str, rules: &Rules) -> Result<Loaded, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    fs::write(&path, text).unwrap();
    let prefix = format!("{}/", folder.path().display());
    read(&[path], Options::default(), Some(rules))
        .map_err(|report| report.to_string().replace(&prefix, ""))
}

/// The limits of descriptor `a` with these keys.
fn limits(keys: &str) -> Vec<Limit> {
    let loaded = read_text(&descriptor(&format!("{{key: a, {keys}}}"))).unwrap();
    let entries = [Entry { key: "a", value: "x" }];
    loaded.domains[0].1.find(&entries, |_| ()).unwrap().node.limits.to_vec()
}

fn quota(rate_limit: &str) -> Quota {
    match limits(&format!("rate_limit: {{{rate_limit}}}"))[0].bound {
        Bound::Limited(quota) => quota,
        Bound::Unlimited => panic!("{rate_limit} is unlimited"),
    }
}

#[test]
fn a_limit_may_have_another_algorithm_window_and_penalty() {
    let minute = Quota::per_unit(60, Unit::Minute);
    assert_eq!(quota("unit: minute, requests_per_unit: 60, algorithm: fixed_window"), minute);
    let sliding = Quota { algorithm: Algorithm::SlidingWindow, ..minute };
    assert_eq!(quota("unit: minute, requests_per_unit: 60, algorithm: sliding_window"), sliding);
    let bucket = |burst| Quota { algorithm: Algorithm::TokenBucket { burst }, ..minute };
    assert_eq!(quota("unit: minute, requests_per_unit: 60, algorithm: token_bucket"), bucket(60));
    let burst = "unit: minute, requests_per_unit: 60, algorithm: token_bucket, burst: 010";
    assert_eq!(quota(burst), bucket(8));
    let window = |seconds| Window::of_length(Duration::from_secs(seconds)).unwrap();
    let odd = quota("window: 15s, requests_per_unit: 60");
    assert_eq!(odd, Quota { window: window(15), ..minute });
    let several = quota("unit: minute, unit_multiplier: 5, requests_per_unit: 60");
    assert_eq!(several, Quota { window: window(300), ..minute });
    let once = quota("unit: minute, unit_multiplier: 1, requests_per_unit: 60");
    assert_eq!(once, minute);
    let penalty = quota("unit: minute, requests_per_unit: 60, penalty: {max: 5m}");
    assert_eq!(penalty, Quota { penalty_max: Some(Duration::from_secs(300)), ..minute });
    // An empty key counts as absent, as the reference's own do.
    let empty = "unit: minute, requests_per_unit: 60, algorithm: , burst: , window: , penalty: ";
    assert_eq!(quota(empty), minute);
}

#[test]
fn a_limit_says_what_is_answered_while_a_cluster_cannot_agree() {
    let on = |keys: &str| {
        limits(&format!("rate_limit: {{unit: day, requests_per_unit: 1{keys}}}"))[0].on_unavailable
    };
    assert_eq!(on(""), OnUnavailable::Error);
    assert_eq!(on(", on_unavailable: "), OnUnavailable::Error);
    assert_eq!(on(", on_unavailable: error"), OnUnavailable::Error);
    assert_eq!(on(", on_unavailable: deny"), OnUnavailable::Deny);
    assert_eq!(on(", on_unavailable: allow"), OnUnavailable::Allow);
    assert_eq!(on(", on_unavailable: local"), OnUnavailable::Local);
}

#[test]
fn a_descriptor_may_have_several_limits() {
    let all = limits(
        "shadow_mode: true, metadata: {x: }, rate_limits: [{unit: second, requests_per_unit: 5}, \
         {window: 15s, name: slow, algorithm: token_bucket, requests_per_unit: 9}]",
    );
    let [first, second] = &all[..] else { panic!("{all:?}") };
    assert_eq!(first.bound, Bound::Limited(Quota::per_unit(5, Unit::Second)));
    assert_eq!((first.name.as_deref(), second.name.as_deref()), (None, Some("slow")));
    for (limit, path) in [(first, "d.a[0]"), (second, "d.a[1]")] {
        assert!(limit.shadow && &*limit.path == path, "{limit:?}");
        assert_eq!(limit.metadata.as_deref().map(Map::len), Some(1));
    }
    assert!(limits("rate_limits: []").is_empty());
    assert!(limits("rate_limits: ").is_empty());
    let sixteen = "{unit: day}, ".repeat(16);
    assert_eq!(limits(&format!("rate_limits: [{sixteen}]")).len(), 16);
}

const LEAF: &str = "
domain: d
descriptors:
- key: route
  descriptors:
  - {key: ip, value: '10.*', limit: login, quota_mode: true, metadata: {x: 1}}
- {key: all, limit: global}
";

#[test]
fn a_leaf_may_count_in_a_named_limit() {
    let rules = named();
    let loaded = read_with(LEAF, &rules).unwrap();
    let login = found(&loaded, "d", &[("route", "/a"), ("ip", "10.0.0.1")]).unwrap();
    let minute = Quota { algorithm: Algorithm::SlidingWindow, ..Quota::per_unit(5, Unit::Minute) };
    assert_eq!(login.bound, Bound::Limited(minute));
    let by = &login.named.as_ref().unwrap().by;
    assert_eq!(by.iter().map(|key| &**key).collect::<Vec<_>>(), ["ip", "route"]);
    assert_eq!(&*login.named.as_ref().unwrap().name, "login");
    assert_eq!((login.name.as_deref(), &*login.path), (Some("login"), "d.route.ip_10.*"));
    assert!(login.quota_mode && !login.shadow && login.metadata.is_some());
    let global = found(&loaded, "d", &[("all", "x")]).unwrap();
    assert!(global.shadow && global.named.as_ref().unwrap().by.is_empty());
}

#[test]
fn a_leaf_of_an_unknown_limit_or_without_its_keys_is_refused() {
    let rules = named();
    let report = |keys: &str| read_with(&descriptor(keys), &rules).unwrap_err();
    assert_eq!(
        report("{key: a, limit: logn}"),
        "a.yaml:3:19: descriptors[0].limit: unknown limit 'logn'\n    help: did you mean `login`?"
    );
    assert_eq!(
        report("{key: a, limit: other}"),
        "a.yaml:3:19: descriptors[0].limit: unknown limit 'other'\n    help: limits of \
         tollgate.yaml: global, login"
    );
    assert_eq!(
        report("{key: route, limit: login}"),
        "a.yaml:3:23: descriptors[0].limit: limit 'login' counts by `ip`, which no descriptor from \
         the root to here has as its key"
    );
    let both = report("{key: a, limit: login, descriptors: [{key: ip}, {key: route}]}");
    assert!(both.contains("counts by `ip` and `route`, which"), "{both}");
    let none = read_with(&descriptor("{key: a, limit: x}"), &Rules::default()).unwrap_err();
    assert!(none.ends_with("help: tollgate.yaml has no `limits`"), "{none}");
}

#[test]
fn a_leaf_of_a_named_limit_is_noted_where_the_limits_are_not_known() {
    let loaded = read_text(LEAF).unwrap();
    let notes: Vec<_> =
        loaded.notes.iter().map(|note| (note.line, &*note.path, &*note.message)).collect();
    let message = "named limits are known only when checked through tollgate.yaml";
    let expected =
        [(6, "descriptors[0].descriptors[0].limit", message), (7, "descriptors[1].limit", message)];
    assert_eq!(notes, expected);
}

#[test]
fn a_file_says_how_its_domain_answers() {
    let options = |text: &str| read_text(text).unwrap().domains[0].2;
    assert_eq!(options("domain: d"), limit::Options::default());
    let headers = Some(HeaderStyle::XRateLimitEpoch);
    let all = options("domain: d\natomic: yes\nresponse_headers: x-ratelimit-epoch");
    assert_eq!(all, limit::Options { atomic: true, headers });
    // In the reference's YAML, `off` is no text.
    let off = options("domain: d\natomic: no\nresponse_headers: off");
    assert_eq!(off, limit::Options { atomic: false, headers: Some(HeaderStyle::Off) });
    assert_eq!(options("domain: d\natomic: \nresponse_headers: "), limit::Options::default());
}

#[test]
fn files_of_one_domain_may_repeat_each_other_and_not_contradict() {
    let merge = Options { merge_domains: true };
    let says = |keys: &str| format!("domain: d\n{keys}");
    let (atomic, style) = (says("atomic: true"), says("response_headers: draft-11"));
    let loaded = read_all(&[&says(""), &atomic, &style, &atomic], merge).unwrap();
    let headers = Some(HeaderStyle::Draft11);
    assert_eq!(loaded.domains[0].2, limit::Options { atomic: true, headers });
    let (not, other) = (says("atomic: false"), says("response_headers: off"));
    let report = read_all(&[&atomic, &style, &not, &other], merge).unwrap_err();
    let lines: Vec<_> = report.lines().map(|line| line.split_once(" a file").unwrap().0).collect();
    let [first, second] = &lines[..] else { panic!("{report}") };
    assert!(
        first.starts_with("2.yaml:2:9: atomic: `atomic: false` contradicts `atomic: true` of ")
    );
    assert!(first.ends_with("0.yaml:2,"), "{first}");
    assert!(
        second.starts_with("3.yaml:2:19: response_headers: `response_headers: off` contradicts ")
    );
}

/// What a descriptor of key `a` says beside it, each with its one error.
const WRONG: &str = r#"
rate_limit: {unit: day, algorithm: bucket} => 3:47: descriptors[0].rate_limit.algorithm: expected `fixed_window`, `sliding_window` or `token_bucket`, found text "bucket"
rate_limit: {unit: day, algorithm: bucket, burst: 5} => 3:47: descriptors[0].rate_limit.algorithm: expected `fixed_window`, `sliding_window` or `token_bucket`, found text "bucket"
rate_limit: {unit: day, burst: 5} => 3:43: descriptors[0].rate_limit.burst: `burst` goes with `algorithm: token_bucket` only
rate_limit: {unit: day, algorithm: token_bucket, burst: 0} => 3:68: descriptors[0].rate_limit.burst: a burst of 0 would refuse every hit
rate_limit: {unit: day, algorithm: token_bucket, burst: x} => 3:68: descriptors[0].rate_limit.burst: error loading config file: expected a whole number from 0 to 4294967295, found text "x"
rate_limit: {unit: second, algorithm: token_bucket, requests_per_unit: 1000000001} => 3:83: descriptors[0].rate_limit.requests_per_unit: a token bucket refills at 1000000000 hits a second at most, because it counts in nanoseconds
rate_limit: {unit: day, window: 15s} => 3:31: descriptors[0].rate_limit.unit: `window` and `unit` exclude each other
rate_limit: {window: 15s, unit_multiplier: 2} => 3:55: descriptors[0].rate_limit.unit_multiplier: `window` and `unit_multiplier` exclude each other
rate_limit: {window: 15} => 3:33: descriptors[0].rate_limit.window: expected a duration such as `15s`, `500ms`, `1m30s`, `1h` or `7d`, found 15
rate_limit: {window: 366d} => 3:33: descriptors[0].rate_limit.window: expected a window from 1ms to 365d, found 366d
rate_limit: {unit: day, unit_multiplier: 0} => 3:53: descriptors[0].rate_limit.unit_multiplier: expected a whole number from 1 to 4294967295, found 0
rate_limit: {unit: year, unit_multiplier: 2} => 3:54: descriptors[0].rate_limit.unit_multiplier: expected a window from 1ms to 365d, found 730d
rate_limit: {unit_multiplier: 2} => 3:12: descriptors[0].rate_limit.unit: invalid rate limit unit ''
rate_limit: {unit: day, penalty: {max: 0s}} => 3:51: descriptors[0].rate_limit.penalty.max: expected 1s to 365d, found 0s
rate_limit: {unit: day, penalty: {}} => 3:36: descriptors[0].rate_limit.penalty.max: the key `max` is missing
rate_limit: {unit: day, penalty: {mx: 1s}} => 3:46: descriptors[0].rate_limit.penalty.mx: config error, unknown key 'mx'
rate_limit: {unit: day, penalty: 5m} => 3:45: descriptors[0].rate_limit.penalty: expected a mapping, found text "5m"
rate_limit: {unit: day, on_unavailable: pass} => 3:52: descriptors[0].rate_limit.on_unavailable: expected `error`, `deny`, `allow` or `local`, found text "pass"
rate_limit: {unlimited: true, on_unavailable: deny} => 3:58: descriptors[0].rate_limit.on_unavailable: should not specify rate limit on_unavailable when unlimited
on_unavailable: deny => 3:12: descriptors[0].on_unavailable: `on_unavailable` has no place here
rate_limit: {unlimited: true, window: 1s} => 3:50: descriptors[0].rate_limit.window: should not specify rate limit window when unlimited
rate_limit: {unlimited: true, algorithm: fixed_window} => 3:53: descriptors[0].rate_limit.algorithm: should not specify rate limit algorithm when unlimited
rate_limit: {unit: day}, rate_limits: [{unit: day}] => 3:37: descriptors[0].rate_limits: `rate_limit` and `rate_limits` exclude each other
rate_limit: {unit: day}, limit: x => 3:44: descriptors[0].limit: `rate_limit` and `limit` exclude each other
rate_limits: [{unit: day}], limit: x => 3:47: descriptors[0].limit: `rate_limits` and `limit` exclude each other
rate_limits: {unit: day} => 3:12: descriptors[0].rate_limits: error loading config file: expected a list, found a mapping
rate_limits: [5] => 3:26: descriptors[0].rate_limits[0]: config error, yaml file contains list of type other than map: 5
rate_limits: [{unit: day}, {unlimited: true}] => 3:51: descriptors[0].rate_limits[1].unlimited: one of several limits cannot be unlimited
rate_limits: [{unit: day, name: b}, {unit: week, replaces: [{name: b}]}] => 3:79: descriptors[0].rate_limits[1].replaces[0].name: replaces should not contain name of same descriptor
rate_limits: [{unit: dya}] => 3:33: descriptors[0].rate_limits[0].unit: invalid rate limit unit 'dya'
limit: {name: x} => 3:12: descriptors[0].limit: error loading config file: expected text, found a mapping
algorithm: token_bucket => 3:12: descriptors[0].algorithm: `algorithm` has no place here
"#;

#[test]
fn everything_that_is_not_valid_is_refused_with_its_place() {
    for line in WRONG.lines().skip(1) {
        let (keys, expected) = line.split_once(" => ").unwrap();
        assert_eq!(wrong(&descriptor(&format!("{{key: a, {keys}}}"))), [expected], "{keys}");
    }
    let seventeen = "{unit: day}, ".repeat(17);
    let text = descriptor(&format!("{{key: a, rate_limits: [{seventeen}]}}"));
    let expected = "3:12: descriptors[0].rate_limits: expected at most 16 limits, found 17";
    assert_eq!(wrong(&text), [expected]);
    let expected = "2:9: atomic: error loading config file: expected true or false, found 1";
    assert_eq!(wrong("domain: d\natomic: 1"), [expected]);
    let expected = "2:19: response_headers: expected `off`, `ratelimit`, `x-ratelimit`, \
                    `x-ratelimit-epoch` or `draft-11`, found text \"on\"";
    assert_eq!(wrong("domain: d\nresponse_headers: on"), [expected]);
    let expected = "2:1: burst: `burst` has no place here";
    assert_eq!(wrong("domain: d\nburst: 5"), [expected]);
}
