//! The reference service's names: `ratelimit.service.rate_limit.DOMAIN.KEY_VALUE.total_hits` and
//! its kin, in one list that statsd, `/stats` and the tests share.
//!
//! Source: what envoyproxy/ratelimit and its statistics library put on the wire.

use std::collections::BTreeMap;

use super::{LimitFigures, Statistics};

const SERVICE: &str = "ratelimit.service";
const SERVER: &str = "ratelimit_server";

/// The one method of the service, as the reference names it.
pub(crate) const METHOD: &str = "ShouldRateLimit";

/// Contents of the configuration, by what became of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Loads {
    /// Taken over.
    pub(crate) ok: u64,
    /// Refused.
    pub(crate) failed: u64,
}

/// The counters of a limit: the last part of each name, and what it counts.
pub(crate) fn counters_of(limit: &LimitFigures) -> [(&'static str, u64); 6] {
    let hits = limit.figures.read();
    [
        ("total_hits", hits.total),
        ("within_limit", hits.within),
        ("near_limit", hits.near),
        ("over_limit", hits.over),
        ("shadow_mode", hits.shadow),
        ("total_negative_hits", hits.refunded),
    ]
}

/// The name of a limit's counters but for the last part.
pub(crate) fn prefix_of(limit: &LimitFigures) -> String {
    format!("{SERVICE}.rate_limit.{}", sanitized(&limit.name))
}

/// The counters that belong to no limit. The order is always the same, domains last; they are only
/// ever added to.
pub(crate) fn others(statistics: &Statistics, loads: Loads) -> Vec<(String, u64)> {
    let calls = statistics.rls.totals().times.count();
    let mut all = vec![
        (format!("{SERVICE}.config_load_success"), loads.ok),
        (format!("{SERVICE}.config_load_error"), loads.failed),
        (format!("{SERVICE}.global_shadow_mode"), statistics.shadowed()),
        (format!("{SERVICE}.call.should_rate_limit.service_error"), statistics.service_errors()),
        (format!("{SERVICE}.call.should_rate_limit.redis_error"), statistics.store_errors()),
        (format!("{SERVER}.{METHOD}.total_requests"), calls),
    ];
    for (domain, count) in unknown_domains(statistics) {
        all.push((format!("{SERVICE}.rate_limit.{domain}.domain_not_found"), count));
    }
    all
}

/// Domains that are not configured, as they are spelled here. Callers choose them, so several may
/// be spelled alike: those are one counter.
pub(crate) fn unknown_domains(statistics: &Statistics) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::<_, u64>::new();
    for (domain, count) in statistics.unknown_domains.all() {
        let sum = sums.entry(sanitized(&domain)).or_default();
        *sum = sum.saturating_add(count);
    }
    sums
}

/// The timer of answers.
pub(crate) fn response_time() -> String {
    format!("{SERVER}.{METHOD}.response_time")
}

/// A name without the characters that statsd divides by, and with addresses in one piece: `:` and
/// `|` become `_`, and so do the dots of an IPv4 address. Control characters, which the reference
/// leaves to break its lines, become `_`, too.
pub(crate) fn sanitized(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (taken, replaced) = match ipv4_bytes(rest.as_bytes()) {
            Some(bytes) => (bytes, rest[..bytes].replace('.', "_")),
            None if matches!(c, ':' | '|') || c.is_control() => (c.len_utf8(), "_".to_owned()),
            None => (c.len_utf8(), c.to_string()),
        };
        name.push_str(&replaced);
        rest = &rest[taken..];
    }
    name
}

/// How many bytes at the beginning are four groups of up to three digits with dots between them.
fn ipv4_bytes(text: &[u8]) -> Option<usize> {
    const GROUPS: usize = 4;
    let mut at = 0;
    for group in 0..GROUPS {
        let digits = text[at..].iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
        at += digits;
        if digits == 0 {
            return None;
        }
        if group + 1 < GROUPS {
            if text.get(at) != Some(&b'.') {
                return None;
            }
            at += 1;
        }
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sanitized_as_the_reference_does() {
        for (text, name) in [
            ("d.k_v", "d.k_v"),
            ("d.path_/a:b|c", "d.path_/a_b_c"),
            ("d.ip_10.0.0.1", "d.ip_10_0_0_1"),
            ("d.ip_10.0.0.1.port_80", "d.ip_10_0_0_1.port_80"),
            ("d.ip_1234.5.6.7890", "d.ip_1234_5_6_7890"),
            ("1.2.3", "1.2.3"),
            ("1.2.3.4.5.6.7.8", "1_2_3_4.5_6_7_8"),
            ("1.2..3.4", "1.2..3.4"),
            ("käthe.k_ä", "käthe.k_ä"),
            ("a\nb\rc\td\u{0}", "a_b_c_d_"),
            ("", ""),
        ] {
            assert_eq!(sanitized(text), name, "{text:?}");
        }
    }
}
