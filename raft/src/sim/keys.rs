//! The limits that calls of a run meet: each algorithm, hot and cold, in each group.

use std::time::Duration;

use tollgate_core::command::{Charging, Holding, KeySlot};
use tollgate_core::descriptor::Charge;
use tollgate_core::key::{DomainTag, Key};
use tollgate_core::limit::{Algorithm, Quota, Window};

use super::dice::Dice;

/// What is done to a bucket, so that invariants know what to expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Use {
    /// Nothing but hits.
    Hits,
    /// Hits are given back, and all is forgotten now and then.
    GivenBack,
    /// Hits of requests that meet several limits.
    Plans,
    /// Reservations.
    Holds,
}

/// A limit for a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limited {
    pub(super) key: Key,
    pub(super) slot: KeySlot,
    pub(super) quota: Quota,
    pub(super) uses: Use,
    /// Most that one call asks for.
    pub(super) hits_max: u64,
}

/// Names one charge among all of a run: it is written into the text that charges carry.
pub(super) fn text(op: usize, place: usize) -> Box<str> {
    format!("{op}.{place}").into()
}

impl Limited {
    pub(super) fn charging(&self, charge: Charge, text: Box<str>) -> Charging {
        Charging {
            key: self.key,
            slot: self.slot,
            quota: self.quota,
            charge,
            domain: DomainTag(1),
            text,
            shadow: false,
            quota_mode: false,
        }
    }

    pub(super) fn holding(&self, hits: u64, text: Box<str>) -> Holding {
        let charging = self.charging(Charge::Hits(hits), text);
        Holding { charging, is_fixed: false, name: None }
    }
}

/// A bucket of its own, by a number.
pub(super) fn limited(number: u64, slot: u16, quota: Quota, uses: Use, hits_max: u64) -> Limited {
    let key = Key::from_halves(number.wrapping_mul(0x9e37_79b9_7f4a_7c15), number);
    Limited { key, slot: KeySlot(slot), quota, uses, hits_max }
}

pub(super) fn quota(limit: u32, millis: u64, algorithm: Algorithm) -> Quota {
    Quota {
        limit,
        window: Window::of_length(Duration::from_millis(millis)).unwrap(),
        algorithm,
        counts_refused: false,
        penalty_max: None,
    }
}

/// The limits of a run, in these many groups.
pub(super) fn limits(dice: &mut Dice, groups: u16) -> Vec<Limited> {
    let mut all = Vec::new();
    let mut add = |slot: u16, quota, uses, hits_max| {
        all.push(limited(all.len() as u64 + 1, slot, quota, uses, hits_max));
    };
    for uses in [Use::Hits, Use::GivenBack, Use::Plans, Use::Holds] {
        for slot in 0..groups {
            let limit = u32::try_from(dice.between(5, 25)).unwrap();
            let millis = dice.between(300, 2_000);
            let burst = u32::try_from(dice.between(2, 12)).unwrap();
            add(slot, quota(limit, millis, Algorithm::SlidingWindow), uses, 3);
            add(slot, quota(limit, millis, Algorithm::FixedWindow), uses, 3);
            add(slot, quota(limit, millis, Algorithm::TokenBucket { burst }), uses, 2);
        }
    }
    // Beyond 128 hits a sliding window counts in parts.
    add(0, quota(400, 1_000, Algorithm::SlidingWindow), Use::Hits, 40);
    let refused = Quota { counts_refused: true, ..quota(6, 700, Algorithm::FixedWindow) };
    add(0, refused, Use::Hits, 2);
    let patient = Some(Duration::from_secs(2));
    let penalised = Quota { penalty_max: patient, ..quota(4, 500, Algorithm::SlidingWindow) };
    add(groups - 1, penalised, Use::Hits, 1);
    for cold in 0..12 {
        let uses = if cold % 2 == 0 { Use::Hits } else { Use::Plans };
        add(cold % groups, quota(3, 4_000, Algorithm::FixedWindow), uses, 1);
    }
    all
}
