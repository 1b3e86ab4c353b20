//! Whole answers with small bodies.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;

use crate::openapi;

/// An answer whose body is in memory.
pub type Answer = Response<Full<Bytes>>;

/// Plain text.
pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    with_type(status, "text/plain; charset=utf-8", body)
}

/// The document of what is served (`tollgate openapi`).
pub(super) fn openapi() -> Answer {
    // The type that browsers show.
    with_type(StatusCode::OK, "text/yaml; charset=utf-8", openapi::COMMITTED)
}

/// JSON that is already written.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    with_type(status, "application/json", body)
}

/// The body of every error: a word that programs may match on, and a sentence for people.
pub(crate) fn error(status: StatusCode, reason: &str, message: &str) -> Answer {
    let body = serde_json::json!({ "error": reason, "message": message });
    json(status, body.to_string())
}

/// The call panicked.
pub(super) fn internal() -> Answer {
    error(StatusCode::INTERNAL_SERVER_ERROR, "internal", "internal error")
}

/// No such path.
pub(crate) fn not_found(known: &str) -> Answer {
    error(StatusCode::NOT_FOUND, "not_found", &format!("this listener serves {known}"))
}

/// The path exists, the method does not.
pub(crate) fn method_not_allowed(allowed: &str) -> Answer {
    let message = format!("this path takes {allowed}");
    let mut answer = error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", &message);
    answer.headers_mut().extend(HeaderValue::from_str(allowed).ok().map(|all| (ALLOW, all)));
    answer
}

fn with_type(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}
