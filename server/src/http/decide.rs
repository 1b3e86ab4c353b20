//! The `http` listener: `/json` decides, `/healthcheck` says whether traffic may come.

use futures_util::FutureExt as _;
use http::request::Parts;
use http::{Method, StatusCode};
use tollgate_proto::json;
use tollgate_proto::rls::rate_limit_response::Code;

use super::NativeHttp;
use super::answer::{self, Answer};
use super::connection::{Body, BodyError, Handle};
use crate::error::CallError;
use crate::grpc::RateLimit;
use crate::guard::guarded_future;
use crate::openapi;
use crate::state::State;
use crate::statistics::Stopwatch;

/// Answers callers.
#[derive(Clone)]
pub struct DecideHttp {
    /// Decides, as it does for gRPC.
    pub rate_limit: RateLimit,
    /// Measures decisions.
    pub stopwatch: Stopwatch,
    /// Everything below `/v1/`.
    pub native: NativeHttp,
    /// What health checks are told.
    pub state: State,
}

impl Handle for DecideHttp {
    async fn handle(&self, head: Parts, body: Body) -> Answer {
        match (head.uri.path(), &head.method) {
            // Any method, as the reference service takes it.
            ("/json", _) => self.decide(body).await,
            ("/healthcheck", &Method::GET | &Method::HEAD) => self.healthcheck(),
            (openapi::PATH, &Method::GET | &Method::HEAD) => answer::openapi(),
            ("/healthcheck" | openapi::PATH, _) => answer::method_not_allowed("GET, HEAD"),
            (path, _) if path.starts_with("/v1/") => self.native.handle(&head, body).await,
            _ => answer::not_found("/json, /healthcheck, /openapi.yaml and what is below /v1/"),
        }
    }
}

impl DecideHttp {
    async fn decide(&self, body: Body) -> Answer {
        // HTTP has no deadline.
        let mut measured = self.stopwatch.start(None);
        let answer = self.decided(body).await;
        measured.answered();
        answer
    }

    async fn decided(&self, body: Body) -> Answer {
        let body = match body.read().await {
            Ok(body) => body,
            Err(BodyError::NoRoom(no_room)) => return refuse(&self.counted(no_room.into())),
            Err(error) => return refuse(&self.counted(CallError::Unreadable(error.to_string()))),
        };
        let decided = async {
            let unreadable = |what| self.counted(CallError::Unreadable(what));
            let message = json::parse_request(&body).map_err(unreadable)?;
            let response = self.rate_limit.answer(&message, None).await?;
            let status = match response.overall_code() {
                Code::Ok => StatusCode::OK,
                Code::OverLimit => StatusCode::TOO_MANY_REQUESTS,
                Code::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
            };
            let body = json::write_response(&response)
                .map_err(|error| CallError::Unreadable(error.to_string()))?;
            Ok(answer::json(status, body))
        };
        let told = decided
            .map(|decided: Result<_, CallError>| decided.unwrap_or_else(|error| refuse(&error)));
        guarded_future(told, answer::internal).await
    }

    /// Counts what is wrong with a message that the adapter has not seen.
    fn counted(&self, error: CallError) -> CallError {
        self.rate_limit.count_error(&error);
        error
    }

    fn healthcheck(&self) -> Answer {
        if self.state.is_draining() {
            return answer::text(StatusCode::INTERNAL_SERVER_ERROR, "draining\n");
        }
        if self.state.is_held_back() {
            return answer::text(StatusCode::INTERNAL_SERVER_ERROR, "no configuration\n");
        }
        answer::text(StatusCode::OK, "OK")
    }
}

fn refuse(error: &CallError) -> Answer {
    answer::error(error.http_status(), error.reason(), &error.to_string())
}
