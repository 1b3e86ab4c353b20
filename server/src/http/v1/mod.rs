//! The native API as JSON, below `/v1/` on the http listener.
//!
//! Each body is a twin of a message of `proto/tollgate/v1`; the adapter that decides is the one of
//! gRPC ([`Native`]). One table says which paths there are, for whoever routes and whoever documents.

mod headers;
mod object;
pub(crate) mod request;
pub(crate) mod response;

use futures_util::FutureExt as _;
use http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tollgate_core::time::NANOS_PER_SECOND;
use tollgate_proto::v1;

pub(crate) use self::object::Object;
use super::answer::{self, Answer};
use super::connection::{Body, BodyError};
use crate::guard::guarded_future;
use crate::native::{Call, Failure, Native};
use crate::statistics::Stopwatch;

/// Bytes of a sentence about a body that cannot be read: it repeats names and values of it.
const ERROR_BYTES_MAX: usize = 512;

/// What a path does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Check,
    CheckBatch,
    Peek,
    Reserve,
    Commit,
    Cancel,
    Refund,
    Reset,
}

/// Every path, each of which takes a POST.
pub(crate) const PATHS: [(&str, Verb); 8] = [
    ("/v1/check", Verb::Check),
    ("/v1/check/batch", Verb::CheckBatch),
    ("/v1/peek", Verb::Peek),
    ("/v1/reserve", Verb::Reserve),
    ("/v1/commit", Verb::Commit),
    ("/v1/cancel", Verb::Cancel),
    ("/v1/refund", Verb::Refund),
    ("/v1/reset", Verb::Reset),
];

/// Answers the native API over HTTP.
#[derive(Clone)]
pub struct NativeHttp {
    native: Native,
    stopwatch: Stopwatch,
}

impl NativeHttp {
    /// An adapter whose calls `stopwatch` measures.
    pub fn new(native: Native, stopwatch: Stopwatch) -> Self {
        Self { native, stopwatch }
    }

    /// Answers a call of a path below `/v1/`.
    pub(super) async fn handle(&self, head: &Parts, body: Body) -> Answer {
        let path = head.uri.path();
        let Some((_, verb)) = PATHS.iter().find(|(known, _)| *known == path) else {
            let known: Vec<_> = PATHS.iter().map(|(path, _)| *path).collect();
            return answer::not_found(&known.join(", "));
        };
        if head.method != Method::POST {
            return answer::method_not_allowed("POST");
        }
        // Of a batch's checks each may have a timeout; HTTP itself has none.
        let mut measured = self.stopwatch.start(None);
        let body = body.read().await;
        let answer = match body {
            Ok(body) => Json(&self.native).told(*verb, &head.headers, &body).await,
            Err(BodyError::NoRoom(no_room)) => refuse(&no_room.into()),
            Err(error) => refuse(&Failure::Unreadable { message: error.to_string(), field: None }),
        };
        measured.answered();
        answer
    }
}

/// The adapter's JSON form, without a connection.
#[derive(Clone, Copy)]
pub struct Json<'a>(pub &'a Native);

impl Json<'_> {
    /// Answers a POST of `body` to `path`; absent where there is no such path.
    pub async fn post(&self, path: &str, headers: &HeaderMap, body: &[u8]) -> Option<Answer> {
        let (_, verb) = PATHS.iter().find(|(known, _)| *known == path)?;
        Some(self.told(*verb, headers, body).await)
    }

    /// Answers a whole body; a panic costs this call only.
    async fn told(self, verb: Verb, headers: &HeaderMap, body: &[u8]) -> Answer {
        let answer = self.answer(verb, headers, body);
        let told = answer.map(|told| told.unwrap_or_else(|failure| refuse(&failure)));
        guarded_future(told, || refuse(&Failure::Internal)).await
    }

    async fn answer(
        &self,
        verb: Verb,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Answer, Failure> {
        let native = self.0;
        let call = Call { authorization: headers.get(AUTHORIZATION), deadline: None };
        match verb {
            Verb::Check => {
                let message = self.read::<request::Check>(body)?.into_wire();
                Ok(decided(&native.check(&self.right(message)?, call).await?))
            }
            Verb::CheckBatch => {
                let message = self.read::<request::Batch>(body)?.into_wire();
                let answer = native.check_batch(&self.right(message)?, call).await?;
                Ok(written(StatusCode::OK, &response::Batch::of(&answer)))
            }
            Verb::Peek => {
                let message = self.read::<request::Peek>(body)?.into_wire();
                let answer = native.peek(&self.right(message)?, call).await?;
                Ok(written(StatusCode::OK, &response::Check::of(&answer)))
            }
            Verb::Reserve => {
                let message = self.read::<request::Reserve>(body)?.into_wire();
                Ok(reserved(&native.reserve(&self.right(message)?, call).await?))
            }
            Verb::Commit => {
                let answer =
                    native.commit(&self.read::<request::Commit>(body)?.into_wire(), call).await?;
                Ok(written(StatusCode::OK, &response::Commit::of(&answer)))
            }
            Verb::Cancel => {
                let answer =
                    native.cancel(&self.read::<request::Cancel>(body)?.into_wire(), call).await?;
                Ok(written(StatusCode::OK, &response::Cancel::of(&answer)))
            }
            Verb::Refund => {
                let message = self.read::<request::Refund>(body)?.into_wire();
                let answer = native.refund(&self.right(message)?, call).await?;
                Ok(written(StatusCode::OK, &response::Check::of(&answer)))
            }
            Verb::Reset => {
                let message = self.read::<request::Reset>(body)?.into_wire();
                let answer = native.reset(&self.right(message)?, call).await?;
                Ok(written(StatusCode::OK, &response::Reset { counters: answer.counters }))
            }
        }
    }

    /// Reads a body; one that is wrong is counted here, because the adapter never sees it.
    fn read<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, Failure> {
        match serde_json::from_slice(body) {
            Ok(Object(read)) => Ok(read),
            Err(error) => {
                let (message, field) = (sentence(&error), named(&error));
                Err(self.0.count(Failure::Unreadable { message, field }))
            }
        }
    }

    fn right<T>(&self, message: Result<T, v1::Malformed>) -> Result<T, Failure> {
        message.map_err(|malformed| self.0.count(malformed.into()))
    }
}

