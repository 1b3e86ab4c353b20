//! Calls that wait for a batch of their group.
//!
//! Bounded in calls and bytes: what finds it full is told at once, because a wait that nobody can end
//! is worse than no answer. Every core pushes; one batcher takes.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tollgate_core::replica;
use tollgate_core::time::Monotonic;

use super::Unavailable;
use super::wire::Encoded;

/// What a caller is told.
pub(super) type Told = Result<Reply, Unavailable>;

/// The answer to one call.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) answered: replica::Answered,
    /// Where its batch stands in the log.
    pub(super) index: u64,
    /// It may have been executed by an earlier entry than the one at `index`.
    pub(super) is_resent: bool,
}

/// A call that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) call: Encoded,
    /// Absent where nobody waits for the answer.
    pub(super) answer: Option<oneshot::Sender<Told>>,
    pub(super) since: Monotonic,
    pub(super) deadline: Monotonic,
}

impl Waiting {
    /// Tells the caller, if it is still there.
    pub(super) fn tell(&mut self, told: Told) {
        if let Some(answer) = self.answer.take() {
            // Whoever went away is told nothing.
            drop(answer.send(told));
        }
    }
}

/// How much may wait for one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueBounds {
    /// Calls.
    pub calls_max: usize,
    /// Bytes of encoded calls.
    pub bytes_max: usize,
}

/// The calls that wait for one group.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    bounds: QueueBounds,
    filled: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// No deadline is before this one.
    earliest: Option<Monotonic>,
}

/// There is no room for another call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QueueFull;

impl Queue {
    pub(super) fn new(bounds: QueueBounds) -> Self {
        Self { state: Mutex::default(), bounds, filled: Notify::new() }
    }

    /// Adds a call at the end.
    pub(super) fn push(&self, waiting: Waiting) -> Result<(), QueueFull> {
        let mut state = self.state.lock();
        let bytes = state.bytes.saturating_add(waiting.call.len());
        if state.waiting.len() >= self.bounds.calls_max || bytes > self.bounds.bytes_max {
            return Err(QueueFull);
        }
        let was_empty = state.waiting.is_empty();
        state.bytes = bytes;
        let earliest = state.earliest.map_or(waiting.deadline, |at| at.min(waiting.deadline));
        state.earliest = Some(earliest);
        state.waiting.push_back(waiting);
        drop(state);
        // One that was not empty was told of already.
        if was_empty {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Waits until something was added to an empty queue. May come back for nothing.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Takes the first calls, as many as fit in a batch of so many calls and bytes; at least one.
    pub(super) fn take(&self, calls_max: usize, bytes_max: usize) -> Vec<Waiting> {
        let mut state = self.state.lock();
        let mut bytes = 0;
        let fits = |waiting: &&Waiting| {
            bytes += waiting.call.len();
            bytes <= bytes_max
        };
        let count = state.waiting.iter().take(calls_max).take_while(fits).count();
        let count = count.max(1).min(state.waiting.len());
        let taken: Vec<_> = state.waiting.drain(..count).collect();
        state.bytes -= taken.iter().map(|waiting| waiting.call.len()).sum::<usize>();
        if state.waiting.is_empty() {
            state.earliest = None;
        }
        taken
    }

    /// Takes out the calls whose deadline is over.
    pub(super) fn expire(&self, now: Monotonic) -> Vec<Waiting> {
        let mut state = self.state.lock();
        if state.earliest.is_none_or(|earliest| earliest > now) {
            return Vec::new();
        }
        let all = std::mem::take(&mut state.waiting);
        let (expired, left): (VecDeque<_>, VecDeque<_>) =
            all.into_iter().partition(|waiting| waiting.deadline <= now);
        state.earliest = left.iter().map(|waiting| waiting.deadline).min();
        state.bytes -= expired.iter().map(|waiting| waiting.call.len()).sum::<usize>();
        state.waiting = left;
        expired.into()
    }

    /// No deadline is before this one; `None` if nothing waits.
    pub(super) fn earliest(&self) -> Option<Monotonic> {
        self.state.lock().earliest
    }

    /// Calls that wait now.
    pub(super) fn len(&self) -> usize {
        self.state.lock().waiting.len()
    }
}
