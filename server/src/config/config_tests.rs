//! What a `tollgate.yaml` becomes, and everything that is refused in one.

use std::fs;

use proptest::prelude::*;
use tollgate_core::decision::Modes;
use tollgate_core::descriptor::Entry;
use tollgate_core::limit::{Algorithm, Bound, HeaderStyle, Limit, OnUnavailable, Quota, Unit};
use tollgate_core::tally::NEAR_LIMIT_RATIO;
use tollgate_proto::ratelimit::HeaderNames;

use super::*;

fn parsed(text: &str) -> Result<Config, Report> {
    Config::parse("a.yaml", text, Path::new(""))
}

fn right(text: &str) -> Config {
    parsed(text).unwrap_or_else(|report| panic!("{report}"))
}

/// The issues' lines, without hints and without the file.
fn wrong(text: &str) -> Vec<String> {
    let report = parsed(text).unwrap_err().to_string();
    report.lines().filter_map(|line| line.strip_prefix("a.yaml:")).map(str::to_owned).collect()
}

fn found<'a>(config: &'a Config, entries: &[(&str, &str)]) -> Option<&'a Limit> {
    let entries: Vec<_> = entries.iter().map(|&(key, value)| Entry { key, value }).collect();
    config.limits.find(&entries, |_| ())?.node.limits.first()
}

#[test]
fn an_empty_file_is_every_default() {
    let config = right("");
    let expected = Listeners {
        decide: "[::]:8081".parse().unwrap(),
        decide_socket: None,
        decide_tls: None,
        decide_age: Age {
            max: Some(Duration::from_secs(86_400)),
            grace: Some(Duration::from_secs(3_600)),
        },
        decide_permissions: PermissionSet::NONE,
        http: "[::]:8080".parse().unwrap(),
        http_tls: None,
        http_permissions: PermissionSet::NONE,
        admin: "127.0.0.1:6070".parse().unwrap(),
        admin_tls: None,
        admin_roles: Vec::new(),
        tokens_file: None,
    };
    assert_eq!(config.listeners, expected);
    assert_eq!(config.node, Node { workers: None, drain_notice: Duration::from_secs(5) });
    let expected_ledger =
        Ledger { keys_max: 1_000_000, bytes_max: 512 << 20, reservations_max: 100_000 };
    assert_eq!(config.ledger, expected_ledger);
    assert_eq!(config.bounds.descriptors_max, 100);
    assert_eq!(config.bounds.value_bytes_max, 8_192);
    assert_eq!(config.telemetry.log_level, LogLevel::Info);
    assert!(config.ratelimit_files.is_empty());
    assert_eq!((config.answers.clone(), config.merge_domains), (Answers::default(), false));
    assert_eq!(config.answers.near_limit_ratio, NEAR_LIMIT_RATIO);
    assert!(config.domains().unwrap().is_empty());
}

#[test]
fn every_section_is_taken_over() {
    let config = right(
        "
node: {workers: 4}
listeners: {decide: {address: '127.0.0.1:0'}, http: {address: '127.0.0.1:0'}}
bounds: {descriptors_max: 7, entries_max: 5, key_bytes_max: 10, value_bytes_max: 1KiB,
  domain_bytes_max: 20B, message_bytes_max: 2MiB, in_flight_bytes_max: 3MiB}
ledger: {keys_max: 5000, bytes_max: 4194304, reservations_max: 0}
telemetry: {log_format: json, log_level: warn}
ratelimit: {shadow_mode: true, quota_mode: true, merge_domains: true,
  response_headers: draft-11, header_names: {limit: X-Most}, dynamic_metadata: true, near_limit_ratio: 1}
",
    );
    assert_eq!(config.node.workers, NonZeroUsize::new(4));
    assert_eq!(config.listeners.http.port(), 0);
    let expected = Bounds {
        descriptors_max: 7,
        entries_max: 5,
        key_bytes_max: 10,
        value_bytes_max: 1_024,
        domain_bytes_max: 20,
        message_bytes_max: 2 << 20,
        in_flight_bytes_max: 3 << 20,
    };
    assert_eq!(config.bounds, expected);
    let expected_ledger = Ledger { keys_max: 5_000, bytes_max: 4 << 20, reservations_max: 0 };
    assert_eq!(config.ledger, expected_ledger);
    let expected = Telemetry {
        log_format: LogFormat::Json,
        log_level: LogLevel::Warn,
        statsd: None,
        ratelimit_prometheus: None,
    };
    assert_eq!(config.telemetry, expected);
    let expected = Answers {
        modes: Modes { shadow: true, quota: true },
        headers: HeaderStyle::Draft11,
        header_names: HeaderNames { limit: "X-Most".into(), ..HeaderNames::default() },
        dynamic_metadata: true,
        near_limit_ratio: 1.0,
    };
    assert_eq!((config.answers, config.merge_domains), (expected, true));
}

