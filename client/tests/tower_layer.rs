//! The layer before a service: what callers get, to the header.
#![expect(clippy::unwrap_used, reason = "a test ends where its helpers do")]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use tollgate_client::layer::{HeaderStyle, OnError, RateLimitLayer};
use tollgate_client::testing::{Asked, Fake};
use tollgate_client::{Check, Error, Reason};
use tower::{Layer as _, Service, ServiceExt as _};

/// Counts its calls; ready once, and again only for a clone.
#[derive(Default)]
struct Inner {
    calls: Arc<AtomicUsize>,
    is_ready: bool,
}

impl Clone for Inner {
    fn clone(&self) -> Self {
        Self { calls: Arc::clone(&self.calls), is_ready: false }
    }
}

impl Service<Request<Body>> for Inner {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        assert!(self.is_ready, "called without having been found ready");
        self.calls.fetch_add(1, Ordering::Relaxed);
        ready(Ok(Response::new(Body::from("inner"))))
    }
}

fn by_client(parts: &http::request::Parts) -> Option<Check> {
    let client = parts.headers.get("x-client")?.to_str().ok()?;
    Some(Check::limit("api").value("client", client))
}

fn request(client: Option<&str>) -> Request<Body> {
    let builder = Request::builder().uri("/");
    let builder = client.into_iter().fold(builder, |b, client| b.header("x-client", client));
    builder.body(Body::empty()).unwrap()
}

fn fake() -> Fake {
    let fake = Fake::new().limit("api", 2, Duration::from_secs(60));
    fake.advance(Duration::from_millis(19_500));
    fake
}

async fn answer(
    layer: &RateLimitLayer<Fake, fn(&http::request::Parts) -> Option<Check>>,
    client: Option<&str>,
) -> (StatusCode, HeaderMap, String) {
    let response = layer.layer(Inner::default()).oneshot(request(client)).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

fn layer(fake: &Fake) -> RateLimitLayer<Fake, fn(&http::request::Parts) -> Option<Check>> {
    RateLimitLayer::new(fake.clone(), by_client)
}

#[tokio::test]
async fn what_passes_is_told_what_is_left_and_what_does_not_when_to_come_back() {
    let layer = layer(&fake());
    let (status, headers, body) = answer(&layer, Some("alice")).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "inner"));
    assert_eq!(headers["ratelimit-policy"], "\"api\";q=2;w=60");
    assert_eq!(headers["ratelimit"], "\"api\";r=1;t=41");
    assert!(!headers.contains_key("retry-after"));

    assert_eq!(answer(&layer, Some("alice")).await.0, StatusCode::OK);
    let (status, headers, body) = answer(&layer, Some("alice")).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(headers["retry-after"], "41");
    assert_eq!(headers["ratelimit"], "\"api\";r=0;t=41");
    assert_eq!(headers["content-type"], "application/json");
    let message = "too many requests; the next one passes in 41 s";
    assert_eq!(body, format!("{{\"error\":\"over_limit\",\"message\":\"{message}\"}}"));
    assert_eq!(answer(&layer, Some("bob")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn the_other_headers_on_request() {
    let (status, headers, _) =
        answer(&layer(&fake()).headers(HeaderStyle::XRateLimit), Some("alice")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["x-ratelimit-limit"], "2");
    assert_eq!(headers["x-ratelimit-remaining"], "1");
    assert_eq!(headers["x-ratelimit-reset"], "41");
    assert!(!headers.contains_key("ratelimit"));
    let (_, headers, _) = answer(&layer(&fake()).headers(HeaderStyle::Off), Some("alice")).await;
    assert!(headers.is_empty());
}

#[tokio::test]
async fn without_a_decision_it_is_503_or_passes_as_told() {
    let fake = fake();
    let refused = |retry_after| Error::Overloaded { in_flight_max: retry_after };
    fake.fail_next(refused(1));
    let (status, headers, body) = answer(&layer(&fake), Some("alice")).await;
    assert_eq!(
        (status, &headers["retry-after"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"1".parse().unwrap())
    );
    assert!(body.starts_with("{\"error\":\"overloaded\",\"message\":"), "{body}");

    fake.fail_next(refused(1));
    let passing = layer(&fake).on_error(OnError::Pass);
    let (status, headers, body) = answer(&passing, Some("alice")).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "inner"));
    assert!(headers.is_empty());
}

#[tokio::test]
async fn an_errors_own_words_do_not_reach_the_caller() {
    let fake = fake();
    let reason = Reason::Other("\"}, {".into());
    let message = "secret \"quoted\"".to_owned();
    let executed = tollgate_client::Executed::Maybe;
    let retry_after = Some(Duration::from_millis(1200));
    fake.fail_next(Error::Refused { reason, message, executed, retry_after });
    let (_, headers, body) = answer(&layer(&fake), Some("alice")).await;
    assert_eq!(headers["retry-after"], "2");
    assert!(
        body.starts_with("{\"error\":\"\",\"message\":\"") && !body.contains("secret"),
        "{body}"
    );
}

#[tokio::test]
async fn without_a_key_nothing_is_asked() {
    let fake = fake();
    let (status, headers, _) = answer(&layer(&fake), None).await;
    assert_eq!((status, headers.is_empty()), (StatusCode::OK, true));
    assert!(fake.calls().is_empty());
    let _ = answer(&layer(&fake), Some("alice")).await;
    assert_eq!(fake.calls(), [Asked::Check(Check::limit("api").value("client", "alice"))]);
}

/// [`Inner`] itself fails if another than the ready one is called.
#[tokio::test]
async fn the_service_that_was_found_ready_is_the_one_that_is_called() {
    let inner = Inner::default();
    let calls = Arc::clone(&inner.calls);
    let mut service = layer(&fake()).layer(inner);
    for client in [Some("alice"), None, Some("alice")] {
        let answer = service.ready().await.unwrap().call(request(client));
        assert_eq!(answer.await.unwrap().status(), StatusCode::OK);
    }
    let denied = service.ready().await.unwrap().call(request(Some("alice"))).await.unwrap();
    assert_eq!(denied.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(calls.load(Ordering::Relaxed), 3, "a denied request does not reach the service");
}
