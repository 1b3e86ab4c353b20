//! The open reservations of a group, in parts that are copied when they are written while a view holds
//! them.

use std::sync::Arc;

use super::Misfit;
use crate::key::ReservationId;
use crate::reservation::{Full, PARTS_MEAN_MAX, Reservation, Reservations};
use crate::time::Now;

/// Parts of the record: a write beside a view copies one of them.
pub const CELLS: usize = 64;

/// Every reservation that was made and not taken out, bounded as a whole.
#[derive(Clone, Debug)]
pub(super) struct Open {
    cells: Vec<Arc<Reservations<()>>>,
    count: usize,
    /// What all of them count as together: see [`PARTS_MEAN_MAX`].
    parts: usize,
    most: usize,
    ended: u64,
}

impl Default for Open {
    fn default() -> Self {
        // What bounds the whole is here, so no cell has a bound of its own.
        let cell = Arc::new(Reservations::new(usize::MAX));
        Self { cells: vec![cell; CELLS], count: 0, parts: 0, most: 0, ended: 0 }
    }
}

impl Open {
    /// How many may be open from now on.
    pub(super) fn bound(&mut self, most: usize) {
        self.most = most;
    }

    /// Whether one more of so many parts has room.
    pub(super) fn admit(&self, parts: usize) -> Result<(), Full> {
        let parts_most = self.most.saturating_mul(PARTS_MEAN_MAX);
        let fits = self.count < self.most && self.parts.saturating_add(parts) <= parts_most;
        if fits { Ok(()) } else { Err(Full) }
    }

    /// Whether there is one of this name, ended or not.
    pub(super) fn contains(&self, id: ReservationId) -> bool {
        self.cell_of(id).is_some_and(|cell| cell.contains(id))
    }

    /// Records one whose name is nobody else's.
    pub(super) fn insert(&mut self, reservation: Reservation) {
        let parts = reservation.counts_as();
        let Some(cell) = self.cell_mut(reservation.id) else { return };
        cell.insert(reservation, ());
        self.count += 1;
        self.parts += parts;
    }

    /// The one of this name, if it has not ended.
    pub(super) fn find(&self, id: ReservationId, now: Now) -> Option<&Reservation> {
        self.cell_of(id)?.open(id, now)
    }

    /// Takes out one that was settled or released.
    pub(super) fn take(&mut self, id: ReservationId) -> Option<Reservation> {
        let (taken, ()) = self.cell_mut(id)?.take(id)?;
        self.count -= 1;
        self.parts = self.parts.saturating_sub(taken.counts_as());
        Some(taken)
    }

    /// Takes out one that had ended.
    pub(super) fn take_ended(&mut self, id: ReservationId) -> Option<Reservation> {
        let taken = self.take(id)?;
        self.ended += 1;
        Some(taken)
    }

    /// The name of one that has ended by `now`.
    pub(super) fn next_ended(&self, now: Now) -> Option<ReservationId> {
        let next = |cell: &Arc<Reservations<()>>| cell.ends_next();
        self.cells.iter().filter_map(next).find(|(end, _)| *end <= now.log).map(|(_, id)| id)
    }

    /// All of them, in a fixed order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Reservation> {
        self.cells.iter().flat_map(|cell| cell.iter().map(|(reservation, ())| reservation))
    }

    /// Those of one part, in a fixed order.
    pub(super) fn cell(&self, at: usize) -> impl Iterator<Item = &Reservation> {
        let all = self.cells.get(at).into_iter();
        all.flat_map(|cell| cell.iter().map(|(reservation, ())| reservation))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// How many ended without commit or cancellation.
    pub(super) fn ended(&self) -> u64 {
        self.ended
    }

    /// The record that held these.
    pub(super) fn from_parts(
        all: Vec<Reservation>,
        most: usize,
        ended: u64,
    ) -> Result<Self, Misfit> {
        let mut open = Self { most, ended, ..Self::default() };
        for reservation in all {
            if open.contains(reservation.id) {
                return Err(Misfit::Twice);
            }
            open.insert(reservation);
        }
        Ok(open)
    }

    fn cell_of(&self, id: ReservationId) -> Option<&Reservations<()>> {
        self.cells.get(index(id)).map(|cell| &**cell)
    }

    fn cell_mut(&mut self, id: ReservationId) -> Option<&mut Reservations<()>> {
        self.cells.get_mut(index(id)).map(Arc::make_mut)
    }
}

/// Names are keyed hashes: nobody chooses where one lies.
fn index(id: ReservationId) -> usize {
    (id.high() % CELLS as u64) as usize
}