#[test]
fn every_style_of_headers_has_a_word() {
    for (word, style) in [
        ("off", HeaderStyle::Off),
        ("ratelimit", HeaderStyle::RateLimit),
        ("x-ratelimit", HeaderStyle::XRateLimit),
        ("x-ratelimit-epoch", HeaderStyle::XRateLimitEpoch),
        ("draft-11", HeaderStyle::Draft11),
    ] {
        let config = right(&format!("ratelimit: {{response_headers: {word}}}"));
        assert_eq!(config.answers.headers, style, "{word}");
    }
}

#[test]
fn the_embedded_configuration_is_valid_and_has_a_limit_to_try() {
    let config = Config::embedded();
    let demo = found(&config, &[("limit", "demo"), ("client", "anyone")]).unwrap();
    let Bound::Limited(quota) = demo.bound else { panic!("{demo:?}") };
    assert_eq!((quota.limit, quota.window.unit()), (5, Unit::Minute));
    assert_eq!(quota.algorithm, Algorithm::SlidingWindow);
    let defaults = right("");
    assert_eq!(config.listeners, defaults.listeners);
    assert_eq!((config.bounds, config.ledger), (defaults.bounds, defaults.ledger));
}

#[test]
fn a_named_limit_is_met_by_its_name_and_its_keys_in_order() {
    let config = right(
        "
limits:
  login: {by: [ip, route], limit: 5, window: 1m30s, shadow: true, on_unavailable: local}
  global: {by: [], limit: 0, window: 500ms}
",
    );
    let login = found(&config, &[("limit", "login"), ("ip", "1.2.3.4"), ("route", "/a")]).unwrap();
    let Bound::Limited(quota) = login.bound else { panic!("{login:?}") };
    assert_eq!((quota.limit, quota.window.nanos()), (5, 90_000_000_000));
    assert_eq!(login.name.as_deref(), Some("login"));
    assert_eq!(&*login.path, "tollgate.limit_login.ip.route");
    assert!(login.shadow && !login.quota_mode);
    assert_eq!(login.on_unavailable, OnUnavailable::Local);
    for other in [
        &[("limit", "login")][..],
        &[("limit", "login"), ("ip", "x")],
        &[("limit", "login"), ("route", "x"), ("ip", "x")],
        &[("limit", "other"), ("ip", "x"), ("route", "x")],
    ] {
        assert_eq!(found(&config, other), None, "{other:?}");
    }
    let global = found(&config, &[("limit", "global")]).unwrap();
    assert_eq!(&*global.path, "tollgate.limit_global");
    let domains = config.domains().unwrap();
    assert_eq!(&*domains[0].0, NAMED_DOMAIN);
}

fn quota(limit: &str) -> Quota {
    let config = right(&format!("limits: {{a: {limit}}}"));
    match found(&config, &[("limit", "a")]).unwrap().bound {
        Bound::Limited(quota) => quota,
        Bound::Unlimited => panic!("{limit} is unlimited"),
    }
}

#[test]
fn a_rate_is_a_token_bucket_and_a_limit_a_fixed_window_unless_they_say() {
    let minute = Quota::per_unit(600, Unit::Minute);
    assert_eq!(quota("{limit: 600, window: 60s}"), minute);
    assert_eq!(quota("{rate: 600/m, algorithm: fixed_window}"), minute);
    let bucket = |burst| Quota { algorithm: Algorithm::TokenBucket { burst }, ..minute };
    assert_eq!(quota("{rate: 600/m}"), bucket(600));
    assert_eq!(quota("{rate: 600/60s, burst: 60}"), bucket(60));
    assert_eq!(quota("{limit: 600, window: 1m, algorithm: token_bucket, burst: 9}"), bucket(9));
    let sliding = Quota { algorithm: Algorithm::SlidingWindow, ..minute };
    assert_eq!(quota("{rate: 600/m, algorithm: sliding_window}"), sliding);
    let odd = quota("{rate: 100/15s}");
    assert_eq!((odd.limit, odd.window.nanos()), (100, 15_000_000_000));
}

