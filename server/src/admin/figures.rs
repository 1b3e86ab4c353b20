//! What a node tells of itself: `/v1/status` as JSON, `/stats` as lines of text.

use parking_lot::Mutex;
use tollgate_core::time::{NANOS_PER_SECOND, Wall};

use super::api::Api;
use super::instant;
use super::view::{ConfigView, LedgerView, ListenerView, ServerView, Status, TlsView};
use crate::reload::ServerState;
use crate::tls::{Certificate, Shown};

/// The listeners and their open connections, told by those who run them.
#[derive(Debug, Default)]
pub(crate) struct Listening(Mutex<Vec<Listener>>);

/// A listener as it is told of.
#[derive(Debug)]
pub(crate) struct Listener {
    /// Its name.
    pub(crate) name: &'static str,
    /// Where it listens.
    pub(crate) address: String,
    /// Connections that it may have open.
    pub(crate) connections_max: usize,
    /// Its certificate, if it has one.
    pub(crate) tls: Option<Shown>,
    /// Connections that it has.
    pub(crate) connections: usize,
}

impl Listening {
    /// A listener has its address now.
    pub(crate) fn add(&self, listener: Listener) {
        self.0.lock().push(listener);
    }

    /// How many connections it has.
    pub(crate) fn set_connections(&self, name: &str, connections: usize) {
        let mut all = self.0.lock();
        all.iter_mut().filter(|one| one.name == name).for_each(|one| one.connections = connections);
    }

    fn views(&self, now: Wall) -> Vec<ListenerView> {
        let view = |listener: &Listener| ListenerView {
            name: listener.name.to_owned(),
            address: listener.address.clone(),
            connections: listener.connections,
            connections_max: Some(listener.connections_max),
            tls: listener.tls.as_ref().map(|shown| certificate(shown.now(), now)),
        };
        self.0.lock().iter().map(view).collect()
    }
}

fn certificate(Certificate { not_after, refused }: Certificate, now: Wall) -> TlsView {
    // What ended before 1970 reads as 1970.
    let ends = u64::try_from(not_after).unwrap_or_default();
    let ends = Wall::from_nanos(ends.saturating_mul(NANOS_PER_SECOND));
    TlsView { not_after: instant::rfc3339(ends), is_expired: ends <= now, refused }
}

fn server(state: &ServerState) -> ServerView {
    ServerView {
        connected: state.is_connected,
        since: state.since.map(instant::rfc3339),
        failure: state.failure.clone(),
    }
}

/// The state of the node.
pub(super) fn status(api: &Api) -> Status {
    let (config, totals) = (api.config.snapshot(), api.decider.totals());
    let active = api.decider.active();
    let uptime = api.decider.clock().monotonic().since(api.started);
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        uptime_seconds: instant::seconds(uptime),
        ready: api.state.is_ready() && !api.state.is_draining() && active.is_loaded(),
        draining: api.state.is_draining(),
        listeners: api.listening.views(api.decider.clock().wall()),
        config: ConfigView {
            source: config.source.clone(),
            hash: format!("{:016x}", config.hash),
            loaded_at: config.loaded_at.map(instant::rfc3339),
            loads_ok: config.loads_ok,
            loads_failed: config.loads_failed,
            failed_at: config.error.as_ref().map(|error| instant::rfc3339(error.at)),
            failure: config.error.as_ref().map(|error| error.report.clone()),
            domains: active.limits.domains().len(),
            limits: active.limits.limit_count(),
            server: config.server.as_ref().map(server),
        },
        ledger: LedgerView {
            keys: totals.keys,
            keys_max: api.ledger.keys_max,
            bytes: totals.bytes,
            bytes_max: api.ledger.bytes_max,
            expired: totals.stats.expired,
            evicted: totals.stats.evicted_live,
            evicted_over_limit: totals.stats.evicted_over_limit,
            refused: totals.stats.refused,
        },
    }
}

/// Lines `name: value`. What only the recorder counts is read from what it renders.
pub(super) fn stats(status: &Status, rendered: &str) -> String {
    let Status { config, ledger, .. } = status;
    let mut text = String::new();
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        text.push_str(&format!("{name}: {value}\n"));
    };
    line("version", &status.version);
    line("pid", &status.pid);
    line("uptime_seconds", &(status.uptime_seconds as u64));
    line("decisions_allowed", &sum(rendered, "tollgate_decisions_total", "verdict=\"allow\""));
    line("decisions_denied", &sum(rendered, "tollgate_decisions_total", "verdict=\"deny\""));
    line("decision_errors", &sum(rendered, "tollgate_decision_errors_total", ""));
    line("ledger_keys", &ledger.keys);
    line("ledger_keys_max", &ledger.keys_max);
    line("ledger_bytes", &ledger.bytes);
    line("ledger_bytes_max", &ledger.bytes_max);
    line("ledger_expired", &ledger.expired);
    line("ledger_evicted", &ledger.evicted);
    line("ledger_evicted_over_limit", &ledger.evicted_over_limit);
    line("ledger_refused", &ledger.refused);
    line("config_source", &config.source);
    line("config_hash", &config.hash);
    line("config_loaded_at", &config.loaded_at.as_deref().unwrap_or("never"));
    line("config_loads_ok", &config.loads_ok);
    line("config_loads_failed", &config.loads_failed);
    line("config_failed_at", &config.failed_at.as_deref().unwrap_or("never"));
    line("config_domains", &config.domains);
    line("config_limits", &config.limits);
    if let Some(server) = &config.server {
        line("xds_connected", &u8::from(server.connected));
    }
    for listener in &status.listeners {
        line(&format!("connections_{}", listener.name), &listener.connections);
    }
    text
}

/// The sum of a metric's series that have `label` among their labels.
fn sum(rendered: &str, name: &str, label: &str) -> u64 {
    let series = rendered.lines().filter_map(|line| line.strip_prefix(name)?.rsplit_once(' '));
    let wanted = series.filter(|(labels, _)| {
        (labels.is_empty() || labels.starts_with('{')) && labels.contains(label)
    });
    wanted.filter_map(|(_, value)| value.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_has_ended_at_its_last_second() {
        let shown = |seconds| {
            let certificate = Certificate { not_after: 86_400, refused: None };
            super::certificate(certificate, Wall::from_nanos(seconds * NANOS_PER_SECOND))
        };
        assert_eq!(shown(1).not_after, "1970-01-02T00:00:00Z");
        assert_eq!((shown(86_399).is_expired, shown(86_400).is_expired), (false, true));
    }

    #[test]
    fn series_of_one_metric_are_added_up() {
        let rendered = "\
# TYPE a_total counter
a_total{api=\"x\",verdict=\"allow\"} 2
a_total{api=\"y\",verdict=\"allow\"} 3
a_total{api=\"x\",verdict=\"deny\"} 7
a_total_other{verdict=\"allow\"} 9
";
        assert_eq!(sum(rendered, "a_total", "verdict=\"allow\""), 5);
        assert_eq!(sum(rendered, "a_total", ""), 12);
        assert_eq!(sum(rendered, "b_total", ""), 0);
    }
}
