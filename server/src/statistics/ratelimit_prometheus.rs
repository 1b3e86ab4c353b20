//! The page of the reference service's Prometheus names, which its dashboards and alerts read.
//!
//! The reference maps statsd names to labels by cutting them at dots. Here the labels come from the
//! levels themselves, so a dot in a domain or a value stays where it belongs.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Statistics;
use super::exposition::Page;
use super::histogram::{BOUNDS, Times};
use super::reference_names::{Loads, METHOD, counters_of, sanitized, unknown_domains};
use crate::metrics::ratelimit::{
    CONFIG_LOAD_ERROR, CONFIG_LOAD_SUCCESS, DOMAIN_NOT_FOUND, ERRORS, GLOBAL_SHADOW_MODE,
    LIMIT_COUNTERS, RESPONSE_TIME, TOTAL_REQUESTS,
};

/// How the times of answers are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeUnit {
    /// Seconds, as the name says.
    #[default]
    Seconds,
    /// Milliseconds, under the same name: what the reference did once, and does on demand.
    Milliseconds,
}

/// Bounds of the reference's buckets, in the unit that is told, as text and in thousandths.
const REFERENCE_BOUNDS: [(&str, u64); 11] = [
    ("0.005", 5),
    ("0.01", 10),
    ("0.025", 25),
    ("0.05", 50),
    ("0.1", 100),
    ("0.25", 250),
    ("0.5", 500),
    ("1", 1_000),
    ("2.5", 2_500),
    ("5", 5_000),
    ("10", 10_000),
];

/// Domain, first and second level. Levels beyond have no label, so what differs only there is added
/// up.
type Labels = (String, String, Option<String>);

/// Writes all of it.
pub(crate) fn write(page: &mut Page, statistics: &Statistics, loads: Loads, unit: TimeUnit) {
    limits(page, statistics);
    page.family(DOMAIN_NOT_FOUND, "counter", "Descriptors in domains that are not configured.");
    for (domain, count) in unknown_domains(statistics) {
        page.sample(DOMAIN_NOT_FOUND, &[("domain", &domain)], count);
    }
    page.family(ERRORS, "counter", "Calls without a decision.");
    let errors = [
        ("service_error", statistics.service_errors()),
        ("redis_error", statistics.store_errors()),
    ];
    for (kind, count) in errors {
        page.sample(ERRORS, &[("err_type", kind)], count);
    }
    let times = statistics.rls.totals().times;
    page.family(TOTAL_REQUESTS, "counter", "Calls that were answered.");
    page.sample(TOTAL_REQUESTS, &[("grpc_method", METHOD)], times.count());
    response_time(page, &times, unit);
    for (name, help, count) in [
        (CONFIG_LOAD_SUCCESS, "Configurations taken over.", loads.ok),
        (CONFIG_LOAD_ERROR, "Configurations refused.", loads.failed),
        (GLOBAL_SHADOW_MODE, "Requests that pass only in shadow mode.", statistics.shadowed()),
    ] {
        page.family(name, "counter", help);
        page.sample(name, &[], count);
    }
}

fn limits(page: &mut Page, statistics: &Statistics) {
    let mut sums: BTreeMap<Labels, [u64; LIMIT_COUNTERS.len()]> = BTreeMap::new();
    for limit in statistics.limits.all() {
        let mut levels = limit.levels.iter().map(|level| sanitized(level));
        let first = levels.next().unwrap_or_default();
        let labels = (sanitized(&limit.domain), first, levels.next());
        let sum = sums.entry(labels).or_default();
        // What was given back is shown in `/metrics` only: the reference's mapping has no name for it.
        for (sum, (_, count)) in sum.iter_mut().zip(counters_of(&limit)) {
            *sum = sum.saturating_add(count);
        }
    }
    for (index, name) in LIMIT_COUNTERS.iter().enumerate() {
        page.family(name, "counter", "Hits of limits, by the first levels of their names.");
        for ((domain, key1, key2), counts) in &sums {
            let mut labels = vec![("domain", domain.as_str()), ("key1", key1)];
            labels.extend(key2.as_ref().map(|key2| ("key2", key2.as_str())));
            page.sample(name, &labels, counts[index]);
        }
    }
}

fn response_time(page: &mut Page, times: &Times, unit: TimeUnit) {
    page.family(RESPONSE_TIME, "histogram", "Time from a call's head to its answer.");
    let (thousandth, scale) = match unit {
        TimeUnit::Seconds => (Duration::from_millis(1), 1.0),
        TimeUnit::Milliseconds => (Duration::from_micros(1), 1_000.0),
    };
    let method = ("grpc_method", METHOD);
    let bucket = format!("{RESPONSE_TIME}_bucket");
    for (text, thousandths) in REFERENCE_BOUNDS {
        let bound = thousandth * u32::try_from(thousandths).unwrap_or(u32::MAX);
        debug_assert!(BOUNDS.contains(&bound), "no bucket ends at {text}");
        page.sample(&bucket, &[method, ("le", text)], times.within(bound));
    }
    page.sample(&bucket, &[method, ("le", "+Inf")], times.count());
    page.sample(&format!("{RESPONSE_TIME}_sum"), &[method], times.sum_seconds() * scale);
    page.sample(&format!("{RESPONSE_TIME}_count"), &[method], times.count());
}

#[cfg(test)]
#[path = "ratelimit_prometheus_tests.rs"]
mod tests;
