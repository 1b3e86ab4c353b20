//! Takes what waits for a group and brings it to its leader, wherever that is.
//!
//! No timer makes batches: one is made of what is there as soon as one may fly, so a lone call
//! waits for nothing, and calls that come while all places are taken share the next batch. What is
//! done with a batch until its answers are there is in `flight.rs`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tollgate_core::time::{Clock, Monotonic};

use super::Unavailable;
use super::figures::Figures;
use super::flight::Flight;
use super::groups::{Forward, OneGroup};
use super::proposer::Proposals;
use super::queue::{Queue, Waiting};
use crate::types::NodeId;

/// Batches of a group that may fly at once. More would only make them smaller.
const FLIGHTS_MAX: usize = 4;

/// How far a batch's number may be ahead of the oldest one in flight: a replica keeps the answers of
/// so many last batches of a node at least, whatever they weigh.
const AHEAD_MAX: u64 = 8;

/// Calls of a batch.
const BATCH_CALLS_MAX: usize = 1_000;

/// Bytes of a batch's calls, unless a single one is larger.
const BATCH_BYTES_MAX: usize = 64 * 1_024;

/// What a batch needs on its way.
pub(super) struct Way {
    pub(super) me: NodeId,
    pub(super) group: Arc<dyn OneGroup>,
    pub(super) proposals: Proposals,
    pub(super) forward: Arc<dyn Forward>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) figures: Arc<Figures>,
}

/// The batcher of one group.
pub(super) struct Batcher {
    way: Arc<Way>,
    queue: Arc<Queue>,
    /// The next batch's number.
    next: u64,
    /// Numbers of batches in flight.
    numbers: BTreeSet<u64>,
    flying: FuturesUnordered<BoxFuture<'static, u64>>,
}

impl Batcher {
    pub(super) fn new(way: Way, queue: Arc<Queue>) -> Self {
        let (numbers, flying) = (BTreeSet::new(), FuturesUnordered::new());
        Self { way: Arc::new(way), queue, next: 1, numbers, flying }
    }

    /// Runs for as long as it is polled.
    pub(super) async fn run(mut self) {
        loop {
            while self.may_fly() && self.start() {}
            let earliest = self.queue.earliest();
            let wait = earliest.map(|at| at.since(self.way.clock.monotonic()));
            let may_fly = self.may_fly();
            tokio::select! {
                biased;
                Some(number) = self.flying.next(), if !self.flying.is_empty() => {
                    self.numbers.remove(&number);
                }
                () = self.queue.filled(), if may_fly => {}
                () = tokio::time::sleep(wait.unwrap_or(Duration::ZERO)), if wait.is_some() => {
                    self.expire();
                }
            }
        }
    }

    fn may_fly(&self) -> bool {
        let oldest = self.numbers.first().copied().unwrap_or(self.next);
        self.flying.len() < FLIGHTS_MAX && self.next - oldest < AHEAD_MAX
    }

    /// Sends a batch of what waits on its way; false if nothing does.
    fn start(&mut self) -> bool {
        self.expire();
        let calls = self.queue.take(BATCH_CALLS_MAX, BATCH_BYTES_MAX);
        if calls.is_empty() {
            return false;
        }
        let number = self.next;
        self.next += 1;
        self.numbers.insert(number);
        let now = self.way.clock.monotonic();
        self.count(&calls, now);
        let flight = Flight::new(Arc::clone(&self.way), number, calls, now);
        self.flying.push(Box::pin(async move {
            flight.run().await;
            number
        }));
        true
    }

    /// Tells the calls whose time is over that nothing was done.
    fn expire(&self) {
        for mut waiting in self.queue.expire(self.way.clock.monotonic()) {
            let has_leader = self.way.group.leader().is_some();
            let told = if has_leader { Unavailable::NotExecuted } else { Unavailable::NoLeader };
            waiting.tell(Err(told));
        }
    }

    fn count(&self, calls: &[Waiting], now: Monotonic) {
        let figures = &self.way.figures;
        let waited = |waiting: &Waiting| now.since(waiting.since);
        figures.batches.one();
        figures.batched.add(calls.len() as u64);
        figures.batch_bytes.add(calls.iter().map(|waiting| waiting.call.len() as u64).sum());
        figures.queue_nanos.time(calls.iter().map(waited).sum());
    }
}
