//! HTTP/2 connections that carry gRPC, within bounds that hold against hostile peers.
//!
//! The same stack serves Tollgate and the no-op service that the benchmark measures beside it.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tollgate_runtime::cores::Serve;
use tollgate_runtime::drain::Draining;
use tollgate_runtime::patience::{Patience, Patient};
use tollgate_runtime::stream::{Peer, Stream};
use tower::Service;

use super::calls::Calls;
use crate::budget::{Budget, Metered};
use crate::drained::{Age, Ends, in_time, until_drained};
use crate::tls::Door;

/// What one HTTP/2 connection may use.
#[derive(Clone, Copy, Debug)]
pub struct Http2Bounds {
    /// Calls in flight on one connection.
    pub streams_max: u32,
    /// Bytes of all headers of a call.
    pub header_bytes_max: u32,
    /// Streams that the peer opened and reset before they were served; more end the connection.
    pub resets_max: usize,
    /// A silent connection is pinged after this long…
    pub ping_after: Duration,
    /// …and closed when the ping is not answered in this time.
    pub ping_timeout: Duration,
    /// How long the peer may neither send nor take anything.
    pub patience: Patience,
    /// How long a call may wait for its message and then for its answer to be taken; a watch of
    /// health excepted.
    pub wait_max: Duration,
}

impl Default for Http2Bounds {
    fn default() -> Self {
        Self {
            streams_max: 256,
            header_bytes_max: 16 * 1_024,
            resets_max: 64,
            ping_after: Duration::from_secs(60),
            ping_timeout: Duration::from_secs(20),
            patience: Patience { read: Duration::from_secs(90), write: Duration::from_secs(30) },
            wait_max: Duration::from_secs(40),
        }
    }
}

/// Serves gRPC connections with clones of one service, which must always be ready, as those that
/// `tonic` generates are.
#[derive(Clone, Debug)]
pub struct ServeGrpc<S> {
    /// The service.
    pub service: S,
    /// The bounds of each connection.
    pub bounds: Http2Bounds,
    /// What waiting calls hold of the process.
    pub budget: Budget,
    /// How connections come in.
    pub door: Door,
    /// How old connections may become.
    pub age: Age,
    /// Ends connections once their calls are answered.
    pub draining: Draining,
}

impl<S> Serve for ServeGrpc<S>
where
    S: Service<
            Request<Metered<Incoming>>,
            Response = Response<tonic::body::Body>,
            Error = Infallible,
        > + Clone
        + 'static,
    S::Future: Unpin + 'static,
{
    fn connection(&self, stream: Stream, peer: Peer) -> impl Future<Output = ()> + 'static {
        let (service, bounds, door) = (self.service.clone(), self.bounds, self.door.clone());
        let calls = Calls::new(self.budget, bounds.wait_max);
        let ends = Ends { draining: self.draining.clone(), age: self.age };
        async move {
            let draining = ends.draining.clone();
            let Some(wire) = in_time(door.enter(stream, peer), draining).await else { return };
            let connection = bounds.builder(&calls).serve_connection(
                TokioIo::new(Patient::new(wire, bounds.patience)),
                calls.to(service),
            );
            until_drained(connection, |one| one.graceful_shutdown(), ends, "decide", peer).await;
        }
    }
}

impl Http2Bounds {
    fn builder(&self, calls: &Calls) -> http2::Builder<Calls> {
        let mut builder = http2::Builder::new(calls.clone());
        builder
            .timer(TokioTimer::new())
            .auto_date_header(false)
            .max_concurrent_streams(self.streams_max)
            .max_header_list_size(self.header_bytes_max)
            .max_pending_accept_reset_streams(self.resets_max)
            .max_local_error_reset_streams(self.resets_max)
            .keep_alive_interval(self.ping_after)
            .keep_alive_timeout(self.ping_timeout);
        builder
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
