//! Every figure that Tollgate shows, by name. `docs/metrics.md` explains them to operators. What the
//! hot path counts lives in [`crate::statistics`]; the rest is counted here.

mod process;
pub(crate) mod ratelimit;

use metrics::{Counter, counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tollgate_core::limit::OnUnavailable;
use tollgate_core::time::{NANOS_PER_SECOND, Wall};
use tollgate_proto::rls::RateLimitResponse;
use tollgate_proto::rls::rate_limit_response::Code;

pub(crate) use self::process::process;
use crate::decide::{Decider, Totals};
use crate::error::CallError;

/// Calls that panicked.
pub const PANICS: &str = "tollgate_call_panics_total";
const DECISIONS: &str = "tollgate_decisions_total";
const ERRORS: &str = "tollgate_decision_errors_total";
const UNAVAILABLE_ANSWERS: &str = "tollgate_unavailable_answers_total";
/// Requests that pass only because the whole node is in shadow mode.
pub(crate) const SHADOWED: &str = "tollgate_decisions_shadowed_total";
/// Hits of limits.
pub(crate) const LIMIT_HITS: &str = "tollgate_limit_hits_total";
/// Operations whose limit got no figures of its own.
pub(crate) const LIMITS_OVERFLOWN: &str = "tollgate_limit_names_overflown_total";
/// Descriptors in domains that are not configured.
pub(crate) const UNKNOWN_DOMAIN: &str = "tollgate_unknown_domain_descriptors_total";
/// Times of answers.
pub(crate) const ANSWER_SECONDS: &str = "tollgate_answer_seconds";
/// Answers after their caller's deadline.
pub(crate) const LATE: &str = "tollgate_late_answers_total";
/// Calls that ended before their answer.
pub(crate) const ABANDONED: &str = "tollgate_abandoned_calls_total";
const STATSD_FLUSHES: &str = "tollgate_statsd_flushes_total";
const KEYS: &str = "tollgate_ledger_keys";
const BYTES: &str = "tollgate_ledger_bytes";
const EXPIRED: &str = "tollgate_ledger_expired_total";
const EVICTED: &str = "tollgate_ledger_evicted_total";
const REFUSED: &str = "tollgate_ledger_refused_total";
const RESERVATIONS: &str = "tollgate_reservations";
const RESERVATIONS_ENDED: &str = "tollgate_reservations_ended_total";
const NO_ROOM: &str = "tollgate_calls_refused_total";
const CONNECTIONS: &str = "tollgate_connections";
const CONNECTIONS_MAX: &str = "tollgate_connections_max";
const CONFIG_LOADS: &str = "tollgate_config_loads_total";
const CONFIG_SUCCESS: &str = "tollgate_config_last_reload_success";
const CONFIG_LOADED_AT: &str = "tollgate_config_last_success_timestamp_seconds";
const HANDSHAKE_FAILURES: &str = "tollgate_tls_handshake_failures_total";
const UNAUTHENTICATED: &str = "tollgate_unauthenticated_peers_total";
const TLS_RELOADS: &str = "tollgate_tls_reloads_total";
const TLS_SUCCESS: &str = "tollgate_tls_last_reload_success";
const TLS_NOT_AFTER: &str = "tollgate_tls_certificate_not_after_timestamp_seconds";
const CONFIG_HASH: &str = "tollgate_config_hash";
const XDS_CONNECTED: &str = "tollgate_xds_connected";
const XDS_RESPONSES: &str = "tollgate_xds_responses_total";
const XDS_REFUSED: &str = "tollgate_xds_domain_refused";
const AUTH_FAILURES: &str = "tollgate_auth_failures_total";
const AUDIT_EVENTS: &str = "tollgate_audit_events_total";
const BUILD: &str = "tollgate_build_info";

/// Makes the process's recorder and returns what renders it. Metrics made before are lost, so this
/// comes first; a second call in one process keeps the first recorder.
pub fn install() -> PrometheusHandle {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_ok() {
        describe();
        // Shown from the start, so that an alert on an increase sees the first one, too.
        counter!(PANICS).increment(0);
        counter!(NO_ROOM, "reason" => "no_room").increment(0);
        for listener in ["decide", "http", "admin", "admin_socket"] {
            counter!(AUTH_FAILURES, "listener" => listener).increment(0);
        }
        gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    }
    handle
}

/// All of `/metrics`, with gauges up to date.
pub(crate) fn rendered(recorder: &PrometheusHandle, decider: &Decider) -> String {
    set_ledger(&decider.totals());
    recorder.run_upkeep();
    recorder.render() + &decider.statistics().metrics()
}

/// There is a statsd peer: its flushes are shown from the start.
pub(crate) fn statsd_awaited() {
    for result in ["ok", "failed"] {
        counter!(STATSD_FLUSHES, "result" => result).increment(0);
    }
}

/// Counts one flush to statsd.
pub(crate) fn count_statsd_flush(is_whole: bool) {
    let result = if is_whole { "ok" } else { "failed" };
    counter!(STATSD_FLUSHES, "result" => result).increment(1);
}

/// The ledger is replicated: what is answered without it is shown from the start.
pub(crate) fn unavailable_answers_awaited() {
    use OnUnavailable::{Allow, Deny, Error, Local};
    for answer in [Error, Deny, Allow, Local] {
        counter!(UNAVAILABLE_ANSWERS, "answer" => unavailable_word(answer)).increment(0);
    }
}

/// Counts what was answered while the replicated ledger was out of reach.
pub(crate) fn count_unavailable_answer(answer: OnUnavailable) {
    counter!(UNAVAILABLE_ANSWERS, "answer" => unavailable_word(answer)).increment(1);
}

fn unavailable_word(answer: OnUnavailable) -> &'static str {
    match answer {
        OnUnavailable::Error => "error",
        OnUnavailable::Deny => "deny",
        OnUnavailable::Allow => "allow",
        OnUnavailable::Local => "local",
    }
}

