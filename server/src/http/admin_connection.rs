//! Connections of operators: HTTP/1.1 or HTTP/2, as their first bytes say, within bounds.

use std::convert::Infallible;
use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tollgate_runtime::cores::Serve;
use tollgate_runtime::drain::Draining;
use tollgate_runtime::patience::Patient;
use tollgate_runtime::stream::{Peer, Stream};

use super::admin::{Admin, Room};
use super::beginning::Beginning;
use super::connection::Http1Bounds;
use crate::access::Shown;
use crate::budget::Budget;
use crate::drained::{Age, Ends, in_time, until_drained};
use crate::grpc::{Calls, Http2Bounds};
use crate::tls::Door;

/// Calls in flight on one HTTP/2 connection: operators and their dashboards have a few.
const STREAMS_MAX: u32 = 32;

/// How old a connection becomes whose peer showed a certificate. The certificate is looked at once,
/// when the connection begins: its end, and an authority that vouches for it no longer, are heeded by
/// the next one.
pub(crate) const CERTIFICATE_AGE: Age =
    Age { max: Some(Duration::from_secs(60 * 60)), grace: Some(Duration::from_secs(60)) };

/// Serves operators.
#[derive(Clone)]
pub struct ServeAdmin {
    /// What answers.
    pub handler: Admin,
    /// The bounds of an HTTP/1.1 connection, and of every body.
    pub http1: Http1Bounds,
    /// What bodies and waiting calls hold of the process.
    pub budget: Budget,
    /// How connections come in.
    pub door: Door,
    /// How old connections become whose peers showed a certificate.
    pub certificate_age: Age,
    /// Ends connections once their requests are answered.
    pub draining: Draining,
}

impl Serve for ServeAdmin {
    fn connection(&self, stream: Stream, peer: Peer) -> impl Future<Output = ()> + 'static {
        let (this, door) = (self.clone(), self.door.clone());
        async move {
            let entered = in_time(door.enter(stream, peer), this.draining.clone());
            if let Some(wire) = entered.await {
                let shown = Shown::Names(wire.names());
                this.serve(wire, peer, shown).await;
            }
        }
    }
}

impl ServeAdmin {
    /// Serves one connection that has come in, to its end; `peer` is for the log, `shown` what the
    /// connection tells of it.
    pub(crate) fn serve(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        peer: impl Display + 'static,
        shown: Shown,
    ) -> impl Future<Output = ()> + 'static {
        let age = match &shown {
            Shown::Names(names) if !names.is_empty() => self.certificate_age,
            _ => Age::UNBOUNDED,
        };
        let (handler, shown) = (self.handler.clone(), Arc::new(shown));
        let room = Room { bounds: self.http1, budget: self.budget };
        let service = service_fn(move |request: Request<Incoming>| {
            let (handler, shown) = (handler.clone(), Arc::clone(&shown));
            async move { Ok::<_, Infallible>(handler.call(request, &shown, room).await) }
        });
        let http2 = Http2Bounds { streams_max: STREAMS_MAX, ..Http2Bounds::default() };
        let builder = builder(self.http1, http2, self.budget);
        let stream = Beginning::new(Patient::new(stream, http2.patience), self.http1.head_timeout);
        let stream = TokioIo::new(stream);
        let ends = Ends { draining: self.draining.clone(), age };
        async move {
            let connection = builder.serve_connection(stream, service);
            until_drained(connection, |one| one.graceful_shutdown(), ends, "admin", peer).await;
        }
    }
}

fn builder(http1: Http1Bounds, http2: Http2Bounds, budget: Budget) -> auto::Builder<Calls> {
    let mut builder = auto::Builder::new(Calls::new(budget, http2.wait_max));
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(http1.head_timeout)
        .max_headers(http1.headers_max)
        .max_buf_size(http1.head_bytes_max);
    builder
        .http2()
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .max_concurrent_streams(http2.streams_max)
        .max_header_list_size(http2.header_bytes_max)
        .max_pending_accept_reset_streams(http2.resets_max)
        .max_local_error_reset_streams(http2.resets_max)
        .keep_alive_interval(http2.ping_after)
        .keep_alive_timeout(http2.ping_timeout);
    builder
}
