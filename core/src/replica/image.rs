//! The state of a replica in pieces, to be written down and made of them again.

use std::ops::Deref;
use std::sync::Arc;

use super::execute::State;
use super::open::Open;
use super::recents::Recents;
use super::sessions::Sessions;
use super::shards::Shards;
use super::{Answered, Replica};
use crate::command::Bounds;
use crate::idempotency::Entry;
use crate::reservation::Reservation;
use crate::store::{Shard, ShardImage};
use crate::time::{LogTime, Now};

/// A replica as it was at one moment, to be looked at or written down while the replica goes on.
#[derive(Clone, Debug)]
pub struct View(pub(super) Replica);

impl Deref for View {
    type Target = Replica;

    fn deref(&self) -> &Replica {
        &self.0
    }
}

/// What a node was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionImage {
    /// The node.
    pub node: u64,
    /// Its place in the order of last uses; greater is later.
    pub used: u64,
    /// Numbers below this are not executed any more.
    pub next: u64,
    /// The answers that are remembered, in the order of their numbers.
    pub answers: Vec<(u64, Arc<[Answered]>)>,
}

/// The numbers of a replica, beside what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The latest time that it was told.
    pub latest: Now,
    /// What it may hold; absent before its first command.
    pub bounds: Option<Bounds>,
    /// How many shards it has: a power of two, none without bounds.
    pub shards: usize,
    /// The next shard to be swept.
    pub shard_hand: usize,
    /// The next part of what is remembered by idempotency keys to be swept.
    pub once_hand: usize,
    /// Reservations that ended without commit or cancellation.
    pub reservations_ended: u64,
    /// Calls that were executed.
    pub calls: u64,
}

/// Everything that a replica's later behaviour depends on.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// Its numbers.
    pub head: Head,
    /// Its shards, in order.
    pub shards: Vec<Arc<Shard>>,
    /// Open reservations, and ended ones that no sweep has met yet.
    pub reservations: Vec<Reservation>,
    /// The parts of what is remembered by idempotency keys: latest time, and entries in their order.
    pub once: Vec<(LogTime, Vec<Entry<Answered>>)>,
    /// The nodes' memories.
    pub sessions: Vec<SessionImage>,
}

/// Pieces that belong to no replica.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// Not a power of two within bounds, not what the bounds ask for, or a hand beyond them.
    #[error("{found} shards do not make a group")]
    Shards {
        /// How many there are.
        found: usize,
    },
    /// A reservation or a node is there twice.
    #[error("something is there twice")]
    Twice,
    /// More nodes than are remembered.
    #[error("{found} nodes are more than are remembered")]
    Sessions {
        /// How many there are.
        found: usize,
    },
    /// More batches of a node than are remembered.
    #[error("answers to {found} batches of a node are more than are remembered")]
    Answers {
        /// How many there are.
        found: usize,
    },
    /// Not as many parts as there are.
    #[error("{found} parts of idempotency keys are not what a group has")]
    OnceParts {
        /// How many there are.
        found: usize,
    },
    /// An idempotency key is in the wrong part, out of order, answered twice, or none.
    #[error("an idempotency key is where it cannot be")]
    OnceKey,
}

impl View {
    /// The numbers.
    pub fn head(&self) -> Head {
        let Replica { state, recents, calls, .. } = &self.0;
        Head {
            latest: state.latest,
            bounds: state.bounds,
            shards: state.shards.count(),
            shard_hand: state.shards.hand(),
            once_hand: recents.hand(),
            reservations_ended: state.open.ended(),
            calls: *calls,
        }
    }

    /// The image of a shard, by its place.
    pub fn shard_image(&self, at: usize) -> Option<ShardImage> {
        self.0.state.shards.at(at).map(Shard::image)
    }

    /// The reservations of a part of the record, in a fixed order; parts are counted up to
    /// [`RESERVATION_PARTS`](super::RESERVATION_PARTS).
    pub fn reservations_of(&self, part: usize) -> impl Iterator<Item = &Reservation> {
        self.0.state.open.cell(part)
    }

    /// What a part remembers by idempotency keys, and its latest time; parts are counted up to
    /// [`ONCE_PARTS`](super::ONCE_PARTS).
    pub fn once_of(&self, part: usize) -> Option<(LogTime, impl Iterator<Item = Entry<Answered>>)> {
        self.0.recents.part(part)
    }

    /// What the nodes were answered.
    pub fn sessions(&self) -> impl Iterator<Item = SessionImage> {
        self.0.sessions.images()
    }
}

impl Replica {
    /// The replica that these pieces are of.
    ///
    /// # Errors
    /// [`Misfit`] if they are no replica's.
    pub fn from_image(image: Image) -> Result<Self, Misfit> {
        let Image { head, shards, reservations, once, sessions } = image;
        let Head { latest, bounds, shards: count, shard_hand, once_hand, .. } = head;
        if shards.len() != count || bounds.is_none() != shards.is_empty() {
            return Err(Misfit::Shards { found: shards.len() });
        }
        let most = bounds.map_or(0, |bounds| bounds.reservations_max);
        let open = Open::from_parts(reservations, most, head.reservations_ended)?;
        let state = State { latest, bounds, shards: Shards::from_parts(shards, shard_hand)?, open };
        let recents = Recents::from_parts(once, once_hand)?;
        let sessions = Sessions::from_images(sessions)?;
        Ok(Self { state, recents, sessions, calls: head.calls })
    }
}
