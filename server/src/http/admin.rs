//! The `admin` listener's read-only part: liveness, readiness, metrics.

use std::sync::Arc;

use http::request::Parts;
use http::{Method, StatusCode};
use metrics_exporter_prometheus::PrometheusHandle;

use super::answer::{self, Answer};
use super::connection::{Body, Handle};
use crate::decide::Decider;
use crate::metrics;
use crate::state::State;

const PATHS: &str = "/livez, /readyz and /metrics";

/// Answers operators and their probes.
#[derive(Clone)]
pub struct Admin {
    /// Whose figures are shown.
    pub decider: Arc<Decider>,
    /// Renders the metrics.
    pub metrics: PrometheusHandle,
    /// What probes are told.
    pub state: State,
}

impl Handle for Admin {
    async fn handle(&self, head: Parts, _body: Body) -> Answer {
        let path = head.uri.path();
        let known = matches!(path, "/" | "/livez" | "/readyz" | "/metrics");
        if known && !matches!(head.method, Method::GET | Method::HEAD) {
            return answer::method_not_allowed("GET, HEAD");
        }
        match path {
            "/" => answer::text(StatusCode::OK, format!("{PATHS}\n")),
            // Alive as long as it can say so; never a matter of quorum or configuration.
            "/livez" => answer::text(StatusCode::OK, "OK\n"),
            "/readyz" => self.readyz(),
            "/metrics" => self.metrics(),
            _ => answer::not_found(PATHS),
        }
    }
}

impl Admin {
    fn readyz(&self) -> Answer {
        let state = &self.state;
        if state.is_draining() {
            return answer::text(StatusCode::SERVICE_UNAVAILABLE, "draining\n");
        }
        if !state.is_ready() {
            return answer::text(StatusCode::SERVICE_UNAVAILABLE, "starting\n");
        }
        answer::text(StatusCode::OK, "OK\n")
    }

    fn metrics(&self) -> Answer {
        metrics::set_ledger(&self.decider.totals());
        self.metrics.run_upkeep();
        answer::text(StatusCode::OK, self.metrics.render())
    }
}