/// Counts a call whose credentials were missing or wrong.
pub(crate) fn count_auth_failure(listener: &'static str) {
    counter!(AUTH_FAILURES, "listener" => listener).increment(1);
}

/// Counts an audit event.
pub(crate) fn count_audit_event(action: &'static str) {
    counter!(AUDIT_EVENTS, "action" => action).increment(1);
}

/// Counts a call that was refused because calls in flight hold as much as they may.
pub(crate) fn count_no_room() {
    counter!(NO_ROOM, "reason" => "no_room").increment(1);
}

/// Brings the gauges up to date; called before rendering.
pub fn set_ledger(totals: &Totals) {
    gauge!(KEYS).set(totals.keys as f64);
    gauge!(BYTES).set(totals.bytes as f64);
    counter!(EXPIRED).absolute(totals.stats.expired);
    counter!(EVICTED, "reason" => "full").absolute(totals.stats.evicted_live);
    counter!(EVICTED, "reason" => "over_limit").absolute(totals.stats.evicted_over_limit);
    counter!(REFUSED).absolute(totals.stats.refused);
    gauge!(RESERVATIONS).set(totals.reservations as f64);
    counter!(RESERVATIONS_ENDED).absolute(totals.reservations_ended);
}

/// Brings the count of open connections of a listener up to date.
pub fn set_connections(listener: &'static str, open: usize) {
    gauge!(CONNECTIONS, "listener" => listener).set(open as f64);
}

/// How many connections a listener may have open.
pub(crate) fn set_connections_max(listener: &'static str, most: usize) {
    gauge!(CONNECTIONS_MAX, "listener" => listener).set(most as f64);
}

/// A configuration has been taken over.
pub fn config_accepted(at: Wall) {
    counter!(CONFIG_LOADS, "result" => "ok").increment(1);
    // Shown from the start, so that an alert on its increase works.
    counter!(CONFIG_LOADS, "result" => "failed").increment(0);
    gauge!(CONFIG_LOADED_AT).set((at.as_nanos() / NANOS_PER_SECOND) as f64);
    gauge!(CONFIG_SUCCESS).set(1.0);
}

/// A configuration has been refused.
pub fn config_rejected() {
    counter!(CONFIG_LOADS, "result" => "failed").increment(1);
    gauge!(CONFIG_SUCCESS).set(0.0);
}

/// What was refused is gone, and the files hold again what decides.
pub fn config_recovered() {
    gauge!(CONFIG_SUCCESS).set(1.0);
}

