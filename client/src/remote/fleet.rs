//! Which endpoint to ask: of those that work the one with the fewest calls in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::Instant;

use super::endpoint::Endpoint;

/// Endpoints that a call has been sent to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tried(u64);

impl Tried {
    pub(super) fn add(&mut self, index: usize) {
        self.0 |= 1 << index;
    }

    fn has(self, index: usize) -> bool {
        self.0 & 1 << index != 0
    }
}

/// All endpoints of a client; at least one, at most 64.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    endpoints: Vec<Arc<Endpoint>>,
    turn: AtomicUsize,
}

impl Fleet {
    pub(super) fn new(endpoints: Vec<Arc<Endpoint>>) -> Self {
        Self { endpoints, turn: AtomicUsize::new(0) }
    }

    pub(super) fn at(&self, index: usize) -> Option<&Arc<Endpoint>> {
        self.endpoints.get(index)
    }

    /// Whether one is left that was not tried.
    pub(super) fn has_untried(&self, tried: Tried) -> bool {
        (0..self.endpoints.len()).any(|index| !tried.has(index))
    }

    /// The one to ask: not in back-off before those that are, untried before tried, few in flight
    /// before many; where all are in back-off, the one that it ends for first. Equals take turns.
    pub(super) fn choose(&self, tried: Tried, now: Instant) -> Option<&Arc<Endpoint>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.endpoints.len().max(1);
        let (after, before) = (self.endpoints.get(turn..)?, self.endpoints.get(..turn)?);
        after.iter().chain(before).min_by_key(|endpoint| {
            let rests = endpoint.rests_until(now);
            (rests.is_some(), tried.has(endpoint.index()), rests, endpoint.in_flight())
        })
    }
}
