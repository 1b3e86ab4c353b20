//! Variables as tables: what they make of a configuration, and what is said of wrong ones.

use super::*;
use crate::config::{LogFormat, LogLevel};

fn strings(set: &[(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
    let set = set.to_vec();
    move |name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
}

fn settings(set: &[(&'static str, &'static str)]) -> Settings {
    read(strings(set)).unwrap()
}

fn wrong(set: &[(&'static str, &'static str)]) -> Vec<String> {
    let report = read(strings(set)).unwrap_err();
    report.issues().iter().map(|issue| format!("{}: {}", issue.source, issue.message)).collect()
}

#[test]
fn nothing_set_is_an_empty_file_and_the_reference_s_folder() {
    let Settings { config, health } = settings(&[]);
    let bare = Config::bare();
    assert_eq!((&config.listeners, config.telemetry), (&bare.listeners, bare.telemetry));
    assert_eq!((config.answers.clone(), config.merge_domains), (bare.answers, false));
    assert_eq!(config.ratelimit_files, [Path::new("/srv/runtime_data/current/config")]);
    assert_eq!(config.domains().unwrap_err().issues().len(), 1);
    assert_eq!(health, HealthRule::Always);
}

#[test]
fn listeners_have_the_hosts_and_ports_that_are_set() {
    for (set, [decide, http, admin]) in [
        (&[] as &[_], ["[::]:8081", "[::]:8080", "127.0.0.1:6070"]),
        (
            &[("PORT", "80"), ("GRPC_PORT", "81"), ("DEBUG_PORT", "82")],
            ["[::]:81", "[::]:80", "127.0.0.1:82"],
        ),
        (
            &[("HOST", "0.0.0.0"), ("GRPC_HOST", "localhost"), ("DEBUG_HOST", "")],
            ["127.0.0.1:8081", "0.0.0.0:8080", "[::]:6070"],
        ),
        (
            &[("HOST", "10.0.0.1"), ("GRPC_HOST", "[::1]"), ("DEBUG_HOST", "::1")],
            ["[::1]:8081", "10.0.0.1:8080", "[::1]:6070"],
        ),
    ] {
        let at = settings(set).config.listeners;
        let found = [at.decide, at.http, at.admin].map(|address| address.to_string());
        assert_eq!(found, [decide, http, admin], "{set:?}");
    }
}

#[test]
fn files_lie_in_the_folder_that_the_three_name() {
    for (root, subdirectory, app, expected) in [
        (Some("/data"), None, None, "/data/config"),
        (Some("/data/"), Some("ratelimit"), None, "/data/ratelimit/config"),
        (Some("/data"), Some("/ratelimit/"), Some("/limits"), "/data/ratelimit/limits"),
        (Some("here"), None, Some(""), "here"),
        (Some(""), None, None, "./config"),
        (None, Some("x"), None, "/srv/runtime_data/current/x/config"),
    ] {
        let strings = |name: &str| {
            let value = match name {
                "RUNTIME_ROOT" => root,
                "RUNTIME_SUBDIRECTORY" => subdirectory,
                "RUNTIME_APPDIRECTORY" => app,
                _ => None,
            };
            value.map(ToOwned::to_owned)
        };
        let files = read(strings).unwrap().config.ratelimit_files;
        assert_eq!(files, [Path::new(expected)]);
    }
}

#[test]
fn answers_are_made_as_the_variables_say() {
    let config = settings(&[
        ("SHADOW_MODE", "1"),
        ("QUOTA_MODE", "t"),
        ("RESPONSE_DYNAMIC_METADATA", "T"),
        ("LIMIT_RESPONSE_HEADERS_ENABLED", "TRUE"),
        ("LIMIT_RESET_HEADER", "X-Reset"),
        ("MERGE_DOMAIN_CONFIG", "True"),
        ("NEAR_LIMIT_RATIO", "0.5"),
    ])
    .config;
    assert!(config.answers.modes.shadow && config.answers.modes.quota && config.merge_domains);
    assert!(config.answers.dynamic_metadata && config.answers.near_limit_ratio == 0.5);
    assert_eq!(config.answers.headers, HeaderStyle::RateLimit);
    let names = &config.answers.header_names;
    assert_eq!((&*names.limit, &*names.reset), ("RateLimit-Limit", "X-Reset"));
    for no in ["0", "f", "F", "false", "FALSE", "False"] {
        let config = settings(&[("SHADOW_MODE", no), ("LIMIT_RESPONSE_HEADERS_ENABLED", no)]);
        assert_eq!(config.config.answers, Config::bare().answers, "{no}");
    }
}

#[test]
fn logs_are_as_the_variables_say() {
    for (text, level) in [
        ("WARN", LogLevel::Warn),
        ("warning", LogLevel::Warn),
        ("Fatal", LogLevel::Error),
        ("debug", LogLevel::Debug),
    ] {
        let says = settings(&[("LOG_LEVEL", text), ("LOG_FORMAT", "JSON")]).config.telemetry;
        assert_eq!((says.log_level, says.log_format), (level, LogFormat::Json));
    }
}

#[test]
fn health_may_wait_for_files_that_are_right() {
    let health = settings(&[("HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED", "true")]).health;
    assert_eq!(health, HealthRule::OnceLoaded);
}

#[test]
fn everything_wrong_is_told_at_once() {
    let set = [
        ("PORT", "http"),
        ("GRPC_PORT", "65536"),
        ("DEBUG_HOST", "example.org"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("SHADOW_MODE", "yes"),
        ("QUOTA_MODE", ""),
        ("NEAR_LIMIT_RATIO", "nan"),
        ("CONFIG_TYPE", "GRPC_XDS_SOTW"),
        ("RUNTIME_WATCH_ROOT", "on"),
        ("HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED", "2"),
        ("GRPC_SERVER_USE_TLS", "please"),
        ("GRPC_MAX_CONNECTION_AGE", "1d"),
    ];
    let wrong = wrong(&set);
    for (name, _) in set {
        let prefix = format!("{name}: ");
        assert_eq!(wrong.iter().filter(|line| line.starts_with(&prefix)).count(), 1, "{wrong:?}");
    }
    assert_eq!(wrong.len(), set.len());
    assert!(wrong.contains(&"PORT: expected a port, found \"http\"".to_owned()), "{wrong:?}");
}

#[test]
fn two_listeners_do_not_share_a_port() {
    assert_eq!(
        wrong(&[("PORT", "8081"), ("DEBUG_PORT", "8081")]),
        [
            "PORT: [::]:8081 is taken by GRPC_PORT, which has [::]:8081",
            "DEBUG_PORT: 127.0.0.1:8081 is taken by GRPC_PORT, which has [::]:8081",
            "DEBUG_PORT: 127.0.0.1:8081 is taken by PORT, which has [::]:8081",
        ]
    );
    settings(&[("PORT", "0"), ("GRPC_PORT", "0")]);
}
