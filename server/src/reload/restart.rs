//! What a reload cannot change: everything that the process was built around when it started.

use crate::config::Config;

/// The keys of what differs between the configuration that the process was started with and a new
/// one, where only a restart takes the new one over.
pub(super) fn keys(started: &Config, new: &Config) -> Vec<&'static str> {
    let (old_at, new_at) = (&started.listeners, &new.listeners);
    let (old_most, new_most) = (&started.bounds, &new.bounds);
    let (old_says, new_says) = (&started.telemetry, &new.telemetry);
    let (old_ledger, new_ledger) = (&started.ledger, &new.ledger);
    let values = [
        ("node.workers", started.node.workers != new.node.workers),
        ("node.drain_notice", started.node.drain_notice != new.node.drain_notice),
        ("listeners.decide.address", old_at.decide != new_at.decide),
        ("listeners.decide.socket", old_at.decide_socket != new_at.decide_socket),
        ("listeners.decide.tls", old_at.decide_tls != new_at.decide_tls),
        ("listeners.decide.max_connection_age", old_at.decide_age.max != new_at.decide_age.max),
        (
            "listeners.decide.max_connection_age_grace",
            old_at.decide_age.grace != new_at.decide_age.grace,
        ),
        ("listeners.http.tls", old_at.http_tls != new_at.http_tls),
        ("listeners.http.address", old_at.http != new_at.http),
        ("listeners.admin.address", old_at.admin != new_at.admin),
        ("bounds.descriptors_max", old_most.descriptors_max != new_most.descriptors_max),
        ("bounds.entries_max", old_most.entries_max != new_most.entries_max),
        ("bounds.key_bytes_max", old_most.key_bytes_max != new_most.key_bytes_max),
        ("bounds.value_bytes_max", old_most.value_bytes_max != new_most.value_bytes_max),
        ("bounds.domain_bytes_max", old_most.domain_bytes_max != new_most.domain_bytes_max),
        ("bounds.message_bytes_max", old_most.message_bytes_max != new_most.message_bytes_max),
        (
            "bounds.in_flight_bytes_max",
            old_most.in_flight_bytes_max != new_most.in_flight_bytes_max,
        ),
        ("ledger.keys_max", old_ledger.keys_max != new_ledger.keys_max),
        ("ledger.bytes_max", old_ledger.bytes_max != new_ledger.bytes_max),
        ("ledger.reservations_max", old_ledger.reservations_max != new_ledger.reservations_max),
        ("telemetry.log_format", old_says.log_format != new_says.log_format),
        ("telemetry.log_level", old_says.log_level != new_says.log_level),
        ("telemetry.statsd", old_says.statsd != new_says.statsd),
        (
            "telemetry.ratelimit_prometheus",
            old_says.ratelimit_prometheus != new_says.ratelimit_prometheus,
        ),
    ];
    let mut keys: Vec<_> =
        values.iter().filter(|(_, differs)| *differs).map(|(key, _)| *key).collect();
    // A section with a key that the list above lacks is named as a whole.
    let sections = [
        ("node", started.node != new.node),
        ("listeners", old_at != new_at),
        ("bounds", old_most != new_most),
        ("ledger", old_ledger != new_ledger),
        ("cluster", started.cluster != new.cluster),
        ("telemetry", old_says != new_says),
    ];
    for (section, differs) in sections {
        let is_named = |key: &&str| key.split('.').next() == Some(section);
        if differs && !keys.iter().any(is_named) {
            keys.push(section);
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(text: &str) -> Config {
        Config::parse("t.yaml", text, Path::new("")).unwrap()
    }

    #[test]
    fn what_only_a_restart_takes_over_is_named() {
        let started = config("node: {workers: 1}");
        let new = config(
            "node: {workers: 2}
listeners: {http: {address: '127.0.0.1:9'}}
bounds: {entries_max: 3}
ledger: {keys_max: 1000}
telemetry: {log_format: json}",
        );
        let expected = [
            "node.workers",
            "listeners.http.address",
            "bounds.entries_max",
            "ledger.keys_max",
            "telemetry.log_format",
        ];
        assert_eq!(keys(&started, &new), expected);
    }

    #[test]
    fn limits_need_no_restart() {
        let limits = "limits: {demo: {by: [], limit: 1, window: 1s}}";
        assert_eq!(keys(&config(""), &config(limits)), [""; 0]);
    }
}
