//! A shard as records: what it is as a whole, then its taken places in order, then its holds.

use tollgate_core::key::{DomainTag, Key};
use tollgate_core::store::{BadImage, Bounds, HoldImage, Shard, ShardImage, SlotImage, Stats};
use tollgate_core::time::LogTime;

use super::BadSnapshot;
use crate::log::generated as wire;
use crate::log::malformed::Malformed;
use crate::log::plain::{needed, size, text};
use wire::record::Record as Kind;

/// Gives each record of a shard to `push`.
pub(super) fn records(image: ShardImage, mut push: impl FnMut(Kind)) {
    let Stats { expired, evicted_live, evicted_over_limit, refused } = image.stats;
    let number = |of: usize| u64::try_from(of).unwrap_or(u64::MAX);
    push(Kind::Shard(wire::Shard {
        keys_max: number(image.bounds.keys_max),
        bytes_max: number(image.bounds.bytes_max),
        latest: Some(image.latest.into()),
        loosened: image.loosened.map(LogTime::as_nanos),
        expired,
        evicted_live,
        evicted_over_limit,
        refused,
        hand: image.hand.into(),
        domains: image.domains.iter().map(|tag| tag.0).collect(),
        places: u32::try_from(image.places.len()).unwrap_or(u32::MAX),
        free: image.free.iter().map(|at| u32::from(*at)).collect(),
    }));
    for slot in image.places.into_iter().flatten() {
        push(Kind::Place(wire::Place {
            key_high: slot.key.high(),
            key_low: slot.key.low(),
            bucket: Some(slot.bucket.into()),
            text: slot.text.into(),
            domain: slot.domain.into(),
            fill: slot.fill.into(),
        }));
    }
    for hold in image.holds {
        push(Kind::Hold(wire::HoldOfKey {
            key_high: hold.key.high(),
            key_low: hold.key.low(),
            end: hold.end.as_nanos(),
            id: Some(hold.id.into()),
            hits: hold.hits,
        }));
    }
}

/// A shard whose places and holds are coming.
#[derive(Debug)]
pub(super) struct Coming {
    image: ShardImage,
    is_free: Vec<bool>,
    /// Where the next one may be.
    next: usize,
}

impl Coming {
    pub(super) fn new(found: wire::Shard) -> Result<Self, Malformed> {
        let places = found.places as usize;
        Malformed::unless_at_most(Shard::KEYS_MAX, "places of a shard", places)?;
        Malformed::unless_at_most(places, "free places", found.free.len())?;
        let mut is_free = vec![false; places];
        let mut free = Vec::with_capacity(found.free.len());
        for at in found.free {
            let place = is_free.get_mut(at as usize);
            let out_of_range = Malformed::OutOfRange { what: "free place", found: at.into() };
            *place.ok_or(out_of_range)? = true;
            free.push(short("free place", at)?);
        }
        let wire::Shard { expired, evicted_live, evicted_over_limit, refused, .. } = found;
        let image = ShardImage {
            bounds: Bounds {
                keys_max: size("number of keys", found.keys_max)?,
                bytes_max: size("number of bytes", found.bytes_max)?,
            },
            latest: needed("the latest time of a shard", found.latest)?.into(),
            loosened: found.loosened.map(LogTime::from_nanos),
            stats: Stats { expired, evicted_live, evicted_over_limit, refused },
            hand: short("hand", found.hand)?,
            domains: found.domains.into_iter().map(DomainTag).collect(),
            places: vec![None; places],
            free,
            holds: Vec::new(),
        };
        Ok(Self { image, is_free, next: 0 })
    }

    /// Puts a slot into the next place that is not free.
    pub(super) fn add_place(&mut self, found: wire::Place) -> Result<(), BadSnapshot> {
        while self.is_free.get(self.next).is_some_and(|is_free| *is_free) {
            self.next += 1;
        }
        let place = self.image.places.get_mut(self.next);
        let place = place.ok_or(BadSnapshot::OutOfPlace("a place"))?;
        let fill = u8::try_from(found.fill);
        let out_of_range = Malformed::OutOfRange { what: "fill", found: found.fill.into() };
        *place = Some(SlotImage {
            key: Key::from_halves(found.key_high, found.key_low),
            bucket: needed("the bucket of a place", found.bucket)?.try_into()?,
            text: text(found.text)?,
            domain: short("number of a domain", found.domain)?,
            fill: fill.map_err(|_| out_of_range)?,
        });
        self.next += 1;
        Ok(())
    }

    pub(super) fn add_hold(&mut self, found: wire::HoldOfKey) -> Result<(), BadSnapshot> {
        self.image.holds.push(HoldImage {
            key: Key::from_halves(found.key_high, found.key_low),
            end: LogTime::from_nanos(found.end),
            id: needed("the reservation of a hold", found.id)?.into(),
            hits: found.hits,
        });
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Shard, BadImage> {
        Shard::from_image(self.image)
    }
}

fn short(what: &'static str, found: u32) -> Result<u16, Malformed> {
    u16::try_from(found).map_err(|_| Malformed::OutOfRange { what, found: found.into() })
}
