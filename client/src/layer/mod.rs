//! A limit before any `tower` service of HTTP requests: axum, hyper, tonic's own.
//!
//! ```
//! use std::time::Duration;
//! use axum::{Router, routing::get};
//! use tollgate_client::{Check, layer::RateLimitLayer};
//!
//! # let client = tollgate_client::testing::Fake::new().limit("api", 100, Duration::from_secs(60));
//! let limited = RateLimitLayer::new(client, |request: &http::request::Parts| {
//!     let client = request.headers.get("x-client")?.to_str().ok()?;
//!     Some(Check::limit("api").value("client", client))
//! });
//! let app: Router = Router::new().route("/", get(|| async { "hello" })).layer(limited);
//! ```
//!
//! | | answer |
//! |---|---|
//! | the key function says `None` | the inner service's: nothing is asked |
//! | allowed | the inner service's, with headers that tell of the limits |
//! | denied | 429 with `Retry-After` (whole seconds, rounded up, at least 1), those headers, and `{"error": "over_limit", "message": …}` |
//! | no decision | 503 with `Retry-After` and the error's word; or the inner service's, with [`OnError::Pass`] |
//! | denied without a node's decision ([`OnUnavailable::Deny`](crate::OnUnavailable::Deny)) | 503 |
//!
//! A key function that finds no key lets the request pass: give those without one a key of their
//! own where they are to be limited too.

mod headers;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
pub use headers::HeaderStyle;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use tower::{Layer, Service};

use crate::{Check, Decide, Decision, Error};

/// What a request gets where there is no decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnError {
    /// 503 with `Retry-After`.
    #[default]
    Refuse,
    /// The inner service's answer.
    Pass,
}

/// Puts a limit before a service; see the [module](self).
#[derive(Debug)]
#[must_use]
pub struct RateLimitLayer<D, F> {
    decider: D,
    key: Arc<F>,
    style: HeaderStyle,
    on_error: OnError,
}

impl<D: Decide, F: Fn(&Parts) -> Option<Check>> RateLimitLayer<D, F> {
    /// Asks `decider` what `key` makes of each request; nothing where it makes nothing.
    pub fn new(decider: D, key: F) -> Self {
        let (style, on_error) = (HeaderStyle::default(), OnError::default());
        Self { decider, key: Arc::new(key), style, on_error }
    }

    /// Which headers tell a caller of its limits. Default: `RateLimit` and `RateLimit-Policy`.
    pub fn headers(mut self, style: HeaderStyle) -> Self {
        self.style = style;
        self
    }

    /// What a request gets where there is no decision. Default: 503.
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = on_error;
        self
    }
}

impl<D: Clone, F> Clone for RateLimitLayer<D, F> {
    fn clone(&self) -> Self {
        let (decider, key) = (self.decider.clone(), Arc::clone(&self.key));
        Self { decider, key, style: self.style, on_error: self.on_error }
    }
}

impl<S, D: Clone, F> Layer<S> for RateLimitLayer<D, F> {
    type Service = RateLimit<S, D, F>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimit { inner, rules: self.clone() }
    }
}

/// A service with a limit before it; made by [`RateLimitLayer`].
#[derive(Debug)]
pub struct RateLimit<S, D, F> {
    inner: S,
    rules: RateLimitLayer<D, F>,
}

impl<S: Clone, D: Clone, F> Clone for RateLimit<S, D, F> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), rules: self.rules.clone() }
    }
}

type Answering<R, E> = Pin<Box<dyn Future<Output = Result<R, E>> + Send>>;

impl<S, D, F, A, B> Service<Request<A>> for RateLimit<S, D, F>
where
    S: Service<Request<A>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    D: Decide,
    F: Fn(&Parts) -> Option<Check> + Send + Sync + 'static,
    A: Send + 'static,
    B: From<Bytes>,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Answering<Response<B>, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        // The one that was found ready has to be the one that is called.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let (parts, body) = request.into_parts();
        let check = (self.rules.key)(&parts);
        let request = Request::from_parts(parts, body);
        let Some(check) = check else { return Box::pin(inner.call(request)) };
        let rules = self.rules.clone();
        Box::pin(async move {
            let decision = match rules.decider.check(&check).await {
                Ok(decision) => decision,
                Err(_) if rules.on_error == OnError::Pass => return inner.call(request).await,
                Err(error) => return Ok(refused(&error)),
            };
            if !decision.allowed() {
                return Ok(match decision.unavailable() {
                    Some(error) => refused(error),
                    None => denied(&decision, rules.style),
                });
            }
            let mut response = inner.call(request).await?;
            headers::add(response.headers_mut(), &decision, rules.style);
            Ok(response)
        })
    }
}

fn denied<B: From<Bytes>>(decision: &Decision, style: HeaderStyle) -> Response<B> {
    let mut response = Response::new(());
    headers::add(response.headers_mut(), decision, style);
    let seconds = headers::add_retry_after(response.headers_mut(), headers::wait(decision));
    let message = format!("too many requests; the next one passes in {seconds} s");
    with_body(response, StatusCode::TOO_MANY_REQUESTS, "over_limit", &message)
}

/// The error's own message stays here: it may tell of nodes and limits that are no caller's concern.
fn refused<B: From<Bytes>>(error: &Error) -> Response<B> {
    let mut response = Response::new(());
    let wait = error.retry_after().unwrap_or(Duration::from_secs(1));
    headers::add_retry_after(response.headers_mut(), Some(wait));
    let message = "whether the request may pass could not be decided";
    with_body(response, StatusCode::SERVICE_UNAVAILABLE, error.word(), message)
}

fn with_body<B: From<Bytes>>(
    mut response: Response<()>,
    status: StatusCode,
    word: &str,
    message: &str,
) -> Response<B> {
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    // Words are letters and underscores, but one that a newer node sends may be anything.
    let is_word = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    let word: String = word.chars().filter(is_word).collect();
    let body = format!("{{\"error\":\"{word}\",\"message\":\"{message}\"}}");
    response.map(|()| B::from(Bytes::from(body)))
}
