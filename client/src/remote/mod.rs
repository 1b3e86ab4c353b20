//! A client of one or several nodes, over gRPC.

mod attempts;
mod budget;
mod builder;
mod endpoint;
mod fleet;
mod jitter;
mod outcome;
mod stream;
mod telemetry;
#[cfg(feature = "tls")]
mod tls;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use attempts::Call;
use budget::Budget;
pub use builder::{Builder, OnUnavailable, Transport};
use endpoint::Endpoint;
use fleet::Fleet;
use outcome::Failure;
#[cfg(feature = "tls")]
pub use tls::Tls;
use tollgate_proto::v1::decisions_client::DecisionsClient;
use tonic::Response;
use tonic::transport::Channel;

use crate::{Check, Decide, Decision, Error, Reservation, Settled, Ticket, wire};

/// Asks nodes over the network. A clone is another handle to the same connections.
///
/// - **Endpoints**: a call goes to the one with the fewest calls in flight; one that fails rests for
///   a while, longer each time. Connections are made when they are first needed, and again when they
///   broke.
/// - **Deadlines**: every call has one ([`Builder::timeout`], [`Check::timeout`]); the node is told,
///   and nothing is sent after it.
/// - **Sent again** is only what surely was not executed, or what has an idempotency key; see
///   `docs/client.md`. Commits and cancellations have a key of their own.
/// - **Too much** is shed at once ([`Builder::in_flight_max`]).
///
/// ```no_run
/// use tollgate_client::{Check, Client, Decide as _, OnUnavailable};
///
/// # async fn example() -> Result<(), tollgate_client::Error> {
/// let client = Client::builder()
///     .endpoint("http://tollgate-0:8081")
///     .endpoint("http://tollgate-1:8081")
///     .on_unavailable(OnUnavailable::Allow)
///     .build()?;
/// let decision = client.check(&Check::limit("login").value("client", "alice")).await?;
/// if !decision.allowed() {
///     println!("come back in {:?}", decision.retry_after());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    fleet: Fleet,
    budget: Budget,
    timeout: Duration,
    in_flight: AtomicUsize,
    in_flight_max: usize,
    attempts_max: u32,
    on_unavailable: OnUnavailable,
    local_answers: AtomicU64,
    transport: Transport,
}

impl Client {
    /// A client in the making.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A client of one endpoint, all else as [`Builder`] has it.
    ///
    /// # Errors
    /// As of [`Builder::build`].
    pub fn of(endpoint: impl Into<String>) -> Result<Self, Error> {
        Self::builder().endpoint(endpoint).build()
    }

    /// Decisions that no node made, since the client was made: see [`Builder::on_unavailable`].
    pub fn local_answers(&self) -> u64 {
        self.0.local_answers.load(Ordering::Relaxed)
    }

    /// Calls in flight now.
    pub fn in_flight(&self) -> usize {
        self.0.in_flight.load(Ordering::Relaxed)
    }
}

impl Decide for Client {
    async fn check(&self, check: &Check) -> Result<Decision, Error> {
        let call = Call::of("check", check);
        let answer = match self.0.transport {
            Transport::Calls => {
                let message = wire::check_request(check, None);
                let ask = unary(message, |mut client: Decisions, request| async move {
                    client.check(request).await
                });
                self.0.call(call, ask).await.and_then(|(answer, _)| wire::decision(answer))
            }
            Transport::Stream => {
                // The whole time, not what is left of it: the same request with the same key has to
                // stay the same.
                let message = wire::check_request(check, Some(self.timeout_of(check)));
                let ask = move |endpoint: Arc<Endpoint>, _| {
                    let message = message.clone();
                    async move { endpoint.stream().check(message).await }
                };
                self.0.call(call, ask).await.and_then(|(answer, _)| wire::result(answer))
            }
        };
        answer.or_else(|error| self.locally(error))
    }

    async fn check_batch(&self, checks: &[Check]) -> Result<Vec<Result<Decision, Error>>, Error> {
        if checks.is_empty() {
            return Ok(Vec::new());
        }
        let has_key = checks.iter().all(Check::has_key);
        let timeout = checks.iter().map(|check| self.timeout_of(check)).max();
        let call = Call { operation: "check_batch", has_key, timeout, only: None };
        let requests = checks.iter().map(|check| wire::check_request(check, timeout));
        let message = tollgate_proto::v1::CheckBatchRequest { checks: requests.collect() };
        let ask = unary(message, |mut client: Decisions, request| async move {
            client.check_batch(request).await
        });
        let answer = self.0.call(call, ask).await;
        match answer.and_then(|(answer, _)| wire::results(answer, checks.len())) {
            Ok(results) => {
                let locally = |result: Result<_, _>| result.or_else(|error| self.locally(error));
                Ok(results.into_iter().map(locally).collect())
            }
            Err(error) => checks.iter().map(|_| self.locally(error.clone()).map(Ok)).collect(),
        }
    }

