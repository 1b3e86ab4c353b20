//! HTTP/1.1 connections within bounds.

use std::convert::Infallible;
use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tollgate_runtime::cores::Serve;
use tollgate_runtime::drain::Draining;
use tollgate_runtime::patience::{Patience, Patient};
use tollgate_runtime::stream::{Peer, Stream};

use super::Answer;
use crate::budget::{Budget, Metered, MeteredError, NoRoom};
use crate::drained::{Age, Ends, in_time, until_drained};
use crate::tls::Door;

/// What one HTTP/1.1 connection may use.
#[derive(Clone, Copy, Debug)]
pub struct Http1Bounds {
    /// Headers of a request.
    pub headers_max: usize,
    /// Bytes of a request's head.
    pub head_bytes_max: usize,
    /// Time for the head to arrive; also how long a connection may be idle.
    pub head_timeout: Duration,
    /// Bytes of a request's body.
    pub body_bytes_max: usize,
    /// Time for the body to arrive.
    pub body_timeout: Duration,
    /// How long the peer may neither send nor take anything.
    pub patience: Patience,
}

impl Default for Http1Bounds {
    fn default() -> Self {
        Self {
            headers_max: 64,
            head_bytes_max: 16 * 1_024,
            head_timeout: Duration::from_secs(30),
            body_bytes_max: 1_024 * 1_024,
            body_timeout: Duration::from_secs(10),
            patience: Patience { read: Duration::from_secs(60), write: Duration::from_secs(30) },
        }
    }
}

/// Answers whole requests.
pub trait Handle: Clone + 'static {
    /// Answers a request whose head is given and whose body can be read within bounds.
    fn handle(&self, head: http::request::Parts, body: Body) -> impl Future<Output = Answer>;
}

/// A body that has not been read yet.
#[derive(Debug)]
pub struct Body {
    incoming: Metered<Incoming>,
    bounds: Http1Bounds,
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is longer than the bound, or ended early.
    #[error("the body is incomplete or longer than {0} bytes")]
    Unreadable(usize),
    /// Calls in flight hold as much as they may.
    #[error(transparent)]
    NoRoom(NoRoom),
    /// It did not arrive in time.
    #[error("the body did not arrive in {} seconds", .0.as_secs())]
    TooSlow(Duration),
}

impl Body {
    /// The body of a request, within `bounds`, counted against `budget`.
    pub(super) fn new(incoming: Incoming, budget: Budget, bounds: Http1Bounds) -> Self {
        Self { incoming: Metered::new(incoming, budget), bounds }
    }

    /// Reads it whole.
    ///
    /// # Errors
    /// [`BodyError`] if it is too long, too slow or broken.
    pub async fn read(self) -> Result<Bytes, BodyError> {
        let limited = http_body_util::Limited::new(self.incoming, self.bounds.body_bytes_max);
        let read = tokio::time::timeout(self.bounds.body_timeout, limited.collect()).await;
        match read {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if is_no_room(&*error) => Err(BodyError::NoRoom(NoRoom)),
            Ok(Err(_)) => Err(BodyError::Unreadable(self.bounds.body_bytes_max)),
            Err(_) => Err(BodyError::TooSlow(self.bounds.body_timeout)),
        }
    }
}

fn is_no_room(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(MeteredError::<hyper::Error>::NoRoom(_)))
}

/// Serves HTTP/1.1 connections with one handler.
#[derive(Clone, Debug)]
pub struct ServeHttp<H> {
    /// The handler.
    pub handler: H,
    /// The bounds of each connection.
    pub bounds: Http1Bounds,
    /// What bodies hold of the process while they arrive.
    pub budget: Budget,
    /// How connections come in.
    pub door: Door,
    /// Ends connections once their requests are answered.
    pub draining: Draining,
}

impl<H: Handle> Serve for ServeHttp<H> {
    fn connection(&self, stream: Stream, peer: Peer) -> impl Future<Output = ()> + 'static {
        let (this, door) = (self.clone(), self.door.clone());
        async move {
            let entered = in_time(door.enter(stream, peer), this.draining.clone());
            if let Some(wire) = entered.await {
                this.serve(wire, peer).await;
            }
        }
    }
}

impl<H: Handle> ServeHttp<H> {
    /// Serves one connection that has come in, to its end; `peer` is for the log.
    pub fn serve(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        peer: impl Display + 'static,
    ) -> impl Future<Output = ()> + 'static {
        let (handler, bounds, budget) = (self.handler.clone(), self.bounds, self.budget);
        let service = service_fn(move |request: Request<Incoming>| {
            let handler = handler.clone();
            async move {
                let (head, incoming) = request.into_parts();
                let body = Body::new(incoming, budget, bounds);
                Ok::<_, Infallible>(handler.handle(head, body).await)
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(bounds.head_timeout)
            .max_headers(bounds.headers_max)
            .max_buf_size(bounds.head_bytes_max)
            .serve_connection(TokioIo::new(Patient::new(stream, bounds.patience)), service);
        let ends = Ends { draining: self.draining.clone(), age: Age::UNBOUNDED };
        until_drained(connection, |one| one.graceful_shutdown(), ends, "http", peer)
    }
}
