//! Which service a call is for, by the path's first segment.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use hyper::body::Incoming;
use tollgate_proto::rls::rate_limit_service_server::RateLimitServiceServer;
use tonic::body::Body;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::HealthService;
use tower::Service;

use super::RateLimit;

const HEALTH: &str = "/grpc.health.v1.Health/";

/// The services of the decide listener.
#[derive(Clone)]
pub struct Router {
    rate_limit: RateLimitServiceServer<RateLimit>,
    health: HealthServer<HealthService>,
}

impl Router {
    /// A router whose services take messages of at most `message_bytes_max`.
    pub fn new(
        rate_limit: RateLimit,
        health: HealthServer<HealthService>,
        message_bytes_max: usize,
    ) -> Self {
        let rate_limit =
            RateLimitServiceServer::new(rate_limit).max_decoding_message_size(message_bytes_max);
        Self { rate_limit, health: health.max_decoding_message_size(message_bytes_max) }
    }
}

impl Service<Request<Incoming>> for Router {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        if request.uri().path().starts_with(HEALTH) {
            return self.health.call(request);
        }
        // A path of no service is answered UNIMPLEMENTED by the generated code.
        self.rate_limit.call(request)
    }
}