    async fn peek(&self, check: &Check) -> Result<Decision, Error> {
        let call = Call { has_key: true, ..Call::of("peek", check) };
        let ask = unary(wire::peek_request(check), |mut client: Decisions, request| async move {
            client.peek(request).await
        });
        let answer = self.0.call(call, ask).await;
        answer.and_then(|(answer, _)| wire::decision(answer)).or_else(|error| self.locally(error))
    }

    async fn reserve(&self, check: &Check) -> Result<Reservation<Self>, Error> {
        let call = Call::of("reserve", check);
        let message = wire::reserve_request(check);
        let ask = unary(message, |mut client: Decisions, request| async move {
            client.reserve(request).await
        });
        let answer = self.0.call(call, ask).await.and_then(|(answer, endpoint)| {
            let (decision, ticket) = wire::reserved(answer)?;
            Ok((decision, ticket.map(|ticket| ticket.at(endpoint))))
        });
        let (decision, ticket) =
            answer.or_else(|error| self.locally(error).map(|decision| (decision, None)))?;
        Ok(Reservation::new(self.clone(), decision, ticket))
    }

    async fn commit(&self, ticket: &Ticket, hits: u64) -> Result<Settled, Error> {
        let message = wire::commit_request(ticket, hits);
        let ask =
            unary(
                message,
                |mut client: Decisions, request| async move { client.commit(request).await },
            );
        let (answer, _) = self.0.call(Call::settling("commit", ticket), ask).await?;
        wire::committed(answer)
    }

    async fn cancel(&self, ticket: &Ticket) -> Result<Settled, Error> {
        let message = wire::cancel_request(ticket);
        let ask =
            unary(
                message,
                |mut client: Decisions, request| async move { client.cancel(request).await },
            );
        let (answer, _) = self.0.call(Call::settling("cancel", ticket), ask).await?;
        wire::cancelled(answer)
    }

    async fn refund(&self, check: &Check) -> Result<Decision, Error> {
        let call = Call::of("refund", check);
        let ask = unary(wire::refund_request(check), |mut client: Decisions, request| async move {
            client.refund(request).await
        });
        let (answer, _) = self.0.call(call, ask).await?;
        wire::decision(answer)
    }
}

type Decisions = DecisionsClient<Channel>;

impl Client {
    fn timeout_of(&self, check: &Check) -> Duration {
        builder::bounded(check.timeout.unwrap_or(self.0.timeout))
    }

    /// What the client answers where no node could decide.
    fn locally(&self, error: Error) -> Result<Decision, Error> {
        let allowed = match self.0.on_unavailable {
            OnUnavailable::Allow if error.is_unavailable() => true,
            OnUnavailable::Deny if error.is_unavailable() => false,
            _ => return Err(error),
        };
        self.0.local_answers.fetch_add(1, Ordering::Relaxed);
        telemetry::local_answer(allowed);
        Ok(Decision::local(allowed, error))
    }
}

impl Call {
    fn of(operation: &'static str, check: &Check) -> Self {
        Self { operation, has_key: check.has_key(), timeout: check.timeout, only: None }
    }

    /// A reservation is at the node that made it, and its own name is the key.
    fn settling(operation: &'static str, ticket: &Ticket) -> Self {
        Self { operation, has_key: true, timeout: None, only: ticket.endpoint }
    }
}

/// An attempt that is one call of gRPC.
fn unary<M, R, F, A>(
    message: M,
    ask: F,
) -> impl Fn(Arc<Endpoint>, Duration) -> UnaryFuture<R> + Send
where
    M: Clone + Send + Sync + 'static,
    R: Send + 'static,
    F: Fn(Decisions, tonic::Request<M>) -> A + Send + Sync + Clone + 'static,
    A: Future<Output = Result<Response<R>, tonic::Status>> + Send + 'static,
{
    move |endpoint, left| {
        let request = endpoint.request(message.clone(), left);
        let answer = ask(endpoint.client(), request);
        Box::pin(async move {
            let failed = |status| Failure::of(&status, endpoint.address(), left);
            answer.await.map(Response::into_inner).map_err(failed)
        })
    }
}

type UnaryFuture<R> = std::pin::Pin<Box<dyn Future<Output = Result<R, Failure>> + Send>>;
