//! The state that every node of a group keeps: buckets, holds, reservations, and what was answered.
//!
//! A [`Replica`] is given [`Batch`]es, in the order of the group's log, and answers them. Its state
//! and its answers are a function of the batches alone: it reads no clock, draws nothing at random,
//! and nothing depends on the capacity of an allocation. So replicas that applied the same batches
//! are equal, also where one of them was taken out of a [`View`] of another.
//!
//! Everything large is behind an [`Arc`] and copied when it is written while a view
//! still holds it: a view costs as many counts as there are shards, and later batches pay for the
//! shards that they touch.
//!
//! It does not know its log, its peers or how it is written down: see `tollgate-proto` for the last.

mod applied;
mod execute;
mod image;
mod open;
mod recents;
mod sessions;
mod shards;

pub use applied::{ANSWERS_BYTES_MAX, Answered, weight};
pub use image::{Head, Image, Misfit, SessionImage, View};
pub use open::CELLS as RESERVATION_PARTS;
pub use recents::{KEYS_MAX as ONCE_KEYS_MAX, PARTS as ONCE_PARTS};
pub use sessions::{ANSWERS_MAX, SESSIONS_MAX};

use std::sync::Arc;

use self::execute::State;
use self::recents::Recents;
use self::sessions::Sessions;
use crate::bucket::Bucket;
use crate::command::{Bounds, Call, Command, NotDone};
use crate::key::Key;
use crate::reservation::Reservation;
use crate::store::{Held, Slot, Stats};
use crate::time::Now;

/// Calls that were proposed together.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// When it was stamped, by its leader's clock. A replica never goes back: what is stamped before
    /// an earlier batch is executed at the time of that one.
    pub at: Now,
    /// Tells it from others if it comes again; a batch without one is executed whenever it comes.
    pub session: Option<Session>,
    /// In the order of their execution.
    pub calls: Vec<Call>,
}

/// Names a batch for as long as its answers are remembered: see [`ANSWERS_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session {
    /// The node that asks: one start of a process.
    pub node: u64,
    /// Grows with each of its batches.
    pub seq: u64,
}

/// What a replica holds, and what it did since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Keys.
    pub keys: usize,
    /// Bytes that the keys account for.
    pub bytes: usize,
    /// How buckets left.
    pub stats: Stats,
    /// Open reservations, and ended ones that no sweep has met yet.
    pub reservations: usize,
    /// Reservations that ended without commit or cancellation.
    pub reservations_ended: u64,
    /// Idempotency keys that are remembered.
    pub once_keys: usize,
    /// Nodes whose last answers are remembered.
    pub sessions: usize,
    /// Calls that were executed: not those that were answered from memory.
    pub calls: u64,
}

/// The state of one group of counters.
#[derive(Clone, Debug, Default)]
pub struct Replica {
    state: State,
    recents: Recents,
    sessions: Sessions,
    /// Calls that were executed.
    calls: u64,
}

impl Replica {
    /// A replica that was told nothing yet, not even its bounds.
    pub fn new() -> Self {
        Self::default()
    }

    /// Executes a batch and tells what became of each call, in order. One that was executed before
    /// is answered as it was then, and changes nothing.
    pub fn apply(&mut self, batch: &Batch) -> Arc<[Answered]> {
        let now = self.state.reach(batch.at);
        let Some(session) = batch.session else { return self.execute(batch, now) };
        if let Some(answers) = self.sessions.answers(session) {
            return answers;
        }
        if self.sessions.is_forgotten(session) {
            let forgotten = || Answered::not_done(NotDone::AnswerForgotten, now);
            return batch.calls.iter().map(|_| forgotten()).collect();
        }
        let answers = self.execute(batch, now);
        self.sessions.remember(session, Arc::clone(&answers));
        answers
    }

    fn execute(&mut self, batch: &Batch, now: Now) -> Arc<[Answered]> {
        let mut room = ANSWERS_BYTES_MAX;
        let mut answers = Vec::with_capacity(batch.calls.len());
        for call in &batch.calls {
            let answered = if room == 0 {
                Answered::not_done(NotDone::AnswersFull, now)
            } else {
                self.execute_one(call, now)
            };
            room = room.saturating_sub(weight(&answered));
            answers.push(answered);
        }
        answers.into()
    }

    fn execute_one(&mut self, call: &Call, now: Now) -> Answered {
        let Self { state, recents, calls, .. } = self;
        let mut run = || {
            *calls += 1;
            state.execute(&call.command).map(|answer| Answered { answer, at: now })
        };
        let told = match &call.once {
            None => run(),
            Some(once) => recents.once(once, now.log, run),
        };
        if call.command == Command::Tick {
            recents.sweep(now);
        }
        told.unwrap_or_else(|not_done| Answered::not_done(not_done, now))
    }

    /// A picture of the whole, which later batches do not change.
    pub fn view(&self) -> View {
        View(self.clone())
    }

    /// A replica that goes on from a picture.
    pub fn from_view(view: View) -> Self {
        view.0
    }

    /// The latest time that it was told.
    pub fn latest(&self) -> Now {
        self.state.latest
    }

    /// What it may hold; absent before its first command.
    pub fn bounds(&self) -> Option<Bounds> {
        self.state.bounds
    }

    /// The slot of `key`.
    pub fn slot(&self, key: Key) -> Option<Slot<'_>> {
        self.state.shards.of(key)?.slot(key)
    }

    /// A copy of a bucket.
    pub fn bucket(&self, key: Key) -> Option<Bucket> {
        self.slot(key).map(|slot| slot.bucket.clone())
    }

    /// What is held of `key` at the latest time.
    pub fn held(&self, key: Key) -> Held {
        let now = self.state.latest;
        self.state.shards.of(key).map_or(Held::NOTHING, |shard| shard.held(key, now))
    }

    /// Every slot, shard by shard, in a fixed order.
    pub fn slots(&self) -> impl Iterator<Item = Slot<'_>> {
        self.state.shards.iter().flat_map(|shard| shard.slots())
    }

    /// Every reservation that is open, in a fixed order.
    pub fn reservations(&self) -> impl Iterator<Item = &Reservation> {
        let now = self.state.latest.log;
        self.state.open.iter().filter(move |reservation| reservation.end > now)
    }

    /// Whether it holds anything that time ends: keys, reservations, idempotency keys. Looks no
    /// further than it has to.
    pub fn holds_anything(&self) -> bool {
        let State { open, shards, .. } = &self.state;
        open.len() + self.recents.len() > 0 || shards.iter().any(|shard| shard.keys() > 0)
    }

    /// What it holds, and what it did.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals {
            reservations: self.state.open.len(),
            reservations_ended: self.state.open.ended(),
            once_keys: self.recents.len(),
            sessions: self.sessions.len(),
            calls: self.calls,
            ..Totals::default()
        };
        for shard in self.state.shards.iter() {
            totals.keys += shard.keys();
            totals.bytes += shard.bytes();
            totals.stats += shard.stats();
        }
        totals
    }
}

#[cfg(test)]
mod rig;

#[cfg(test)]
#[path = "equal_tests.rs"]
mod equal_tests;

#[cfg(test)]
#[path = "once_tests.rs"]
mod once_tests;

#[cfg(test)]
#[path = "model_tests.rs"]
mod model_tests;