/// The counter of handshakes that failed on a listener.
pub(crate) fn handshake_failures(listener: &'static str) -> Counter {
    counter!(HANDSHAKE_FAILURES, "listener" => listener)
}

/// The counter of peers that showed no certificate where one is asked for.
pub(crate) fn unauthenticated_peers(listener: &'static str) -> Counter {
    counter!(UNAUTHENTICATED, "listener" => listener)
}

/// A listener serves the certificate in its files, which ends at `not_after` (seconds since 1970).
pub(crate) fn tls_loaded(listener: &'static str, not_after: i64) {
    counter!(TLS_RELOADS, "listener" => listener, "result" => "ok").increment(1);
    counter!(TLS_RELOADS, "listener" => listener, "result" => "failed").increment(0);
    gauge!(TLS_NOT_AFTER, "listener" => listener).set(not_after as f64);
    gauge!(TLS_SUCCESS, "listener" => listener).set(1.0);
}

/// What stands in a listener's files is wrong.
pub(crate) fn tls_rejected(listener: &'static str) {
    counter!(TLS_RELOADS, "listener" => listener, "result" => "failed").increment(1);
    gauge!(TLS_SUCCESS, "listener" => listener).set(0.0);
}

/// What was wrong is gone, and the files hold again what is served.
pub(crate) fn tls_recovered(listener: &'static str) {
    gauge!(TLS_SUCCESS, "listener" => listener).set(1.0);
}

/// A server is to send the configuration, and has not yet.
pub fn config_awaited() {
    for result in ["ok", "failed"] {
        counter!(CONFIG_LOADS, "result" => result).increment(0);
    }
    gauge!(CONFIG_SUCCESS).set(0.0);
}

/// Shows which content decides; as many bits of its hash as a gauge holds.
pub fn set_config_hash(hash: u64) {
    const GAUGE_BITS: u32 = 53;
    gauge!(CONFIG_HASH).set((hash >> (u64::BITS - GAUGE_BITS)) as f64);
}

/// What became of a response of the xDS server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XdsResponse {
    /// All of it decides.
    Accepted,
    /// It is what decides already.
    Unchanged,
    /// Some of its domains decide.
    Partial,
    /// None of its domains decides.
    Rejected,
    /// It is what was refused before.
    Repeated,
    /// It is of a type that nobody asked for.
    Foreign,
}

impl XdsResponse {
    const ALL: [Self; 6] = [
        Self::Accepted,
        Self::Unchanged,
        Self::Partial,
        Self::Rejected,
        Self::Repeated,
        Self::Foreign,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Unchanged => "unchanged",
            Self::Partial => "partial",
            Self::Rejected => "rejected",
            Self::Repeated => "repeated",
            Self::Foreign => "foreign",
        }
    }
}

/// Counts a response of the xDS server.
pub fn count_xds_response(result: XdsResponse) {
    counter!(XDS_RESPONSES, "result" => result.name()).increment(1);
}

/// A server is to send the limits: its figures are shown from the start.
pub fn xds_awaited() {
    set_xds_connected(false);
    for result in XdsResponse::ALL {
        counter!(XDS_RESPONSES, "result" => result.name()).increment(0);
    }
}

/// Shows whether there is a connection to the xDS server.
pub fn set_xds_connected(is_connected: bool) {
    gauge!(XDS_CONNECTED).set(if is_connected { 1.0 } else { 0.0 });
}

/// Shows whether a domain's newest content was refused. The caller bounds how many names there are.
pub fn set_xds_domain_refused(domain: &str, refused: u32) {
    gauge!(XDS_REFUSED, "domain" => domain.to_owned()).set(f64::from(refused));
}

/// The counters of one API, looked up once.
#[derive(Clone, Debug)]
pub struct Decisions {
    api: &'static str,
    allowed: Counter,
    denied: Counter,
    bad_request: Counter,
    ledger_full: Counter,
    not_loaded: Counter,
}

impl Decisions {
    /// The counters of `api`.
    pub fn of(api: &'static str) -> Self {
        Self {
            api,
            allowed: counter!(DECISIONS, "api" => api, "verdict" => "allow"),
            denied: counter!(DECISIONS, "api" => api, "verdict" => "deny"),
            bad_request: counter!(ERRORS, "api" => api, "reason" => "bad_request"),
            ledger_full: counter!(ERRORS, "api" => api, "reason" => "ledger_full"),
            not_loaded: counter!(ERRORS, "api" => api, "reason" => "not_loaded"),
        }
    }