#[test]
fn a_penalty_is_the_longest_wait() {
    let quota = quota("{rate: 1/s, penalty: {max: 5m}}");
    assert_eq!(quota.penalty_max, Some(std::time::Duration::from_secs(300)));
}

/// Files, each with its one error.
const WRONG: &str = r#"
- a => 1:1: expected a mapping, found a list
node: {workers: 1025} => 1:17: node.workers: expected 0 to 1024, found 1025
bounds: {entries_max: 0} => 1:23: bounds.entries_max: expected 1 to 256, found 0
bounds: {value_bytes_max: 2MiB} => 1:27: bounds.value_bytes_max: expected 1 to 1MiB, found 2MiB
ledger: {keys_max: 1} => 1:20: ledger.keys_max: expected 1000 to 1000000000, found 1
ledger: {reservations_max: 10000001} => 1:28: ledger.reservations_max: expected 0 to 10000000, found 10000001
ledger: {bytes_max: 1MB} => 1:21: ledger.bytes_max: expected a number of bytes such as 65536, `64KiB`, `512MiB` or `2GiB`, found text "1MB"
listeners: {http: {address: localhost}} => 1:29: listeners.http.address: expected an IP address and a port, found "localhost"
telemetry: {log_level: loud} => 1:24: telemetry.log_level: expected `error`, `warn`, `info`, `debug` or `trace`, found text "loud"
ratelimit_files: [''] => 1:19: ratelimit_files[0]: expected a path, found empty text
limits: {a: {limit: 1, window: 0s}} => 1:32: limits.a.window: expected a window from 1ms to 365d, found 0s
limits: {a: {limit: 1, window: 366d}} => 1:32: limits.a.window: expected a window from 1ms to 365d, found 366d
limits: {a: {limit: 1, window: 60}} => 1:32: limits.a.window: expected a duration such as `15s`, `500ms`, `1m30s`, `1h` or `7d`, found 60
limits: {a: {limit: 1, window: 1s, by: [b, '']}} => 1:44: limits.a.by[1]: a key cannot be empty
limits: {a: {limit: 1, window: 1s, by: [b, c, b]}} => 1:47: limits.a.by[2]: this key is listed twice
limits: {a: {limit: 1, window: 1s, by: ['b*']}} => 1:41: limits.a.by[0]: a key cannot contain `*`, which would fit other keys, too
limits: {a: {limit: 1}} => 1:10: limits.a.window: the key `window` is missing
limits: {a: {limit: 1, window: 1s, brust: 2}} => 1:36: limits.a.brust: unknown key `brust`
limits: {a: {limit: 1, window: 1s, burst: 2}} => 1:43: limits.a.burst: `burst` goes with `algorithm: token_bucket` only
limits: {a: {rate: 1/s, algorithm: sliding_window, burst: 2}} => 1:59: limits.a.burst: `burst` goes with `algorithm: token_bucket` only
limits: {a: {rate: 1/s, burst: 0}} => 1:32: limits.a.burst: a burst of 0 would refuse every hit
limits: {a: {rate: 1/365d, burst: 101}} => 1:35: limits.a.burst: a bucket of 101 hits at this rate would take longer than 100 years to fill
limits: {a: {rate: 1000000001/s}} => 1:20: limits.a.rate: a token bucket refills at 1000000000 hits a second at most, because it counts in nanoseconds
limits: {a: {limit: 1000001, window: 1ms, algorithm: token_bucket}} => 1:21: limits.a.limit: a token bucket refills at 1000000000 hits a second at most, because it counts in nanoseconds
limits: {a: {rate: 1/0s}} => 1:20: limits.a.rate: expected a window from 1ms to 365d, found 0s
limits: {a: {rate: 600}} => 1:20: limits.a.rate: expected a rate such as `600/m`, `50000/s` or `100/15s`, found 600
limits: {a: {rate: 600/minute}} => 1:20: limits.a.rate: expected a rate such as `600/m`, `50000/s` or `100/15s`, found text "600/minute"
limits: {a: {rate: 1/s, limit: 1, window: 1s}} => 1:32: limits.a.limit: `rate` and `limit` exclude each other
limits: {a: {rate: 1/s, window: 1s}} => 1:33: limits.a.window: `rate` and `window` exclude each other
limits: {a: {window: 1s}} => 1:10: limits.a.limit: the key `limit` is missing
limits: {a: {by: [b]}} => 1:10: limits.a: neither `rate` nor `limit` and `window` are given
limits: {a: {rate: 1/s, algorithm: bucket, burst: 2}} => 1:36: limits.a.algorithm: expected `fixed_window`, `sliding_window` or `token_bucket`, found text "bucket"
limits: {a: {rate: 1/s, penalty: {max: 999ms}}} => 1:40: limits.a.penalty.max: expected 1s to 365d, found 999ms
limits: {a: {rate: 1/s, penalty: {}}} => 1:25: limits.a.penalty.max: the key `max` is missing
limits: {a: {rate: 1/s, penalty: 5m}} => 1:34: limits.a.penalty: expected a mapping, found text "5m"
ratelimit: {near_limit_ratio: 0} => 1:31: ratelimit.near_limit_ratio: expected more than 0 and at most 1, found 0
ratelimit: {header_names: {reset: 'a b'}} => 1:35: ratelimit.header_names.reset: expected the name of a header, found "a b"
ratelimit: {near_limit_ratio: 1.1} => 1:31: ratelimit.near_limit_ratio: expected more than 0 and at most 1, found 1.1
ratelimit: {near_limit_ratio: .nan} => 1:31: ratelimit.near_limit_ratio: expected more than 0 and at most 1, found NaN
ratelimit: {near_limit_ratio: much} => 1:31: ratelimit.near_limit_ratio: expected a number, found text "much"
ratelimit: {response_headers: draft} => 1:31: ratelimit.response_headers: expected `off`, `ratelimit`, `x-ratelimit`, `x-ratelimit-epoch` or `draft-11`, found text "draft"
limits: {A: {limit: 1, window: 1s}} => 1:10: limits.A: a limit's name is 1 to 64 characters of `a`-`z`, `0`-`9`, `_` and `-`
limits: {'': {limit: 1, window: 1s}} => 1:10: limits[""]: a limit's name is 1 to 64 characters of `a`-`z`, `0`-`9`, `_` and `-`
"#;

