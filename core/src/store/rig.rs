//! A shard with limits, reservations and a readable way to ask it: for tests.

use std::time::Duration;

use super::{
    Bounds, Cost, Part, Refused, Settled, Shard, Unsettled, charge_all_or_none, hold_all_or_none,
    release, settle,
};
use crate::bucket::Outcome;
use crate::descriptor::{Charge, Entry};
use crate::key::{DomainTag, Key, KeySecret, ReservationId};
use crate::limit::{Algorithm, Quota, Unit, Window};
use crate::plan::{Label, Operation};
use crate::time::{LogTime, Now, Wall};

/// The window of [`quota`], in nanoseconds.
pub(super) const LENGTH: u64 = 60_000_000;
pub(super) const BOUNDS: Bounds = Bounds { keys_max: 1_000, bytes_max: 1 << 20 };
pub(super) const ALL: [Algorithm; 3] =
    [Algorithm::FixedWindow, Algorithm::SlidingWindow, Algorithm::TokenBucket { burst: 100 }];
const SECRET: KeySecret = KeySecret::new([1; 16]);
const ENTRIES: &[Entry<'_>] = &[Entry { key: "k", value: "v" }];

/// Both clocks at so many nanoseconds.
pub(super) fn at(nanos: u64) -> Now {
    Now { log: LogTime::from_nanos(nanos), epoch: Wall::from_nanos(nanos) }
}

pub(super) fn quota(limit: u32, algorithm: Algorithm) -> Quota {
    let window = Window::of_length(Duration::from_nanos(LENGTH)).unwrap();
    Quota { window, algorithm, counts_refused: false, ..Quota::per_unit(limit, Unit::Second) }
}

/// Which limit, by a name that tells buckets apart, and its numbers.
pub(super) type Limit = (&'static str, Quota);

/// An open reservation.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) hold: (LogTime, ReservationId),
    pub(super) parts: Vec<Part>,
}

pub(super) struct Rig {
    pub(super) shard: Shard,
    made: u64,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::bounded(BOUNDS)
    }

    pub(super) fn bounded(bounds: Bounds) -> Self {
        Self { shard: Shard::new(bounds), made: 0 }
    }

    /// Charges one limit by itself.
    pub(super) fn hit(&mut self, limit: Limit, hits: u64, now: Now) -> Outcome {
        let operation = operation(limit, Charge::Hits(hits));
        self.shard.charge(&operation, &[operation.key], now).unwrap()
    }

    /// The same in a copy of the shard.
    pub(super) fn clone_hit(&self, limit: Limit, hits: u64, now: Now) -> Outcome {
        Self { shard: self.shard.clone(), made: self.made }.hit(limit, hits, now)
    }

    /// What is left of a limit.
    pub(super) fn left(&mut self, limit: Limit, now: Now) -> u32 {
        self.hit(limit, 0, now).remaining
    }

    /// Charges all or none.
    pub(super) fn check(&mut self, limits: &[Limit], hits: u64, now: Now) -> bool {
        let operations = operations(limits, hits);
        let passes = |all: &[Outcome]| all.iter().all(|outcome| !outcome.over);
        let outcomes = charge_all_or_none(&mut self.shard, &operations, now, passes).unwrap();
        outcomes.iter().all(|outcome| !outcome.over)
    }

    /// Holds of all or of none.
    pub(super) fn try_reserve(
        &mut self,
        limits: &[Limit],
        hits: u64,
        end: u64,
        now: Now,
    ) -> Result<(Vec<Outcome>, Option<Open>), Refused> {
        self.made += 1;
        let hold = (LogTime::from_nanos(end), SECRET.reservation_id(self.made));
        let operations = operations(limits, hits);
        let passes = |all: &[Outcome]| all.iter().all(|outcome| !outcome.over);
        let outcomes = hold_all_or_none(&mut self.shard, &operations, hold, now, passes)?;
        let parts = operations.iter().map(part).collect();
        let is_held = passes(&outcomes);
        Ok((outcomes, is_held.then_some(Open { hold, parts })))
    }

    pub(super) fn reserve(
        &mut self,
        limits: &[Limit],
        hits: u64,
        end: u64,
        now: Now,
    ) -> Option<Open> {
        self.try_reserve(limits, hits, end, now).unwrap().1
    }

    pub(super) fn commit(
        &mut self,
        open: &Open,
        hits: u64,
        now: Now,
    ) -> Result<Settled, Unsettled> {
        settle(&mut self.shard, &open.parts, open.hold, hits, now)
    }

    pub(super) fn cancel(&mut self, open: &Open, now: Now) -> Result<Settled, Unsettled> {
        release(&mut self.shard, &open.parts, open.hold, now)
    }

    pub(super) fn held(&self, limit: Limit, now: Now) -> u64 {
        self.shard.held(key(limit), now).total()
    }
}

pub(super) fn key((name, quota): Limit) -> Key {
    SECRET.begin(name).finish(quota.shape(0))
}

pub(super) fn operation(limit: Limit, charge: Charge) -> Operation<'static> {
    Operation {
        key: key(limit),
        quota: limit.1,
        charge,
        domain: DomainTag(1),
        limit: None,
        label: Label { domain: limit.0, entries: ENTRIES, named: None },
        first_shared: None,
    }
}

fn operations(limits: &[Limit], hits: u64) -> Vec<Operation<'static>> {
    limits.iter().map(|limit| operation(*limit, Charge::Hits(hits))).collect()
}

pub(super) fn part(operation: &Operation<'_>) -> Part {
    Part {
        key: operation.key,
        quota: operation.quota,
        domain: operation.domain,
        text: operation.label.to_text(),
        cost: Cost::Told,
        is_held: true,
        is_enforced: true,
        name: None,
        shadow: false,
        quota_mode: false,
    }
}
