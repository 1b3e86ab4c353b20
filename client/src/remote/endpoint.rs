//! One node as the client sees it: a connection, how busy it is, and whether it is left in peace.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tollgate_proto::v1::decisions_client::DecisionsClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;

use super::jitter;
use super::outcome::Failure;
use super::stream::CheckStream;
use crate::error::Error;

/// How long an endpoint rests after its first failure in a row; doubles with each further one.
const REST_FIRST: Duration = Duration::from_millis(100);

/// The longest rest.
const REST_MAX: Duration = Duration::from_secs(10);

/// Calls in a row that end without any answer before an endpoint is taken for broken: one may be too
/// hard a question, or too short a wait.
const LATE_MAX: u32 = 3;

/// One node.
#[derive(Debug)]
pub(super) struct Endpoint {
    index: usize,
    address: String,
    client: DecisionsClient<Channel>,
    authorization: Option<MetadataValue<Ascii>>,
    in_flight: AtomicUsize,
    health: Mutex<Health>,
    stream: CheckStream,
}

#[derive(Debug, Default)]
struct Health {
    /// In a row.
    failures: u32,
    /// Calls that met their deadline since its last answer or rest.
    late: u32,
    rests_until: Option<Instant>,
}

impl Endpoint {
    pub(super) fn new(
        index: usize,
        address: &str,
        channel: Channel,
        authorization: Option<MetadataValue<Ascii>>,
        in_flight_max: usize,
    ) -> Self {
        let client = DecisionsClient::new(channel);
        Self {
            index,
            address: address.to_owned(),
            stream: CheckStream::new(address, client.clone(), authorization.clone(), in_flight_max),
            client,
            authorization,
            in_flight: AtomicUsize::new(0),
            health: Mutex::default(),
        }
    }

    pub(super) fn index(&self) -> usize {
        self.index
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn client(&self) -> DecisionsClient<Channel> {
        self.client.clone()
    }

    pub(super) fn stream(&self) -> &CheckStream {
        &self.stream
    }

    /// The message as a call, with what every call carries.
    pub(super) fn request<M>(&self, message: M, left: Duration) -> tonic::Request<M> {
        let mut request = authorized(message, self.authorization.as_ref());
        request.set_timeout(left);
        request
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Counts a call as in flight until it is dropped.
    pub(super) fn enter(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(&self.in_flight)
    }

    /// The end of its rest, if that is still to come.
    pub(super) fn rests_until(&self, now: Instant) -> Option<Instant> {
        self.health().rests_until.filter(|until| *until > now)
    }

    pub(super) fn answered(&self) {
        *self.health() = Health::default();
    }

    /// What a failure says of the endpoint itself.
    pub(super) fn note(&self, failure: &Failure, now: Instant) {
        if failure.is_endpoints_fault {
            self.failed(now);
        } else if matches!(failure.error, Error::DeadlineExceeded { .. }) {
            self.late(now);
        }
    }

    /// A call met its deadline here. A network that drops everything looks no different.
    pub(super) fn late(&self, now: Instant) {
        let is_silent = {
            let mut health = self.health();
            health.late = health.late.saturating_add(1);
            health.late >= LATE_MAX
        };
        if is_silent {
            self.failed(now);
        }
    }

    /// Leaves it in peace for a while; longer with each failure in a row.
    pub(super) fn failed(&self, now: Instant) {
        let mut health = self.health();
        // Calls that were in flight together fail together: that is one failure.
        if health.rests_until.is_some_and(|until| until > now) {
            return;
        }
        health.failures = health.failures.saturating_add(1);
        health.late = 0;
        health.rests_until = now.checked_add(jitter::wait(REST_FIRST, REST_MAX, health.failures));
    }

    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        // Nothing panics while it is held; if it did, the health is still one.
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call in flight.
#[derive(Debug)]
pub(super) struct InFlight<'a>(pub(super) &'a AtomicUsize);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) fn authorized<M>(
    message: M,
    authorization: Option<&MetadataValue<Ascii>>,
) -> tonic::Request<M> {
    let mut request = tonic::Request::new(message);
    if let Some(value) = authorization {
        request.metadata_mut().insert("authorization", value.clone());
    }
    request
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::fleet::{Fleet, Tried};
    use super::*;
    use crate::clock;

    fn fleet(count: usize) -> Fleet {
        let endpoint = |index| {
            let channel = Channel::from_static("http://127.0.0.1:1").connect_lazy();
            Arc::new(Endpoint::new(index, "http://127.0.0.1:1", channel, None, 1))
        };
        Fleet::new((0..count).map(endpoint).collect())
    }

    fn chosen(fleet: &Fleet, tried: Tried) -> usize {
        fleet.choose(tried, clock::now()).unwrap().index()
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_with_the_fewest_in_flight_is_asked_and_equals_take_turns() {
        let fleet = fleet(3);
        let all: Vec<_> = (0..3).map(|_| chosen(&fleet, Tried::default())).collect();
        assert_eq!(all, [0, 1, 2]);
        let _busy = [fleet.at(0).unwrap().enter(), fleet.at(2).unwrap().enter()];
        assert!((0..5).all(|_| chosen(&fleet, Tried::default()) == 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_one_rests_and_comes_back() {
        let fleet = fleet(2);
        let bad = fleet.at(0).unwrap();
        bad.failed(clock::now());
        assert!((0..5).all(|_| chosen(&fleet, Tried::default()) == 1));
        let mut tried = Tried::default();
        tried.add(1);
        assert_eq!(chosen(&fleet, tried), 1, "a tried one that works before one that rests");
        tokio::time::advance(REST_FIRST).await;
        assert!((0..2).any(|_| chosen(&fleet, Tried::default()) == 0));
        bad.failed(clock::now());
        tokio::time::advance(REST_FIRST / 2).await;
        assert!(bad.rests_until(clock::now()).is_some(), "the second rest is longer");
        bad.answered();
        assert!(bad.rests_until(clock::now()).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_says_nothing_to_several_in_a_row_rests() {
        let fleet = fleet(2);
        let silent = fleet.at(0).unwrap();
        (1..LATE_MAX).for_each(|_| silent.late(clock::now()));
        silent.answered();
        (1..LATE_MAX).for_each(|_| silent.late(clock::now()));
        assert!(silent.rests_until(clock::now()).is_none());
        silent.late(clock::now());
        assert!((0..5).all(|_| chosen(&fleet, Tried::default()) == 1));
    }

    #[tokio::test(start_paused = true)]
    async fn where_all_rest_the_untried_one_is_asked() {
        let fleet = fleet(2);
        (0..2).for_each(|index| fleet.at(index).unwrap().failed(clock::now()));
        let mut tried = Tried::default();
        tried.add(0);
        assert_eq!(chosen(&fleet, tried), 1);
        assert!(fleet.has_untried(tried));
        tried.add(1);
        assert!(!fleet.has_untried(tried));
    }
}
