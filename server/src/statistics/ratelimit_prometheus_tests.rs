//! Names and labels as the reference's own mapping makes them, and where they are better.

use std::sync::Arc;

use tollgate_core::tally::Tally;
use tollgate_core::time::{ManualClock, Wall};

use super::*;
use crate::statistics::Origin;
use crate::statistics::exposition::tests::{Sample, read};

fn samples(statistics: &Statistics, unit: TimeUnit) -> Vec<Sample> {
    let mut page = Page::default();
    write(&mut page, statistics, Loads { ok: 3, failed: 1 }, unit);
    read(&page.into_text()).unwrap()
}

fn over(statistics: &Statistics, domain: &str, levels: &[&str], hits: u64) {
    let levels: Vec<_> = levels.iter().map(|&level| level.to_owned()).collect();
    let name = levels.iter().fold(domain.to_owned(), |name, level| name + "." + level);
    let limit = statistics.limits.figures(Origin::Configuration, domain, &name, || levels.clone());
    limit.figures.add(&Tally { total: hits, over: hits, ..Tally::default() });
}

/// Every series of a metric, as `value{label=value,…}`.
fn shown(samples: &[Sample], metric: &str) -> Vec<String> {
    let of = samples.iter().filter(|(name, _, _)| name == metric);
    let line = |(_, labels, value): &Sample| {
        let labels: Vec<_> =
            labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
        format!("{value}{{{}}}", labels.join(","))
    };
    of.map(line).collect()
}

#[test]
fn the_examples_of_the_reference_s_own_mapping_hold() {
    let statistics = Statistics::default();
    over(&statistics, "domain1", &["key1_val1"], 1);
    over(&statistics, "domain1", &["key1_val1", "key2_val2"], 2);
    over(&statistics, "domain1", &["key3_val3", "key4_val4"], 1);
    over(&statistics, "domain1", &["key3_val3", "key4_val4", "key5_val5"], 2);
    let samples = samples(&statistics, TimeUnit::Seconds);
    assert_eq!(
        shown(&samples, "ratelimit_service_rate_limit_over_limit"),
        [
            "1{domain=domain1,key1=key1_val1}",
            "2{domain=domain1,key1=key1_val1,key2=key2_val2}",
            "3{domain=domain1,key1=key3_val3,key2=key4_val4}",
        ]
    );
    assert_eq!(shown(&samples, "ratelimit_service_rate_limit_total_hits").len(), 3);
}

#[test]
fn dots_stay_in_their_label_and_addresses_are_written_as_there() {
    let statistics = Statistics::default();
    over(&statistics, "api.example", &["path_/v1.2"], 1);
    over(&statistics, "default/eg/http", &["ip_10.0.0.1:80", "a\"b\\c\nd"], 1);
    let samples = samples(&statistics, TimeUnit::Seconds);
    assert_eq!(
        shown(&samples, "ratelimit_service_rate_limit_over_limit"),
        [
            "1{domain=api.example,key1=path_/v1.2}",
            "1{domain=default/eg/http,key1=ip_10_0_0_1_80,key2=a\"b\\c_d}",
        ]
    );
}

#[test]
fn every_other_counter_has_its_name() {
    let statistics = Statistics::default();
    statistics.count_shadowed();
    statistics.unknown_domains.count("nobody", 4);
    let samples = samples(&statistics, TimeUnit::Seconds);
    for (metric, expected) in [
        ("ratelimit_service_config_load_success", &["3{}"] as &[_]),
        ("ratelimit_service_config_load_error", &["1{}"]),
        ("ratelimit_service_global_shadow_mode", &["1{}"]),
        ("ratelimit_service_rate_limit_domain_not_found", &["4{domain=nobody}"]),
        ("ratelimit_service_total_requests", &["0{grpc_method=ShouldRateLimit}"]),
        (
            "ratelimit_service_should_rate_limit_error",
            &["0{err_type=service_error}", "0{err_type=redis_error}"],
        ),
    ] {
        assert_eq!(shown(&samples, metric), expected, "{metric}");
    }
}

#[test]
fn times_are_in_the_reference_s_buckets_in_either_unit() {
    let statistics = Statistics::default();
    let clock = Arc::new(ManualClock::starting_at(Wall::default()));
    let stopwatch = statistics.rls.stopwatch(Arc::clone(&clock) as _);
    for micros in [20, 700, 6_000, 20_000_000] {
        let mut call = stopwatch.start(None);
        clock.advance(Duration::from_micros(micros));
        call.answered();
    }
    let bucket = "ratelimit_service_response_time_seconds_bucket";
    for (unit, counts, sum) in [
        (TimeUnit::Seconds, [2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4], 20.00672),
        (TimeUnit::Milliseconds, [0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 3, 4], 20_006.72),
    ] {
        let samples = samples(&statistics, unit);
        let buckets = samples.iter().filter(|(name, _, _)| name == bucket);
        let found: Vec<u64> = buckets.clone().map(|(_, _, value)| value.parse().unwrap()).collect();
        assert_eq!(found, counts, "{unit:?}");
        let bounds: Vec<_> = buckets.map(|(_, labels, _)| labels["le"].as_str()).collect();
        let expected =
            ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"];
        assert_eq!(bounds, expected);
        let of = |name: &str| samples.iter().find(|sample| sample.0 == name).unwrap().2.clone();
        let found: f64 = of("ratelimit_service_response_time_seconds_sum").parse().unwrap();
        assert!((found - sum).abs() < 1e-6, "{found}");
        assert_eq!(of("ratelimit_service_response_time_seconds_count"), "4");
    }
}

#[test]
fn domains_that_are_spelled_alike_make_one_series() {
    let statistics = Statistics::default();
    statistics.unknown_domains.count("a:b", 5);
    statistics.unknown_domains.count("a|b", 3);
    let samples = samples(&statistics, TimeUnit::Seconds);
    assert_eq!(shown(&samples, DOMAIN_NOT_FOUND), ["8{domain=a_b}"]);
}
