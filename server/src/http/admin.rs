//! The admin listeners: probes, figures and the limits for everybody who reaches them, everything
//! below `/v1/` for the owner of the socket.

use std::sync::Arc;

use http::request::Parts;
use http::{Method, StatusCode};
use metrics_exporter_prometheus::PrometheusHandle;

use super::answer::{self, Answer};
use super::connection::{Body, BodyError, Handle};
use crate::admin::Api;
use crate::guard::guarded;
use crate::metrics;

const PATHS: &str = "/livez, /readyz, /metrics, /stats and /rlconfig";

/// Who is on the other side of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Anybody who reaches the address.
    Anybody,
    /// The user that the node runs as, over its socket.
    Owner,
}

/// Answers operators and their probes.
#[derive(Clone)]
pub struct Admin {
    /// Everything below `/v1/`, and the figures.
    pub api: Arc<Api>,
    /// Renders the metrics.
    pub metrics: PrometheusHandle,
    /// Who calls.
    pub caller: Caller,
}

impl Handle for Admin {
    async fn handle(&self, head: Parts, body: Body) -> Answer {
        let path = head.uri.path();
        if path == "/v1" || path.starts_with("/v1/") {
            return match self.caller {
                Caller::Owner => self.answer(&head, body).await,
                Caller::Anybody => unauthorized(),
            };
        }
        let known =
            matches!(path, "/" | "/livez" | "/readyz" | "/metrics" | "/stats" | "/rlconfig");
        if known && !matches!(head.method, Method::GET | Method::HEAD) {
            return answer::method_not_allowed("GET, HEAD");
        }
        match path {
            "/" => answer::text(StatusCode::OK, format!("{}\n", self.paths())),
            // Alive as long as it can say so; never a matter of quorum or configuration.
            "/livez" => answer::text(StatusCode::OK, "OK\n"),
            "/readyz" => self.readyz(),
            "/metrics" => answer::text(StatusCode::OK, self.rendered()),
            "/stats" => answer::text(StatusCode::OK, self.api.stats(&self.rendered())),
            "/rlconfig" => answer::text(StatusCode::OK, self.api.rlconfig()),
            _ => answer::not_found(&self.paths()),
        }
    }
}

impl Admin {
    fn paths(&self) -> String {
        match self.caller {
            Caller::Anybody => PATHS.to_owned(),
            Caller::Owner => format!("{PATHS}, and the admin API below /v1/"),
        }
    }

    async fn answer(&self, head: &Parts, body: Body) -> Answer {
        // Only a POST brings something; other bodies are left to the connection.
        let body =
            if head.method == Method::POST { body.read().await } else { Ok(Default::default()) };
        let body = match body {
            Ok(body) => body,
            Err(error @ BodyError::NoRoom(_)) => {
                let message = error.to_string();
                return answer::error(StatusCode::SERVICE_UNAVAILABLE, "no_room", &message);
            }
            Err(error) => {
                let message = error.to_string();
                return answer::error(StatusCode::BAD_REQUEST, "bad_request", &message);
            }
        };
        let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
        let answered = || self.api.answer(&head.method, path, query, &body, "socket");
        guarded(answered, answer::internal)
    }

    fn readyz(&self) -> Answer {
        let state = self.api.state();
        if state.is_draining() {
            return answer::text(StatusCode::SERVICE_UNAVAILABLE, "draining\n");
        }
        if !state.is_ready() {
            return answer::text(StatusCode::SERVICE_UNAVAILABLE, "starting\n");
        }
        if !self.api.decider().active().is_loaded() {
            return answer::text(StatusCode::SERVICE_UNAVAILABLE, "no configuration\n");
        }
        answer::text(StatusCode::OK, "OK\n")
    }

    fn rendered(&self) -> String {
        metrics::rendered(&self.metrics, self.api.decider())
    }
}

/// The same for every path and method, so that nothing can be learned without credentials.
fn unauthorized() -> Answer {
    let message = "the admin API needs credentials over TCP, and there are none yet: use the \
                   socket, as `tollgate status` and the other commands do on the node's machine";
    answer::error(StatusCode::UNAUTHORIZED, "unauthorized", message)
}
