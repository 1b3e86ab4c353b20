//! The admin listeners: probes, figures and the limits for everybody who reaches them, everything
//! below `/v1/` and every gRPC method for whoever has a role.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use metrics_exporter_prometheus::PrometheusHandle;

use super::admin_grpc;
use super::answer::{self, Answer};
use super::connection::{Body, BodyError, Http1Bounds};
use crate::access::{Access, Caller, Refusal, Role, Shown};
use crate::admin::{self, Api, Found, NotFound};
use crate::budget::{Budget, Metered};
use crate::guard::guarded_future;
use crate::metrics;
use crate::openapi;

const PATHS: &str = "/livez, /readyz, /metrics, /stats, /rlconfig and /openapi.yaml, and with credentials what is below /v1/";

/// Answers operators and their probes.
#[derive(Clone)]
pub struct Admin {
    /// Everything below `/v1/`, and the figures.
    pub api: Arc<Api>,
    /// Renders the metrics.
    pub metrics: PrometheusHandle,
    /// Knows who may do what.
    pub access: Arc<Access>,
}

/// What bodies may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) bounds: Http1Bounds,
    pub(super) budget: Budget,
}

impl Admin {
    /// Answers a call over a connection that shows `shown` of its peer.
    pub(super) async fn call(
        &self,
        request: Request<Incoming>,
        shown: &Shown,
        room: Room,
    ) -> Response<tonic::body::Body> {
        if is_grpc(&request) {
            let request = request.map(|body| Metered::grpc(body, room.budget));
            return match self.role(&request, shown) {
                Ok(caller) => admin_grpc::call(&self.api, request, caller).await,
                Err(refused) => admin_grpc::refuse(refused),
            };
        }
        let answer = if request.headers().len() > room.bounds.headers_max {
            let message = format!("more than {} header fields", room.bounds.headers_max);
            answer::error(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "bad_request", &message)
        } else {
            self.handle(request, shown, room).await
        };
        answer.map(tonic::body::Body::new)
    }

    async fn handle(&self, request: Request<Incoming>, shown: &Shown, room: Room) -> Answer {
        let path = request.uri().path();
        if path == "/v1" || path.starts_with("/v1/") {
            // Nothing about a path is told, and no body taken, before it is known who asks.
            return match self.role(&request, shown) {
                Ok(caller) => self.operate(request, caller, room).await,
                Err(refused) => refuse(&refused),
            };
        }
        let known = matches!(
            path,
            "/" | "/livez" | "/readyz" | "/metrics" | "/stats" | "/rlconfig" | openapi::PATH
        );
        if known && !matches!(*request.method(), Method::GET | Method::HEAD) {
            return answer::method_not_allowed("GET, HEAD");
        }
        match path {
            "/" => answer::text(StatusCode::OK, format!("{PATHS}\n")),
            // Alive as long as it can say so; never a matter of quorum or configuration.
            "/livez" => answer::text(StatusCode::OK, "OK\n"),
            "/readyz" => self.readyz(),
            "/metrics" => answer::text(StatusCode::OK, self.rendered()),
            "/stats" => answer::text(StatusCode::OK, self.api.stats(&self.rendered())),
            "/rlconfig" => answer::text(StatusCode::OK, self.api.rlconfig()),
            openapi::PATH => answer::openapi(),
            _ => answer::not_found(PATHS),
        }
    }

    /// Who calls, if it has any role.
    fn role<B>(&self, request: &Request<B>, shown: &Shown) -> Result<Caller, Refusal> {
        let caller = self.access.operator(request.headers(), shown)?;
        caller.expect_role(Role::Viewer)?;
        Ok(caller)
    }

    async fn operate(&self, request: Request<Incoming>, caller: Caller, room: Room) -> Answer {
        let (head, incoming) = request.into_parts();
        let found = match admin::find(head.method.as_str(), head.uri.path()) {
            Ok(found) => found,
            Err(NotFound::Method(methods)) => return answer::method_not_allowed(&methods),
            Err(NotFound::Path(paths)) => {
                let message = format!("no {}; there are {paths}", head.uri.path());
                return answer::error(StatusCode::NOT_FOUND, "not_found", &message);
            }
        };
        if let Err(forbidden) = caller.expect_role(found.verb.role) {
            return refuse(&forbidden.into());
        }
        // Only a POST brings something; other bodies are left to the connection.
        let body = if head.method == Method::POST {
            Body::new(incoming, room.budget, room.bounds).read().await
        } else {
            Ok(Bytes::new())
        };
        match body {
            Ok(body) => self.run(found, &head, body, caller).await,
            Err(error @ BodyError::NoRoom(_)) => {
                let message = error.to_string();
                answer::error(StatusCode::SERVICE_UNAVAILABLE, "no_room", &message)
            }
            Err(error) => answer::error(StatusCode::BAD_REQUEST, "bad_request", &error.to_string()),
        }
    }

    async fn run(&self, found: Found, head: &Parts, body: Bytes, caller: Caller) -> Answer {
        let query = head.uri.query().unwrap_or_default().to_owned();
        let (waits, api) = (found.verb.waits, Arc::clone(&self.api));
        let answered = async move { api.answer(&found, &query, &body, &caller).await };
        let answered = guarded_future(answered, answer::internal);
        if !waits {
            return answered.await;
        }
        // A disk that hangs holds up this call, not the probes beside it. It goes on if its caller
        // leaves: what was changed is told to the audit log. Such a verb waits for nothing else.
        let on_disk = move || answered.now_or_never().unwrap_or_else(answer::internal);
        tokio::task::spawn_blocking(on_disk).await.unwrap_or_else(|_| answer::internal())
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

/// Without credentials it is the same for every path and method, so that nothing can be learned.
fn refuse(refusal: &Refusal) -> Answer {
    let message = refusal.to_string();
    match refusal {
        Refusal::Rejected(_) => {
            let mut answer = answer::error(StatusCode::UNAUTHORIZED, "unauthenticated", &message);
            answer.headers_mut().insert(WWW_AUTHENTICATE, BEARER);
            answer
        }
        Refusal::Forbidden(_) => {
            answer::error(StatusCode::FORBIDDEN, "permission_denied", &message)
        }
    }
}

/// The one way of showing credentials in a header (RFC 6750 §3).
const BEARER: HeaderValue = HeaderValue::from_static("Bearer");

/// Whether a call is of gRPC, which is HTTP/2 only.
fn is_grpc<B>(request: &Request<B>) -> bool {
    let kind = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    request.version() == Version::HTTP_2
        && kind.is_some_and(|kind| kind.starts_with(b"application/grpc"))
}