#[test]
fn everything_that_is_not_valid_is_refused_with_its_place() {
    for line in WRONG.lines().skip(1) {
        let (text, expected) = line.split_once(" => ").unwrap();
        assert_eq!(wrong(text), [expected], "{text}");
    }
    let long = "x".repeat(65);
    assert_eq!(wrong(&format!("limits: {{{long}: {{limit: 1, window: 1s}}}}")).len(), 1);
}

#[test]
fn listeners_that_would_take_each_others_address_are_refused() {
    let listeners = |decide: &str, http: &str| {
        format!("listeners: {{decide: {{address: '{decide}'}}, http: {{address: '{http}'}}}}")
    };
    for (decide, http) in [
        ("127.0.0.1:80", "127.0.0.1:80"),
        ("0.0.0.0:80", "127.0.0.1:80"),
        ("[::]:80", "127.0.0.1:80"),
        ("[::1]:80", "0.0.0.0:80"),
    ] {
        let lines = wrong(&listeners(decide, http));
        let [line] = &lines[..] else { panic!("{decide} {http}: {lines:?}") };
        let expected = format!(
            "listeners.http.address: {http} is taken by listener `decide`, which has {decide}"
        );
        assert!(line.ends_with(&expected), "{line}");
    }
    for (decide, http) in [
        ("127.0.0.1:80", "127.0.0.1:81"),
        ("127.0.0.1:80", "127.0.0.2:80"),
        ("127.0.0.1:0", "127.0.0.1:0"),
    ] {
        right(&listeners(decide, http));
    }
    // With a default, too.
    assert_eq!(wrong("listeners: {http: {address: '[::]:8081'}}").len(), 1);
}

