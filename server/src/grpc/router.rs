//! Which service a call is for, by the path's first segment.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::time::Sleep;
use tollgate_proto::rls::rate_limit_service_server::RateLimitServiceServer;
use tollgate_proto::v1::decisions_server::DecisionsServer;
use tollgate_runtime::drain::Draining;
use tonic::Status;
use tonic::body::Body;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::HealthService;
use tower::Service;

use super::watch::UntilDrained;
use super::{RateLimit, deadline};
use crate::budget::Metered;
use crate::native::{self, Deadline, Native};
use crate::statistics::{Measured, Stopwatch};

/// How long a call may take to send its message.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);

const HEALTH: &str = "/grpc.health.v1.Health/";

/// The one call of Envoy's service, which is measured.
const SHOULD_RATE_LIMIT: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";

/// The native API.
const NATIVE: &str = "/tollgate.v1.Decisions/";

/// The one call of it that has no end of its own.
const CHECK_STREAM: &str = "/tollgate.v1.Decisions/CheckStream";

/// The services of the decide listener.
#[derive(Clone)]
pub struct Router {
    rate_limit: RateLimitServiceServer<RateLimit>,
    native: DecisionsServer<native::Service>,
    health: HealthServer<HealthService>,
    draining: Draining,
    stopwatches: Stopwatches,
    /// Whether answers of Envoy's service may have to wait, and so need to know until when.
    waits: bool,
}

/// What measures the calls of one core.
#[derive(Clone)]
pub struct Stopwatches {
    /// Those of Envoy's service.
    pub rls: Stopwatch,
    /// Those of the native API; streams excepted.
    pub native: Stopwatch,
}

impl Router {
    /// A router of one core, whose services take messages of at most `message_bytes_max`, and whose
    /// streams end with the drain.
    pub fn new(
        rate_limit: RateLimit,
        native: Native,
        health: HealthServer<HealthService>,
        message_bytes_max: usize,
        draining: Draining,
        stopwatches: Stopwatches,
    ) -> Self {
        let waits = rate_limit.waits();
        let rate_limit =
            RateLimitServiceServer::new(rate_limit).max_decoding_message_size(message_bytes_max);
        let native = DecisionsServer::new(native::Service::new(native, draining.clone()))
            .max_decoding_message_size(message_bytes_max);
        let health = health.max_decoding_message_size(message_bytes_max);
        Self { rate_limit, native, health, draining, stopwatches, waits }
    }

    fn call_native(&mut self, mut request: Request<Metered<Incoming>>) -> Answering {
        if request.uri().path() == CHECK_STREAM {
            let call = self.native.call(request);
            return Answering { call, timeout: None, timer: None, measured: None };
        }
        let deadline = deadline::of(request.headers());
        let measured = self.stopwatches.native.start(deadline);
        if let Some(end) = measured.deadline() {
            request.extensions_mut().insert(Deadline(end));
        }
        let call = self.native.call(request);
        let (timeout, measured) = (Some(MESSAGE_TIMEOUT), Some(measured));
        Answering { call, timeout, timer: None, measured }
    }
}

impl Service<Request<Metered<Incoming>>> for Router {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Metered<Incoming>>) -> Self::Future {
        if request.uri().path().starts_with(HEALTH) {
            // A watch of health lives as long as its connection, at most until the drain.
            let (call, draining) = (self.health.call(request), self.draining.clone());
            let call = async move {
                let answer = call.await?;
                Ok(answer.map(|body| Body::new(UntilDrained::new(body, &draining))))
            };
            return Answering { call: Box::pin(call), timeout: None, timer: None, measured: None };
        }
        if request.uri().path().starts_with(NATIVE) {
            return self.call_native(request);
        }
        let is_measured = request.uri().path() == SHOULD_RATE_LIMIT;
        let measured =
            is_measured.then(|| self.stopwatches.rls.start(deadline::of(request.headers())));
        if let Some(end) = measured.as_ref().and_then(Measured::deadline).filter(|_| self.waits) {
            request.extensions_mut().insert(Deadline(end));
        }
        // A path of no service is answered UNIMPLEMENTED by the generated code.
        let call = self.rate_limit.call(request);
        Answering { call, timeout: Some(MESSAGE_TIMEOUT), timer: None, measured }
    }
}

type Call = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// A call that is being answered. One that waits for its message for too long is answered
/// DEADLINE_EXCEEDED, so that half-sent messages do not pile up.
pub struct Answering {
    call: Call,
    timeout: Option<Duration>,
    /// Made once the call has to wait, which most never do.
    timer: Option<Pin<Box<Sleep>>>,
    measured: Option<Measured>,
}

impl Answering {
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<<Self as Future>::Output> {
        if let Poll::Ready(answer) = self.call.as_mut().poll(cx) {
            return Poll::Ready(answer);
        }
        let Some(timeout) = self.timeout else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        timer.as_mut().poll(cx).map(|()| {
            let status = Status::deadline_exceeded("the message did not arrive in time");
            Ok(status.into_http())
        })
    }
}

impl Future for Answering {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let answer = ready!(this.poll_answer(cx));
        if let Some(measured) = &mut this.measured {
            measured.answered();
        }
        Poll::Ready(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_whose_message_never_ends_is_answered() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer = runtime.block_on(async {
            let call = Box::pin(std::future::pending());
            let timeout = Some(Duration::from_millis(10));
            Answering { call, timeout, timer: None, measured: None }.await
        });
        let status = answer.unwrap().headers().get("grpc-status").cloned();
        assert_eq!(status.unwrap(), (tonic::Code::DeadlineExceeded as i32).to_string().as_str());
    }
}
