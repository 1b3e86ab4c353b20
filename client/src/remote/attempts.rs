//! One call: its place among those in flight, its deadline, and its attempts.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::builder::bounded;
use super::endpoint::{Endpoint, InFlight};
use super::fleet::Tried;
use super::outcome::{Again, Failure};
use super::{Inner, jitter, telemetry};
use crate::clock;
use crate::error::{Error, Executed};

/// The wait before the same endpoint is asked again; doubles with each further time.
const WAIT_FIRST: Duration = Duration::from_millis(20);

/// The longest such wait.
const WAIT_MAX: Duration = Duration::from_millis(500);

/// What is asked, as far as sending it is concerned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) operation: &'static str,
    /// The node would know it again.
    pub(super) has_key: bool,
    pub(super) timeout: Option<Duration>,
    /// The one endpoint that can answer it.
    pub(super) only: Option<usize>,
}

/// What all attempts of a call together have done so far.
#[derive(Debug)]
struct Progress {
    /// An attempt that failed may have been executed.
    is_in_doubt: bool,
    is_sent: bool,
}

impl Progress {
    fn executed(&self) -> Executed {
        if self.is_in_doubt || self.is_sent { Executed::Maybe } else { Executed::No }
    }
}

impl Inner {
    /// Makes a call; returns the answer, and which endpoint gave it.
    pub(super) async fn call<T, F, A>(&self, call: Call, attempt: F) -> Result<(T, usize), Error>
    where
        F: Fn(Arc<Endpoint>, Duration) -> A + Send,
        A: Future<Output = Result<T, Failure>> + Send,
        T: Send,
    {
        let _place = self.enter()?;
        let watched = telemetry::Call::start(call.operation);
        let timeout = bounded(call.timeout.unwrap_or(self.timeout));
        let deadline = clock::now() + timeout;
        let mut progress = Progress { is_in_doubt: false, is_sent: false };
        let attempts = self.attempts(call, deadline, &watched, &mut progress, attempt);
        let result = match tokio::time::timeout_at(deadline, attempts).await {
            Ok(Err(Error::DeadlineExceeded { executed, .. })) => {
                Err(Error::DeadlineExceeded { timeout, executed })
            }
            Ok(result) => result,
            Err(_) => Err(Error::DeadlineExceeded { timeout, executed: progress.executed() }),
        };
        watched.end(result.as_ref().err());
        result
    }

    fn enter(&self) -> Result<InFlight<'_>, Error> {
        let place = InFlight(&self.in_flight);
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        // The place is given back with the error.
        if before < self.in_flight_max {
            Ok(place)
        } else {
            Err(Error::Overloaded { in_flight_max: self.in_flight_max })
        }
    }

    async fn attempts<T, F, A>(
        &self,
        call: Call,
        deadline: Instant,
        watched: &telemetry::Call,
        progress: &mut Progress,
        attempt: F,
    ) -> Result<(T, usize), Error>
    where
        F: Fn(Arc<Endpoint>, Duration) -> A + Send,
        A: Future<Output = Result<T, Failure>> + Send,
        T: Send,
    {
        self.budget.pay_in();
        let mut tried = Tried::default();
        let mut wanted = call.only;
        let mut number = 1;
        loop {
            let endpoint = match wanted {
                Some(index) => self.fleet.at(index),
                None => self.fleet.choose(tried, clock::now()),
            };
            let Some(endpoint) = endpoint else { return Err(no_endpoint()) };
            progress.is_sent = true;
            let answer = {
                let _busy = endpoint.enter();
                attempt(Arc::clone(endpoint), clock::left_until(deadline)).await
            };
            let failure = match answer {
                Ok(answer) => {
                    endpoint.answered();
                    return Ok((answer, endpoint.index()));
                }
                Err(failure) => failure,
            };
            progress.is_sent = false;
            progress.is_in_doubt |= failure.error.executed() == Executed::Maybe;
            if failure.is_endpoints_fault {
                endpoint.failed(clock::now());
            }
            tried.add(endpoint.index());
            wanted = self.next_endpoint(call, &failure, endpoint.index());
            let wait = self.wait(&failure, wanted, tried, number);
            if !self.may_repeat(call, &failure, number, wait < clock::left_until(deadline)) {
                return Err(in_sum(failure.error, progress));
            }
            tokio::time::sleep(wait).await;
            watched.retry();
            number += 1;
        }
    }

    /// An operation that may have been executed is known only where that was; all else is better
    /// asked elsewhere.
    fn next_endpoint(&self, call: Call, failure: &Failure, index: usize) -> Option<usize> {
        match failure.error.executed() {
            Executed::Maybe => Some(index),
            Executed::No => call.only,
        }
    }

    fn wait(
        &self,
        failure: &Failure,
        wanted: Option<usize>,
        tried: Tried,
        number: u32,
    ) -> Duration {
        if wanted.is_none() && self.fleet.has_untried(tried) {
            return Duration::ZERO;
        }
        let told = failure.error.retry_after().unwrap_or_default();
        jitter::wait(WAIT_FIRST, WAIT_MAX, number).max(told)
    }

    fn may_repeat(&self, call: Call, failure: &Failure, number: u32, has_time: bool) -> bool {
        let is_safe = match failure.again {
            Again::Never => false,
            Again::Safe => true,
            Again::WithKey => call.has_key,
        };
        is_safe && number < self.attempts_max && has_time && self.budget.take()
    }
}

/// The last attempt's error, in doubt if any attempt was.
fn in_sum(mut error: Error, progress: &Progress) -> Error {
    if let Error::Refused { executed, .. }
    | Error::Unavailable { executed, .. }
    | Error::DeadlineExceeded { executed, .. } = &mut error
        && progress.is_in_doubt
    {
        *executed = Executed::Maybe;
    }
    error
}

fn no_endpoint() -> Error {
    let why = "the reservation was made by another client".to_owned();
    Error::Misconfigured { what: "endpoint".to_owned(), why }
}