/// A decision: 200, or 429 with the headers that tell when to come back.
fn decided(answer: &v1::CheckResponse) -> Answer {
    with_headers(written(status(answer), &response::Check::of(answer)), answer)
}

fn reserved(answer: &v1::ReserveResponse) -> Answer {
    let body = response::Reserve::of(answer);
    match &answer.decision {
        Some(decision) => with_headers(written(status(decision), &body), decision),
        None => refuse(&Failure::Internal),
    }
}

fn status(answer: &v1::CheckResponse) -> StatusCode {
    match answer.verdict() {
        v1::Verdict::Allowed => StatusCode::OK,
        v1::Verdict::Denied => StatusCode::TOO_MANY_REQUESTS,
        v1::Verdict::Unspecified => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn with_headers(mut answer: Answer, decision: &v1::CheckResponse) -> Answer {
    for (name, value) in headers::of(decision) {
        if let Ok(value) = HeaderValue::try_from(value) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

fn written(status: StatusCode, body: &impl Serialize) -> Answer {
    match serde_json::to_vec(body) {
        Ok(body) => answer::json(status, body),
        Err(_) => answer::internal(),
    }
}

fn refuse(failure: &Failure) -> Answer {
    let field = failure.field().map(json_field);
    let message = match (failure, &field) {
        // The sentence begins with the field as JSON calls it.
        (Failure::Refused(v1::Refused::Malformed(malformed)), Some(field)) => {
            format!("{field}: {}", malformed.fault)
        }
        _ => failure.to_string(),
    };
    let mut body = serde_json::json!({ "error": failure.word(), "message": message });
    if let Some(field) = field {
        body["field"] = field.into();
    }
    let mut answer = answer::json(failure.http_status(), body.to_string());
    let headers = answer.headers_mut();
    if matches!(failure, Failure::Unauthenticated(_)) {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(wait) = failure.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
    answer
}

/// Durations have their unit in their names here.
fn json_field(field: &str) -> String {
    let is_duration = ["window", "timeout", "hold_for"]
        .iter()
        .any(|name| field == *name || field.ends_with(&format!(".{name}")));
    if is_duration { format!("{field}_seconds") } else { field.to_owned() }
}

/// What is wrong, cut before its place where it is long.
fn sentence(error: &serde_json::Error) -> String {
    let mut text = error.to_string();
    if text.len() > ERROR_BYTES_MAX {
        let place = format!("… at line {} column {}", error.line(), error.column());
        text.truncate(text.floor_char_boundary(ERROR_BYTES_MAX - place.len()));
        text.push_str(&place);
    }
    text.replace(tollgate_core::plan::is_unprintable, "\u{fffd}")
}

/// The member that serde names, if it names one.
fn named(error: &serde_json::Error) -> Option<String> {
    let text = sentence(error);
    let names = ["unknown field `", "missing field `", "duplicate field `"];
    let rest = names.iter().find_map(|begin| text.strip_prefix(begin))?;
    Some(rest.split('`').next()?.to_owned())
}

/// Seconds with a fraction, exact to the nanosecond as far as a double is.
fn seconds(duration: &prost_types::Duration) -> f64 {
    duration.seconds as f64 + f64::from(duration.nanos) / NANOS_PER_SECOND as f64
}
