//! One call: its place among those in flight, its deadline, and its attempts.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;
use tollgate_core::idempotency::REMEMBERED;

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

/// How long after an attempt in doubt began its call may be sent again: as long as a node surely
/// knows the key, less a second for the way there.
const KNOWN_FOR: Duration = REMEMBERED.saturating_sub(Duration::from_secs(1));

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
#[derive(Debug, Default)]
struct Progress {
    /// An attempt that failed may have been executed.
    is_in_doubt: bool,
    /// Where that was, and when the first such attempt there began, while that node may still be.
    doubt: Option<(usize, Instant)>,
    /// The endpoint that has not answered yet.
    asked: Option<Arc<Endpoint>>,
}

impl Progress {
    fn executed(&self) -> Executed {
        if self.is_in_doubt || self.asked.is_some() { Executed::Maybe } else { Executed::No }
    }

    /// Until when it may be sent, and sent again.
    fn until(&self, deadline: Instant) -> Instant {
        let known_until = self.doubt.and_then(|(_, began)| began.checked_add(KNOWN_FOR));
        known_until.map_or(deadline, |until| until.min(deadline))
    }

    /// An attempt that began then came to nothing.
    fn failed(&mut self, failure: &Failure, index: usize, began: Instant) {
        self.asked = None;
        if failure.error.executed() == Executed::Maybe {
            self.is_in_doubt = true;
            self.doubt = self.doubt.or(Some((index, began)));
        } else if failure.is_gone && self.doubt.is_some_and(|(at, _)| at == index) {
            // Its memory went with it, and so did what it had counted.
            self.doubt = None;
        }
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
        let mut progress = Progress::default();
        let attempts = self.attempts(call, deadline, &watched, &mut progress, attempt);
        let result = match tokio::time::timeout_at(deadline, attempts).await {
            Ok(Err(Error::DeadlineExceeded { executed, .. })) => {
                Err(Error::DeadlineExceeded { timeout, executed })
            }
            Ok(result) => result,
            Err(_) => {
                if let Some(endpoint) = &progress.asked {
                    endpoint.late(clock::now());
                }
                Err(Error::DeadlineExceeded { timeout, executed: progress.executed() })
            }
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
            let (began, until) = (clock::now(), progress.until(deadline));
            progress.asked = Some(Arc::clone(endpoint));
            let answer = {
                let _busy = endpoint.enter();
                let answer = attempt(Arc::clone(endpoint), clock::left_until(until));
                match tokio::time::timeout_at(until, answer).await {
                    Ok(answer) => answer,
                    Err(_) => Err(Failure::late(until < deadline, endpoint.address())),
                }
            };
            let failure = match answer {
                Ok(answer) => {
                    endpoint.answered();
                    return Ok((answer, endpoint.index()));
                }
                Err(failure) => failure,
            };
            progress.failed(&failure, endpoint.index(), began);
            endpoint.note(&failure, clock::now());
            tried.add(endpoint.index());
            wanted = progress.doubt.map(|(index, _)| index).or(call.only);
            let wait = self.wait(&failure, wanted, tried, number);
            let left = clock::left_until(progress.until(deadline));
            if !self.may_repeat(call, &failure, number, wait < left) {
                return Err(in_sum(failure.error, progress));
            }
            tokio::time::sleep(wait).await;
            watched.retry();
            number += 1;
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::Client;

    const SECOND: Duration = Duration::from_secs(1);
    const CALL: Call = Call {
        operation: "check",
        has_key: true,
        timeout: Some(Duration::from_secs(60)),
        only: None,
    };

    /// Makes a call, of which each attempt breaks after `lasts`; returns the error, how many attempts
    /// there were, and how long it took.
    async fn broken(lasts: Duration, then: Duration) -> (Error, usize, Duration) {
        let client = Client::of("http://127.0.0.1:1").unwrap();
        let count = AtomicUsize::new(0);
        let began = clock::now();
        let attempt = |endpoint: Arc<Endpoint>, _| {
            let first = count.fetch_add(1, Ordering::Relaxed) == 0;
            async move {
                let silence = std::future::pending::<()>();
                let _ = tokio::time::timeout(if first { lasts } else { then }, silence).await;
                Err::<(), _>(Failure::ended(endpoint.address()))
            }
        };
        let error = client.0.call(CALL, attempt).await.unwrap_err();
        (error, count.into_inner(), clock::now() - began)
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_in_doubt_is_sent_again_only_while_the_node_knows_its_key() {
        let (error, attempts, _) = broken(SECOND, SECOND).await;
        assert_eq!((error.executed(), attempts), (Executed::Maybe, 3));
        let (error, attempts, took) = broken(SECOND * 15, SECOND).await;
        assert_eq!((error.executed(), attempts), (Executed::Maybe, 1), "{error}");
        assert!(took < SECOND * 16);
        // The second attempt may be on its way still when the key is forgotten.
        let (error, attempts, took) = broken(SECOND * 5, SECOND * 30).await;
        assert_eq!((error.executed(), attempts), (Executed::Maybe, 2), "{error}");
        assert!(took < REMEMBERED);
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_says_nothing_is_left_in_peace_after_a_few_calls() {
        let both = Client::builder().endpoint("http://127.0.0.1:1").endpoint("http://127.0.0.1:2");
        let client = both.timeout(SECOND).build().unwrap();
        let mut late = 0;
        for _ in 0..20 {
            let attempt = |endpoint: Arc<Endpoint>, _| async move {
                if endpoint.index() == 0 { std::future::pending().await } else { Ok(()) }
            };
            let call = Call { timeout: None, ..CALL };
            late += usize::from(client.0.call(call, attempt).await.is_err());
        }
        assert_eq!(late, 3);
        assert_eq!(client.in_flight(), 0);
    }
}
