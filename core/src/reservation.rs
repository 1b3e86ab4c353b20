//! Reservations: hits that are held until their real cost is known.
//!
//! The holds themselves are in the shards of the [`store`](crate::store), and end there by
//! themselves; here is the record of who holds what. It is bounded in reservations and in their
//! parts, and keeps nothing beyond an end but until the next sweep.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::bucket::Outcome;
use crate::command::{Combining, Holding};
use crate::decision::{Behind, Modes, Status};
use crate::descriptor::{Charge, Request};
pub use crate::key::{NotAnId, ReservationId};
use crate::plan::Plan;
use crate::store::{Asked, Cost, Part};
use crate::time::{LogTime, Now};

/// The shortest time until a reservation ends by itself.
pub const HOLD_MIN: Duration = Duration::from_secs(1);

/// The longest time until a reservation ends by itself: longer than any answer that somebody waits
/// for, and short enough that what a crashed caller held comes back.
pub const HOLD_MAX: Duration = Duration::from_secs(3_600);

/// The time until a reservation ends where its caller says nothing.
pub const HOLD_DEFAULT: Duration = Duration::from_secs(60);

/// Parts that a record holds for each reservation that it may hold; a descriptor that meets no limit
/// counts as one. Most have one or two; without this bound requests of a hundred descriptors would
/// take a hundred times the memory.
pub const PARTS_MEAN_MAX: usize = 4;

/// An open reservation.
#[derive(Clone, Debug, PartialEq)]
pub struct Reservation {
    /// Its name.
    pub id: ReservationId,
    /// When it ends by itself.
    pub end: LogTime,
    /// What it needs of each bucket, in the order of its plan.
    pub parts: Vec<Part>,
    /// What stands for each descriptor of its request; ranges are of its parts.
    pub combining: Combining,
}

impl Reservation {
    /// What `plan`, made of `request`, holds after these outcomes of
    /// [`hold_all_or_none`](crate::store::hold_all_or_none).
    pub fn new(
        of: (LogTime, ReservationId),
        plan: &Plan<'_>,
        request: &Request<'_>,
        outcomes: &[Outcome],
        modes: Modes,
    ) -> Self {
        let parts = plan.operations.iter().zip(plan.fixed(request));
        let parts =
            parts.map(|(operation, is_fixed)| (operation.into(), operation.into(), is_fixed));
        Self::made(of, parts, outcomes, plan.combining(modes))
    }

    /// What these holdings, of which `combining` tells which descriptor they belong to, hold after
    /// these outcomes of [`hold_all_or_none`](crate::store::hold_all_or_none).
    pub fn of_holdings(
        of: (LogTime, ReservationId),
        holdings: &[Holding],
        outcomes: &[Outcome],
        combining: Combining,
    ) -> Self {
        let parts =
            holdings.iter().map(|holding| (holding.into(), holding.into(), holding.is_fixed));
        Self::made(of, parts, outcomes, combining)
    }

    fn made<'a>(
        (end, id): (LogTime, ReservationId),
        parts: impl Iterator<Item = (Asked<'a>, Behind<'a>, bool)>,
        outcomes: &[Outcome],
        combining: Combining,
    ) -> Self {
        let part = |((asked, behind, is_fixed), outcome)| {
            part(asked, behind, is_fixed, outcome, combining.modes)
        };
        let parts = parts.zip(outcomes).map(part).collect();
        Self { id, end, parts, combining }
    }

    /// How many parts one of these holdings would count as.
    pub fn parts_of_holdings(holdings: &[Holding], combining: &Combining) -> usize {
        holdings.len().max(combining.items.len())
    }

    /// How many parts it counts as: see [`PARTS_MEAN_MAX`].
    pub fn parts_of(plan: &Plan<'_>) -> usize {
        plan.operations.len().max(plan.items.len())
    }

    pub(crate) fn counts_as(&self) -> usize {
        self.parts.len().max(self.combining.items.len())
    }

    /// By what its holds are found.
    pub fn hold(&self) -> (LogTime, ReservationId) {
        (self.end, self.id)
    }

    /// What each descriptor of its request is told, where `outcomes` belong to its parts.
    pub fn statuses(&self, outcomes: &[Outcome]) -> Vec<Status<'_>> {
        self.combining.statuses(&self.parts, outcomes)
    }
}