    /// Counts an answer.
    pub fn count(&self, response: &RateLimitResponse) {
        match response.overall_code() {
            Code::Ok => self.allowed.increment(1),
            Code::OverLimit | Code::Unknown => self.denied.increment(1),
        }
    }

    /// Counts a decision.
    pub(crate) fn count_verdict(&self, is_allowed: bool) {
        if is_allowed { &self.allowed } else { &self.denied }.increment(1);
    }

    /// Counts a call without an answer by the word for it, one of a few of ours.
    pub(crate) fn count_failure(&self, word: &'static str) {
        match word {
            "bad_request" => self.bad_request.increment(1),
            "ledger_full" => self.ledger_full.increment(1),
            "not_loaded" => self.not_loaded.increment(1),
            _ => counter!(ERRORS, "api" => self.api, "reason" => word).increment(1),
        }
    }

    /// Counts a call without a decision.
    pub fn count_error(&self, error: &CallError) {
        match error {
            CallError::Unreadable(_) | CallError::Refused(_) => self.bad_request.increment(1),
            // Counted where the room is: most such calls never come here.
            CallError::NoRoom(_) => {}
            CallError::Unavailable(unavailable) => self.count_failure(unavailable.word()),
        }
    }
}

fn describe() {
    describe_counter!(DECISIONS, "Requests decided, by API and verdict.");
    describe_counter!(ERRORS, "Requests that got no decision, by API and reason.");
    describe_counter!(
        UNAVAILABLE_ANSWERS,
        "Answers given while the replicated ledger was out of reach, by what was answered."
    );
    describe_counter!(PANICS, "Calls that panicked and were answered INTERNAL.");
    describe_counter!(STATSD_FLUSHES, "Flushes to statsd, by whether all of it was taken.");
    describe_gauge!(KEYS, "Keys in the ledger.");
    describe_gauge!(BYTES, "Bytes that the ledger's keys account for.");
    describe_counter!(EXPIRED, "Buckets freed after they had ended.");
    describe_counter!(EVICTED, "Buckets given up while they still counted, by reason.");
    describe_counter!(REFUSED, "Operations refused because the ledger was full.");
    describe_gauge!(RESERVATIONS, "Open reservations.");
    describe_counter!(
        RESERVATIONS_ENDED,
        "Reservations that ended without commit or cancellation."
    );
    describe_counter!(NO_ROOM, "Calls refused before they were read.");
    describe_gauge!(CONNECTIONS, "Open connections, by listener.");
    describe_gauge!(CONNECTIONS_MAX, "Connections that may be open, by listener.");
    describe_counter!(CONFIG_LOADS, "Contents of the configuration, by what became of them.");
    describe_gauge!(CONFIG_SUCCESS, "1 if the newest content of the configuration decides.");
    describe_gauge!(CONFIG_LOADED_AT, "When the deciding configuration was taken over.");
    describe_counter!(HANDSHAKE_FAILURES, "TLS handshakes that failed, by listener.");
    describe_counter!(UNAUTHENTICATED, "Peers that showed no certificate where one is asked for.");
    describe_counter!(TLS_RELOADS, "Contents of certificate files, by what became of them.");
    describe_gauge!(TLS_SUCCESS, "1 if what stands in the certificate files is served.");
    describe_gauge!(TLS_NOT_AFTER, "When the served certificate ends.");
    describe_gauge!(CONFIG_HASH, "The leading bits of the deciding configuration's hash.");
    describe_gauge!(XDS_CONNECTED, "1 while there is a connection to the xDS server.");
    describe_counter!(XDS_RESPONSES, "Responses of the xDS server, by what became of them.");
    describe_gauge!(XDS_REFUSED, "1 for a domain whose newest content was refused.");
    describe_counter!(AUTH_FAILURES, "Calls answered 401, by listener.");
    describe_counter!(AUDIT_EVENTS, "Administrative writes, by what was done.");
    describe_gauge!(BUILD, "The running version; always 1.");
}