#[test]
fn a_limit_that_no_request_could_meet_is_refused() {
    let text = "bounds: {entries_max: 2}\nlimits: {a: {by: [b, c], limit: 1, window: 1s}}\n";
    let [line] = &wrong(text)[..] else { panic!() };
    assert!(line.starts_with("2:14: limits.a.by: 2 keys and the limit's name are more"), "{line}");
}

#[test]
fn what_cannot_be_decoded_and_what_is_not_valid_are_told_together() {
    let text = "\
node: {workers: many}
listeners:
  decide: {address: here}
  http: {address: '127.0.0.1:1', tsl: true}
limits:
  a: {limit: 1, window: 0s}
  B: {limit: x, window: 1s}
telemtry: {}
";
    let expected = [
        "1:17: node.workers: expected a whole number from 0 to 18446744073709551615, found text \"many\"",
        "3:21: listeners.decide.address: expected an IP address and a port, found \"here\"",
        "4:34: listeners.http.tsl: unknown key `tsl`",
        "6:25: limits.a.window: expected a window from 1ms to 365d, found 0s",
        "7:3: limits.B: a limit's name is 1 to 64 characters of `a`-`z`, `0`-`9`, `_` and `-`",
        "7:14: limits.B.limit: expected a whole number from 0 to 4294967295, found text \"x\"",
        "8:1: telemtry: unknown key `telemtry`",
    ];
    assert_eq!(wrong(text), expected);
}

#[test]
fn paths_are_relative_to_the_file_and_must_exist() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("rules")).unwrap();
    fs::write(folder.path().join("rules").join("a.yaml"), "domain: d").unwrap();
    let path = folder.path().join("tollgate.yaml");
    fs::write(&path, "ratelimit_files: [rules]\nlimits: {a: {limit: 1, window: 1s}}").unwrap();
    let config = Config::load(&path).unwrap();
    assert_eq!(config.ratelimit_files, [folder.path().join("rules")]);
    let domains = config.domains().unwrap();
    let names: Vec<_> = domains.iter().map(|(name, ..)| &**name).collect();
    assert_eq!(names, ["d", "tollgate"]);

    fs::write(&path, "ratelimit_files:\n- none.yaml\n- rules\n- rules\n").unwrap();
    let report = Config::load(&path).unwrap_err();
    let [missing, twice] = report.issues() else { panic!("{report}") };
    assert_eq!((missing.line, missing.column, &*missing.path), (2, 3, "ratelimit_files[0]"));
    assert!(missing.message.contains("none.yaml cannot be read: "), "{missing}");
    assert_eq!((twice.line, &*twice.message), (4, "this path is listed twice"));
}

#[test]
fn a_missing_file_is_told() {
    let report = Config::load(Path::new("nowhere.yaml")).unwrap_err();
    assert!(report.to_string().starts_with("nowhere.yaml: cannot be read: "), "{report}");
}

#[test]
fn a_list_beyond_reason_is_refused_before_it_is_looked_through() {
    let limits: String =
        (0..10_001).map(|i| format!("  l{i}: {{limit: 1, window: 0s}}\n")).collect();
    assert_eq!(
        wrong(&format!("limits:\n{limits}")),
        ["1:1: limits: expected at most 10000, found 10001"]
    );
}

/// Every key with its default and a comment.
const EXAMPLE: &str = include_str!("../../../docs/config.example.yaml");

proptest! {
    #[test]
    fn no_text_makes_the_loader_panic(text in "(limits:\n)?\\PC{0,60}") {
        let _ = parsed(&text);
    }

    #[test]
    fn a_changed_file_is_right_or_wrong_inside_itself(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..12_usize, "[a-z:\\-{}\\[\\]'\"*&!#,. \n0-9]{0,8}"), 1..5)
    ) {
        let mut text = EXAMPLE.to_owned();
        for (at, length, new) in changes {
            let start = text.floor_char_boundary(at.index(text.len() + 1));
            let end = text.floor_char_boundary((start + length).min(text.len()));
            text.replace_range(start..end, &new);
        }
        if let Err(report) = parsed(&text) {
            let lines: Vec<&str> = text.split(['\n', '\r']).collect();
            let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
            for issue in report.issues() {
                prop_assert!(issue.line >= 1 && issue.line as usize <= lines.len(), "{}", issue);
                prop_assert!(issue.column >= 1 && issue.column as usize <= longest + 1, "{}", issue);
            }
        }
    }
}