fn part(
    asked: Asked<'_>,
    limit: Behind<'_>,
    is_fixed: bool,
    outcome: &Outcome,
    modes: Modes,
) -> Part {
    let hits = match asked.charge {
        Charge::Hits(hits) => hits,
        Charge::Refund(_) => 0,
    };
    let Behind { name, shadow, quota_mode, .. } = limit;
    Part {
        key: asked.key,
        quota: *asked.quota,
        domain: asked.domain,
        text: asked.text.to_text(),
        cost: if is_fixed { Cost::Fixed(hits) } else { Cost::Told },
        is_held: hits > 0 && !outcome.over,
        // Of quota limits some may have been over although the request passed: they bound nothing.
        is_enforced: !shadow && !modes.shadow && !outcome.over,
        name: name.cloned(),
        shadow,
        quota_mode,
    }
}

impl<'a> From<&'a Part> for Behind<'a> {
    fn from(part: &'a Part) -> Self {
        let Part { quota, name, shadow, quota_mode, .. } = part;
        let (shadow, quota_mode) = (*shadow, *quota_mode);
        Self { quota: *quota, name: name.as_ref(), shadow, quota_mode }
    }
}

/// The open reservations, each with something of its keeper's.
#[derive(Clone, Debug)]
pub struct Reservations<T> {
    by_id: BTreeMap<ReservationId, (Reservation, T)>,
    by_end: BTreeSet<(LogTime, ReservationId)>,
    parts: usize,
    most: usize,
    made: u64,
    ended: u64,
}

/// As many reservations are open as may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("as many reservations are open as may be")]
pub struct Full;

impl<T> Reservations<T> {
    /// An empty record of at most `most` reservations, with at most [`PARTS_MEAN_MAX`] parts for
    /// each of them. With zero, none can be made.
    pub fn new(most: usize) -> Self {
        let (by_id, by_end) = (BTreeMap::new(), BTreeSet::new());
        Self { by_id, by_end, parts: 0, most, made: 0, ended: 0 }
    }

    /// The number of a new reservation of so many parts ([`Reservation::parts_of`]), for which there is room as long as nothing
    /// else is inserted. Never the same twice.
    ///
    /// # Errors
    /// [`Full`].
    pub fn admit(&mut self, parts: usize) -> Result<u64, Full> {
        let parts_most = self.most.saturating_mul(PARTS_MEAN_MAX);
        if self.by_id.len() >= self.most || self.parts.saturating_add(parts) > parts_most {
            return Err(Full);
        }
        self.made += 1;
        Ok(self.made)
    }

    /// Whether there is one of this name, ended or not.
    pub fn contains(&self, id: ReservationId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Records a reservation that was admitted, whose name is nobody else's.
    pub fn insert(&mut self, reservation: Reservation, with: T) {
        self.parts += reservation.counts_as();
        self.by_end.insert(reservation.hold());
        self.by_id.insert(reservation.id, (reservation, with));
    }

    /// The reservation of this name, if it has not ended. The numbers of its parts may be changed,
    /// nothing else.
    pub fn find(&mut self, id: ReservationId, now: Now) -> Option<&mut (Reservation, T)> {
        self.by_id.get_mut(&id).filter(|(reservation, _)| reservation.end > now.log)
    }

    /// The same, only to be looked at.
    pub fn open(&self, id: ReservationId, now: Now) -> Option<&Reservation> {
        let (reservation, _) = self.by_id.get(&id)?;
        Some(reservation).filter(|reservation| reservation.end > now.log)
    }

    /// End and name of the one that ends next.
    pub fn ends_next(&self) -> Option<(LogTime, ReservationId)> {
        self.by_end.first().copied()
    }

    /// Takes out a reservation that was committed or cancelled.
    pub fn take(&mut self, id: ReservationId) -> Option<(Reservation, T)> {
        let taken = self.by_id.remove(&id)?;
        self.parts = self.parts.saturating_sub(taken.0.counts_as());
        self.by_end.remove(&taken.0.hold());
        Some(taken)
    }

    /// Takes out a reservation of which somebody found that it had ended.
    pub fn take_ended(&mut self, id: ReservationId) -> Option<(Reservation, T)> {
        let taken = self.take(id)?;
        self.ended += 1;
        Some(taken)
    }

    /// Takes out the next reservation that ended by `now`. Its holds in the store count no more, and
    /// are to be cleared away.
    pub fn sweep_one(&mut self, now: Now) -> Option<(Reservation, T)> {
        let (end, id) = *self.by_end.first()?;
        if end > now.log { None } else { self.take_ended(id) }
    }

    /// How many are open, and ended ones that no sweep has met yet.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// All that are recorded, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &(Reservation, T)> {
        self.by_id.values()
    }

    /// How many ended without commit or cancellation since the record was made.
    pub fn ended(&self) -> u64 {
        self.ended
    }
}

#[cfg(test)]
#[path = "reservation_tests.rs"]
mod tests;
