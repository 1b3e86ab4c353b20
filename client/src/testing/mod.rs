//! For the tests of services: a decider in the test's own process, with a clock that the test turns.
//!
//! It decides with the node's own algorithms, so that what passes here passes there; only what a
//! node is configured with is told by the test.
//!
//! ```
//! use std::time::Duration;
//! use tollgate_client::{Check, Decide as _, Error, testing::Fake};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let fake = Fake::new().limit("login", 2, Duration::from_secs(60));
//! let alice = Check::limit("login").value("client", "alice");
//! assert_eq!(fake.check(&alice).await?.remaining(), Some(1));
//! assert!(fake.check(&alice).await?.allowed());
//!
//! let denied = fake.check(&alice).await?;
//! assert!(!denied.allowed());
//! fake.advance(denied.retry_after().unwrap());
//! assert!(fake.check(&alice).await?.allowed());
//!
//! fake.fail_next(Error::Overloaded { in_flight_max: 1 });
//! assert!(fake.check(&alice).await.is_err());
//! assert_eq!(fake.calls().len(), 5);
//! # Ok(())
//! # }
//! ```

mod ledger;
mod question;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ledger::Ledger;
use question::Question;
use tollgate_core::limit::{Algorithm as CoreAlgorithm, Quota, Window};

use crate::{
    Algorithm, Check, Decide, Decision, Error, Reason, Reservation, Settled, Ticket, wire,
};

/// Calls that are remembered: the latest of them.
const CALLS_MAX: usize = 10_000;

/// Decides by itself, with a manual clock; see the [module](self). A clone is another handle to the
/// same counters.
#[derive(Clone, Debug, Default)]
pub struct Fake(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    ledger: Ledger,
    failures: VecDeque<Error>,
    calls: VecDeque<Asked>,
}

/// A call that a [`Fake`] was asked.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Asked {
    /// [`Decide::check`], alone or in a batch.
    Check(Check),
    /// [`Decide::peek`].
    Peek(Check),
    /// [`Decide::reserve`].
    Reserve(Check),
    /// [`Decide::commit`] of so many hits.
    Commit(Ticket, u64),
    /// [`Decide::cancel`].
    Cancel(Ticket),
    /// [`Decide::refund`].
    Refund(Check),
}

impl Fake {
    /// One without limits, at the start of a day: windows that fit into a day begin now.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a named limit of so many hits in each window (from 1 ms on), counted in fixed windows. It
    /// counts by whatever values a check gives, each combination by itself. One of the same name is
    /// replaced and keeps its counters.
    #[must_use]
    pub fn limit(self, name: &str, limit: u32, window: Duration) -> Self {
        self.limit_by(name, limit, window, Algorithm::FixedWindow)
    }

    /// Adds a named limit that is counted in another way. A token bucket holds as many hits as the
    /// limit.
    #[must_use]
    pub fn limit_by(self, name: &str, limit: u32, window: Duration, algorithm: Algorithm) -> Self {
        let quota = quota(limit, window, algorithm, limit);
        self.lock().ledger.limits.insert(name.into(), quota);
        self
    }

    /// Adds a rule for descriptors of exactly these keys in this order, whatever their values; hits
    /// are counted in fixed windows, each limit by itself. Descriptors that meet no rule pass.
    #[must_use]
    pub fn rule(self, domain: &str, keys: &[&str], limit: u32, window: Duration) -> Self {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        let quota = quota(limit, window, Algorithm::FixedWindow, limit);
        let quota = Quota { counts_refused: true, ..quota };
        self.lock().ledger.rules.insert((domain.to_owned(), keys), quota);
        self
    }

    /// Turns the clock forward.
    pub fn advance(&self, by: Duration) {
        self.lock().ledger.advance(by);
    }

    /// Has the next call fail with this error, executing nothing; several are used in their order. A
    /// batch takes one for all of it.
    pub fn fail_next(&self, error: Error) {
        self.lock().failures.push_back(error);
    }

    /// What it was asked, oldest first: failed calls too, at most the latest 10 000.
    pub fn calls(&self) -> Vec<Asked> {
        self.lock().calls.iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that panicked meanwhile has failed already.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask<T>(
        &self,
        asked: Asked,
        answer: impl FnOnce(&mut Ledger) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut state = self.lock();
        state.record(asked);
        match state.failures.pop_front() {
            Some(error) => Err(error),
            None => answer(&mut state.ledger),
        }
    }
}

impl State {
    fn record(&mut self, asked: Asked) {
        if self.calls.len() == CALLS_MAX {
            self.calls.pop_front();
        }
        self.calls.push_back(asked);
    }
}

impl Decide for Fake {
    async fn check(&self, check: &Check) -> Result<Decision, Error> {
        self.ask(Asked::Check(check.clone()), |ledger| ledger.check(check))
    }

    async fn check_batch(&self, checks: &[Check]) -> Result<Vec<Result<Decision, Error>>, Error> {
        let mut state = self.lock();
        checks.iter().for_each(|check| state.record(Asked::Check(check.clone())));
        if let Some(error) = state.failures.pop_front() {
            return Err(error);
        }
        Ok(checks.iter().map(|check| state.ledger.check(check)).collect())
    }

    async fn peek(&self, check: &Check) -> Result<Decision, Error> {
        self.ask(Asked::Peek(check.clone()), |ledger| ledger.peek(check))
    }

    async fn reserve(&self, check: &Check) -> Result<Reservation<Self>, Error> {
        let reserve = |ledger: &mut Ledger| ledger.reserve(check);
        let (decision, ticket) = self.ask(Asked::Reserve(check.clone()), reserve)?;
        Ok(Reservation::new(self.clone(), decision, ticket))
    }

    async fn commit(&self, ticket: &Ticket, hits: u64) -> Result<Settled, Error> {
        self.ask(Asked::Commit(ticket.clone(), hits), |ledger| ledger.settle(ticket, Some(hits)))
    }

    async fn cancel(&self, ticket: &Ticket) -> Result<Settled, Error> {
        self.ask(Asked::Cancel(ticket.clone()), |ledger| ledger.settle(ticket, None))
    }

    async fn refund(&self, check: &Check) -> Result<Decision, Error> {
        self.ask(Asked::Refund(check.clone()), |ledger| ledger.refund(check))
    }
}

/// The shortest window there is stands for all that are shorter.
const WINDOW_MIN: Duration = Duration::from_millis(1);

fn quota(limit: u32, window: Duration, algorithm: Algorithm, burst: u32) -> Quota {
    let unit = tollgate_core::limit::Unit::Second;
    let window = Window::of_length(window.max(WINDOW_MIN)).unwrap_or(Window::of_unit(unit));
    let algorithm = match algorithm {
        Algorithm::FixedWindow => CoreAlgorithm::FixedWindow,
        Algorithm::SlidingWindow => CoreAlgorithm::SlidingWindow,
        Algorithm::TokenBucket => CoreAlgorithm::TokenBucket { burst },
    };
    Quota { limit, window, algorithm, counts_refused: false, penalty_max: None }
}

fn bad_request(message: impl Into<String>) -> Error {
    Error::refused(Reason::BadRequest, message)
}

#[cfg(test)]
#[path = "fake_tests.rs"]
mod tests;
