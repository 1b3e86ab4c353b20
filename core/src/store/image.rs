//! A shard as plain values: to be written down and made again, on another node or after a restart.
//!
//! An image has all that later answers depend on, and nothing else: a shard that is made of it
//! behaves like the one that it was taken of, evictions included. What follows from the rest, such as
//! the bytes of each domain, is not in it, so that it cannot contradict it.

use super::domains::Domains;
use super::holds::Holds;
use super::shard::{Bounds, Shard, Stats};
use super::slots::{SLOTS_MAX, Slot};
use super::texts::TEXT_MAX;
use crate::bucket::{BadBucket, Bucket, BucketImage};
use crate::key::{DomainTag, Key, ReservationId};
use crate::time::{LogTime, Now};

/// All that a shard is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardImage {
    /// How much it may hold.
    pub bounds: Bounds,
    /// The latest time that it has seen.
    pub latest: Now,
    /// See [`Shard::take_back`].
    pub loosened: Option<LogTime>,
    /// How buckets left it, and what it refused.
    pub stats: Stats,
    /// The next place that is looked at for ended buckets and for victims.
    pub hand: u16,
    /// Domains by their numbers; one that holds no key keeps its number until another takes it.
    pub domains: Vec<DomainTag>,
    /// Every place, by its number.
    pub places: Vec<Option<SlotImage>>,
    /// The numbers of the places that are free, the next one to be used last.
    pub free: Vec<u16>,
    /// By key and end.
    pub holds: Vec<HoldImage>,
}

/// All that a place holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotImage {
    /// The bucket's identity.
    pub key: Key,
    /// Its state.
    pub bucket: BucketImage,
    /// What the key stands for, in words.
    pub text: Box<str>,
    /// The number of its domain.
    pub domain: u16,
    /// See [`Slot::fill`](super::Slot::fill).
    pub fill: u8,
}

/// What a reservation holds of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldImage {
    /// Of which key.
    pub key: Key,
    /// When it ends.
    pub end: LogTime,
    /// Which reservation.
    pub id: ReservationId,
    /// Hits.
    pub hits: u64,
}

/// An image of what no shard can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadImage {
    /// More places than a shard has.
    #[error("a shard of {0} places")]
    Places(usize),
    /// More domains than a shard numbers.
    #[error("a shard of {0} domains")]
    Domains(usize),
    /// A number of a domain that is not there.
    #[error("a key of domain number {0}, of {1}")]
    Domain(u16, usize),
    /// A hand beyond the last place.
    #[error("the hand at place {0}, of {1}")]
    Hand(u16, usize),
    /// Free places that are taken, told twice or not told.
    #[error("the free places are not those that are not taken")]
    Free,
    /// A key twice.
    #[error("a key is there twice")]
    Twice,
    /// A text that is longer than any that is kept.
    #[error("a text of {0} bytes")]
    Text(usize),
    /// Holds out of order, or one of no hits.
    #[error("the holds are out of order")]
    Holds,
    /// What no bucket can be.
    #[error(transparent)]
    Bucket(#[from] BadBucket),
}

impl Shard {
    /// All that it is.
    pub fn image(&self) -> ShardImage {
        let slot = |slot: &Slot| SlotImage {
            key: slot.key,
            bucket: slot.bucket.image(),
            text: self.texts.at(slot.text).into(),
            domain: slot.domain.number(),
            fill: slot.fill,
        };
        let hold = |(key, end, id, hits)| HoldImage { key, end, id, hits };
        ShardImage {
            bounds: self.bounds,
            latest: self.latest(),
            loosened: self.loosened,
            stats: self.stats,
            hand: self.hand,
            domains: self.domains.tags().collect(),
            places: (0..self.slots.places()).map(|at| self.slots.at(at).map(slot)).collect(),
            free: self.slots.free(),
            holds: self.holds.iter().map(hold).collect(),
        }
    }

    /// The shard of which this is the image.
    ///
    /// # Errors
    /// [`BadImage`] if no shard has such an image.
    pub fn from_image(image: ShardImage) -> Result<Self, BadImage> {
        let places = image.places.len();
        if places > SLOTS_MAX {
            return Err(BadImage::Places(places));
        }
        if usize::from(image.hand) >= places.max(1) {
            return Err(BadImage::Hand(image.hand, places));
        }
        let count = image.domains.len();
        let domains = Domains::of_tags(image.domains).ok_or(BadImage::Domains(count))?;
        let mut shard = Self::new(image.bounds);
        shard.domains = domains;
        for place in image.places {
            match place {
                Some(slot) => shard.put_image(slot)?,
                None => shard.slots.push_free(),
            }
        }
        if !shard.slots.link_free(&image.free) {
            return Err(BadImage::Free);
        }
        let holds = image.holds.iter().map(|hold| (hold.key, hold.end, hold.id, hold.hits));
        shard.holds = Holds::of_all(holds).ok_or(BadImage::Holds)?;
        shard.hand = image.hand;
        shard.stats = image.stats;
        shard.loosened = image.loosened;
        shard.reach(image.latest);
        Ok(shard)
    }

    /// Puts a slot behind the last place.
    fn put_image(&mut self, slot: SlotImage) -> Result<(), BadImage> {
        let SlotImage { key, bucket, text, domain, fill } = slot;
        if text.len() > TEXT_MAX {
            return Err(BadImage::Text(text.len()));
        }
        if self.find(key).is_some() {
            return Err(BadImage::Twice);
        }
        let domains = self.domains.len();
        let domain = self.domains.add_to(domain).ok_or(BadImage::Domain(domain, domains))?;
        let bucket = Bucket::from_image(bucket)?;
        // No more than `SLOTS_MAX` texts of `TEXT_MAX` bytes: there is room.
        let text = self.texts.insert(&text).ok_or(BadImage::Text(text.len()))?;
        self.put(Slot { key, bucket, text, domain, fill });
        Ok(())
    }
}

#[cfg(test)]
#[path = "image_tests.rs"]
mod tests;
