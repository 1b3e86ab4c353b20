//! Storage of a shard's buckets: fixed-size chunks with a free list.
//!
//! A slot is 40 bytes. Chunks are never moved or doubled, so growth neither copies nor wastes, and
//! a number stays the address of its bucket for as long as it lives.

use super::domains::DomainNumber;
use super::texts::TextAt;
use crate::bucket::Bucket;
use crate::key::Key;

/// The most slots: a number of two bytes for each keeps the index at three bytes a place.
pub(super) const SLOTS_MAX: usize = u16::MAX as usize;

/// Slots in one chunk: just below 4 KiB, of which allocators waste little.
const CHUNK: usize = 102;

/// One bucket with what the store must know of it.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    /// The bucket's identity.
    pub(super) key: Key,
    /// The live state.
    pub(super) bucket: Bucket,
    /// What the key stands for, in words.
    pub(super) text: TextAt,
    /// Whose share it counts against.
    pub(super) domain: DomainNumber,
    /// Which part of its limit is spent, in 254ths; [`FULL`] once nothing is left.
    pub(super) fill: u8,
}

/// The fill of a bucket that allows nothing more.
pub const FULL: u8 = u8::MAX;

#[derive(Clone, Debug)]
enum Place {
    Taken(Slot),
    Free { next: Option<u16> },
}

/// The slots of one shard.
#[derive(Debug, Default)]
pub(super) struct Slots {
    chunks: Vec<Vec<Place>>,
    free: Option<u16>,
    taken: usize,
}

/// A copy has whole chunks too, so that it grows as the original does.
impl Clone for Slots {
    fn clone(&self) -> Self {
        let whole = |chunk: &Vec<Place>| {
            let mut copy = Vec::with_capacity(CHUNK);
            copy.extend_from_slice(chunk);
            copy
        };
        let chunks = self.chunks.iter().map(whole).collect();
        Self { chunks, free: self.free, taken: self.taken }
    }
}

impl Slots {
    /// How many slots are taken.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// How many places exist, taken or free.
    pub(super) fn places(&self) -> u16 {
        let full = self.chunks.len().saturating_sub(1) * CHUNK;
        let places = full + self.chunks.last().map_or(0, Vec::len);
        u16::try_from(places).unwrap_or(u16::MAX)
    }

    /// The slot at `at`, if that place is taken.
    pub(super) fn at(&self, at: u16) -> Option<&Slot> {
        match self.place(at)? {
            Place::Taken(slot) => Some(slot),
            Place::Free { .. } => None,
        }
    }

    /// The slot at `at`, if that place is taken.
    pub(super) fn at_mut(&mut self, at: u16) -> Option<&mut Slot> {
        match self.place_mut(at)? {
            Place::Taken(slot) => Some(slot),
            Place::Free { .. } => None,
        }
    }

    /// Puts a slot into the place that was freed last, or a new one. The caller keeps the number of
    /// slots below [`SLOTS_MAX`].
    pub(super) fn insert(&mut self, slot: Slot) -> u16 {
        if let Some(at) = self.free
            && let Some(place) = self.chunks[at as usize / CHUNK].get_mut(at as usize % CHUNK)
        {
            self.taken += 1;
            if let Place::Free { next } = *place {
                self.free = next;
            }
            *place = Place::Taken(slot);
            return at;
        }
        self.push(slot)
    }

    /// The numbers of the free places, the next one to be used last.
    pub(super) fn free(&self) -> Vec<u16> {
        let mut free = Vec::with_capacity(usize::from(self.places()) - self.taken);
        let mut next = self.free;
        while let Some(at) = next {
            free.push(at);
            next = match self.place(at) {
                Some(Place::Free { next }) => *next,
                Some(Place::Taken(_)) | None => None,
            };
        }
        free.reverse();
        free
    }

    /// Puts a slot behind the last place.
    fn push(&mut self, slot: Slot) -> u16 {
        self.taken += 1;
        self.push_place(Place::Taken(slot))
    }

    /// Puts a free place behind the last one; [`Self::link_free`] makes it known.
    pub(super) fn push_free(&mut self) {
        self.push_place(Place::Free { next: None });
    }

    /// Links the free places, the next one to be used last. False if these are not exactly those
    /// that are free.
    pub(super) fn link_free(&mut self, free: &[u16]) -> bool {
        let mut seen = vec![false; usize::from(self.places())];
        self.free = None;
        for &at in free {
            let first = self.free;
            match (self.place_mut(at), seen.get_mut(usize::from(at))) {
                (Some(Place::Free { next }), Some(seen)) if !*seen => {
                    (*next, *seen) = (first, true);
                }
                _ => return false,
            }
            self.free = Some(at);
        }
        free.len() + self.taken == usize::from(self.places())
    }

    fn push_place(&mut self, place: Place) -> u16 {
        let at = self.places();
        if (at as usize).is_multiple_of(CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.push(place);
        }
        at
    }

    fn place(&self, at: u16) -> Option<&Place> {
        self.chunks.get(at as usize / CHUNK)?.get(at as usize % CHUNK)
    }

    fn place_mut(&mut self, at: u16) -> Option<&mut Place> {
        self.chunks.get_mut(at as usize / CHUNK)?.get_mut(at as usize % CHUNK)
    }

    /// Frees the place at `at`.
    pub(super) fn remove(&mut self, at: u16) -> Option<Slot> {
        let free = self.free;
        let place = self.place_mut(at)?;
        if matches!(place, Place::Free { .. }) {
            return None;
        }
        let taken = std::mem::replace(place, Place::Free { next: free });
        self.free = Some(at);
        self.taken -= 1;
        match taken {
            Place::Taken(slot) => Some(slot),
            Place::Free { .. } => None,
        }
    }

    /// All taken slots, to be changed, in the order of their places.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.chunks.iter_mut().flatten().filter_map(|place| match place {
            Place::Taken(slot) => Some(slot),
            Place::Free { .. } => None,
        })
    }

    /// All taken slots, in the order of their places.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.chunks.iter().flatten().filter_map(|place| match place {
            Place::Taken(slot) => Some(slot),
            Place::Free { .. } => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::DomainTag;
    use crate::limit::{Quota, Unit};
    use crate::store::domains::Domains;
    use crate::store::texts::Texts;
    use crate::time::{LogTime, Now, Wall};

    fn slot(low: u64) -> Slot {
        let now = Now { log: LogTime::default(), epoch: Wall::default() };
        Slot {
            key: Key::from_halves(0, low),
            bucket: Bucket::fresh(&Quota::per_unit(1, Unit::Second), now),
            text: Texts::default().insert("").unwrap(),
            domain: Domains::default().add(DomainTag(0)),
            fill: 0,
        }
    }

    #[test]
    fn a_place_costs_40_bytes() {
        assert_eq!(size_of::<Place>(), 40);
    }

    #[test]
    fn freed_places_are_used_again_before_new_ones() {
        let mut slots = Slots::default();
        let places: Vec<_> = (0..200).map(|low| slots.insert(slot(low))).collect();
        assert_eq!(places, (0..200).collect::<Vec<_>>());
        for at in [7, 130, 64] {
            assert_eq!(slots.remove(at).map(|slot| slot.key.low()), Some(u64::from(at)));
        }
        assert!(slots.remove(7).is_none());
        assert_eq!(slots.taken(), 197);
        let again: Vec<_> = (0..4).map(|low| slots.insert(slot(low))).collect();
        assert_eq!(again, [64, 130, 7, 200]);
        assert_eq!((slots.taken(), slots.places()), (201, 201));
        assert_eq!(slots.iter().count(), 201);
    }
}
