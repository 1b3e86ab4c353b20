//! The load driver: a fleet of HTTP/2 connections with a fixed number of calls in flight on each.
//!
//! The loop is closed: a worker sends its next call when the last one is answered, so the figures
//! are those of saturation, not of latency at a given rate. Everything runs on the caller's
//! runtime, meant to be a current-thread one. A run is bounded in calls and in time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use envoy_types::pb::envoy::service::ratelimit::v3::RateLimitResponse;
use h2::client::SendRequest;
use http::Request;
use thiserror::Error;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::answer::{CallError, decode};
use crate::bodies::{Bodies, Draws};
use crate::call::{connect, exchange, request};
use crate::clock::Stopwatch;
use crate::outcome::{Outcome, Tally};

/// The path of Envoy's rate-limit call.
pub const RLS_PATH: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";

/// Connections are local: one that is not there within this time will not come.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// The most calls of a run that ends by time: minutes at any rate that one thread reaches, so that
/// what is kept of each call stays bounded.
const CALLS_MAX: u64 = 50_000_000;

/// Why a fleet could not be connected or a run did not end well.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The path does not make a URI.
    #[error("path {path:?}: {source}")]
    Path {
        /// The path as given.
        path: String,
        /// What the parser says.
        source: http::Error,
    },
    /// A connection was not made.
    #[error("connecting to {address}: {source}")]
    Connect {
        /// The server's address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The HTTP/2 preface was not accepted.
    #[error("HTTP/2 with {address}: {source}")]
    Handshake {
        /// The server's address.
        address: SocketAddr,
        /// What the library says.
        source: h2::Error,
    },
    /// The run or the connecting was not done in time.
    #[error("not done after {bound:?}")]
    Deadline {
        /// The time that was allowed.
        bound: Duration,
    },
    /// The fleet was made without connections.
    #[error("the fleet has no connection")]
    NoConnection,
    /// A single call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The histogram was not made.
    #[error("the latency histogram: {0}")]
    Histogram(#[from] hdrhistogram::CreationError),
    /// A worker ended abnormally.
    #[error("a worker ended: {0}")]
    Worker(#[from] tokio::task::JoinError),
}

/// How many connections, and how many calls are in flight on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Connections.
    pub connections: usize,
    /// Calls in flight on each connection.
    pub streams: usize,
}

/// Which body comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Each call draws one, uniformly.
    Drawn,
    /// One after another, from the first.
    InTurn,
}

/// How long a run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// This many calls.
    Calls(u64),
    /// Calls are begun for this long.
    Time(Duration),
}

/// One run's work.
#[derive(Clone, Debug)]
pub struct Work {
    /// What to send.
    pub bodies: Arc<Bodies>,
    /// In which order.
    pub order: Order,
    /// When it is done.
    pub length: Length,
    /// Where the sequence of draws starts.
    pub seed: u64,
    /// After this time the run fails.
    pub time_max: Duration,
}

/// Connected and ready; its connections end when it is dropped.
#[derive(Debug)]
pub struct Fleet {
    senders: Vec<SendRequest<Bytes>>,
    streams: usize,
    request: Request<()>,
    /// The tasks that move the connections' frames; dropping the set ends them.
    _connections: JoinSet<()>,
}

impl Fleet {
    /// Opens the connections, each with `TCP_NODELAY`.
    pub async fn connect(address: SocketAddr, path: &str, shape: Shape) -> Result<Self, LoadError> {
        let request = request(address, path)
            .map_err(|source| LoadError::Path { path: path.to_owned(), source })?;
        let mut connections = JoinSet::new();
        let senders = within(CONNECT_TIME_MAX, async {
            let mut senders = Vec::with_capacity(shape.connections);
            for _ in 0..shape.connections {
                senders.push(connect(address, &mut connections).await?);
            }
            Ok(senders)
        })
        .await?;
        Ok(Self { senders, streams: shape.streams, request, _connections: connections })
    }

    /// One call, outside of any measurement, and its whole answer.
    pub async fn ask(
        &self,
        body: Bytes,
        time_max: Duration,
    ) -> Result<RateLimitResponse, LoadError> {
        let mut sender = self.senders.first().cloned().ok_or(LoadError::NoConnection)?;
        within(time_max, async {
            let framed = exchange(&mut sender, self.request.clone(), body).await?;
            Ok(decode(&framed)?)
        })
        .await
    }

    /// Makes all calls of `work`, as many at once as the shape says.
    pub async fn run(&self, work: &Work) -> Result<Outcome, LoadError> {
        let taken = Arc::new(AtomicU64::new(0));
        let (calls, stop_after) = match work.length {
            Length::Calls(calls) => (calls, None),
            Length::Time(time) => (CALLS_MAX, Some(time)),
        };
        let mut workers = JoinSet::new();
        let begun = Stopwatch::start();
        for (index, sender) in self.workers().enumerate() {
            let worker = Worker {
                sender,
                request: self.request.clone(),
                bodies: Arc::clone(&work.bodies),
                order: work.order,
                draws: Draws::seeded(work.seed.wrapping_shl(32) ^ index as u64),
                taken: Arc::clone(&taken),
                calls,
            };
            workers.spawn(worker.run());
        }
        let mut total = Tally::default();
        let took = within(work.time_max, async {
            if let Some(time) = stop_after {
                tokio::time::sleep(time).await;
                taken.fetch_max(calls, Ordering::Relaxed);
            }
            while let Some(tally) = workers.join_next().await {
                total.add(tally?);
            }
            Ok(begun.passed())
        })
        .await?;
        Ok(total.into_outcome(took)?)
    }

    /// A sender for each worker, connection by connection.
    fn workers(&self) -> impl Iterator<Item = SendRequest<Bytes>> {
        self.senders.iter().flat_map(|sender| std::iter::repeat_n(sender, self.streams)).cloned()
    }
}

/// Gives up after `time_max`.
async fn within<T>(
    time_max: Duration,
    work: impl Future<Output = Result<T, LoadError>>,
) -> Result<T, LoadError> {
    timeout(time_max, work).await.unwrap_or(Err(LoadError::Deadline { bound: time_max }))
}

/// One call in flight, over and over.
struct Worker {
    sender: SendRequest<Bytes>,
    request: Request<()>,
    bodies: Arc<Bodies>,
    order: Order,
    draws: Draws,
    /// Calls that all workers together have begun.
    taken: Arc<AtomicU64>,
    calls: u64,
}

impl Worker {
    async fn run(mut self) -> Tally {
        let mut tally = Tally::default();
        loop {
            let call = self.taken.fetch_add(1, Ordering::Relaxed);
            if call >= self.calls {
                return tally;
            }
            let body = match self.order {
                Order::Drawn => self.bodies.draw(&mut self.draws),
                Order::InTurn => self.bodies.at(call),
            };
            let begun = Stopwatch::start();
            let answered = exchange(&mut self.sender, self.request.clone(), body).await;
            let took = begun.passed();
            match answered.and_then(|framed| decode(&framed)) {
                Ok(answer) => tally.count(&answer, took),
                Err(error) => tally.fail(&error),
            }
        }
    }
}
