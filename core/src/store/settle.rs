//! The end of a reservation: what it needed is spent, what it held is free again.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::shard::{Refused, Shard};
use super::together::{Shards, give_up, restore};
use crate::bucket::Outcome;
use crate::key::{DomainTag, Key, ReservationId};
use crate::limit::Quota;
use crate::time::{LogTime, Now};

/// How much of a bucket a reservation needs in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// What the commit says.
    Told,
    /// What its descriptor said at the start.
    Fixed(u64),
}

/// An operation of a reservation. It owns all that its settling needs, because the configuration
/// that it was made by may be gone by then.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Which bucket.
    pub key: Key,
    /// The numbers that judge it.
    pub quota: Quota,
    /// Whose share of the store a new bucket counts against.
    pub domain: DomainTag,
    /// The key's printable text.
    pub text: Box<str>,
    /// What it needs.
    pub cost: Cost,
    /// Whether it holds anything: it does not where it was over, or asked for nothing.
    pub is_held: bool,
    /// Whether the limit bounds what may be spent; a shadow does not.
    pub is_enforced: bool,
    /// The limit's name, if it has one.
    pub name: Option<Arc<str>>,
    /// The limit's mode: see [`Limit::shadow`](crate::limit::Limit::shadow).
    pub shadow: bool,
    /// The limit's mode: see [`Limit::quota_mode`](crate::limit::Limit::quota_mode).
    pub quota_mode: bool,
}

/// What became of the hits of a reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Hits that were spent.
    pub charged: u64,
    /// Hits that were needed beyond that and found no room.
    pub uncharged: u64,
    /// One for each part, in order: what its charge found and left, and what remains now. Over where
    /// the part had less room than was needed.
    pub outcomes: Vec<Outcome>,
}

/// Why nothing was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsettled {
    /// What it held was given back at its end.
    #[error("the reservation has ended")]
    Ended,
    /// A bucket that it must spend from is gone and there is no room for a new one; the reservation
    /// stands.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// Spends `hits` of a reservation in the windows of now, and gives up all that it held. It spends
/// only what every enforced limit has room for beside what others hold, which is all that it held
/// unless a limit was lowered since: no limit is ever exceeded.
///
/// # Errors
/// [`Unsettled`]; nothing is spent then.
pub fn settle(
    shards: &mut impl Shards,
    parts: &[Part],
    of: (LogTime, ReservationId),
    hits: u64,
    now: Now,
) -> Result<Settled, Unsettled> {
    let needs = needs(shards, parts, of, now)?;
    let most = |need: &Need| {
        let told = need.room.unwrap_or(0).saturating_sub(need.fixed);
        told.checked_div(need.told).unwrap_or(u64::MAX)
    };
    let charged = needs.values().map(most).fold(hits, u64::min);
    let outcomes = spend_all(shards, parts, &needs, (of, charged), now)?;
    let lacks = |part: &Part, spent: u64| match part.cost {
        Cost::Told if part.is_enforced => needs.get(&part.key).is_some_and(|n| most(n) < hits),
        Cost::Told => spent < charged,
        Cost::Fixed(fixed) => spent < fixed,
    };
    let mut told = Vec::with_capacity(parts.len());
    for (part, (spent, outcome)) in parts.iter().zip(outcomes) {
        let now_left = one(shards, part.key)?.look_at(part.key, &part.quota, now);
        let Outcome { before, after, .. } = outcome;
        let over = lacks(part, spent);
        told.push(Outcome { over, before, after, retry_after: None, ..now_left });
    }
    Ok(Settled { charged, uncharged: hits - charged, outcomes: told })
}

/// Gives up all that a reservation held; what remains of each part after it.
///
/// # Errors
/// [`Unsettled::Ended`] if it had ended; what it held is free in any case.
pub fn release(
    shards: &mut impl Shards,
    parts: &[Part],
    of: (LogTime, ReservationId),
    now: Now,
) -> Result<Settled, Unsettled> {
    needs(shards, parts, of, now)?;
    give_up(shards, parts.iter().map(|part| part.key), of);
    let mut outcomes = Vec::with_capacity(parts.len());
    for part in parts {
        let left = one(shards, part.key)?.look_at(part.key, &part.quota, now);
        outcomes.push(Outcome { over: false, retry_after: None, ..left });
    }
    Ok(Settled { charged: 0, uncharged: 0, outcomes })
}

/// What a reservation has and needs in one bucket.
#[derive(Clone, Copy, Debug, Default)]
struct Need {
    /// Hits that it holds.
    own: u64,
    /// Hits that it may spend: by the strictest of its enforced limits, if there are any.
    room: Option<u64>,
    /// Hits that enforced parts of fixed cost need together.
    fixed: u64,
    /// Enforced parts that need what the commit says.
    told: u64,
}

/// Every bucket of a reservation that still stands; one that has ended is cleared away.
fn needs(
    shards: &mut impl Shards,
    parts: &[Part],
    of: (LogTime, ReservationId),
    now: Now,
) -> Result<BTreeMap<Key, Need>, Unsettled> {
    let mut needs: BTreeMap<Key, Need> = BTreeMap::new();
    for part in parts {
        let own = one(shards, part.key)?.still_holds(part.key, of, now);
        if part.is_held && own.is_none() {
            clear_away(shards, parts, of, now);
            return Err(Unsettled::Ended);
        }
        let need = needs.entry(part.key).or_default();
        need.own = own.unwrap_or(0);
        match part.cost {
            Cost::Told => need.told += u64::from(part.is_enforced),
            Cost::Fixed(hits) if part.is_enforced => need.fixed = need.fixed.saturating_add(hits),
            Cost::Fixed(_) => {}
        }
    }
    let (enforced, shadows): (Vec<_>, Vec<_>) = parts.iter().partition(|part| part.is_enforced);
    for part in enforced.into_iter().chain(shadows) {
        let Some(need) = needs.get_mut(&part.key) else { continue };
        if part.is_enforced || need.room.is_none() {
            let room = one(shards, part.key)?.room(part, need.own, now);
            need.room = Some(need.room.map_or(room, |other| other.min(room)));
        }
    }
    Ok(needs)
}

/// Spends what each part needs, enforced ones first, as far as there is room. All or nothing: if
/// the store has no room for one of the buckets, all is as before.
fn spend_all(
    shards: &mut impl Shards,
    parts: &[Part],
    needs: &BTreeMap<Key, Need>,
    (of, charged): ((LogTime, ReservationId), u64),
    now: Now,
) -> Result<Vec<(u64, Outcome)>, Refused> {
    let room = |(key, need): (&Key, &Need)| (*key, need.room.unwrap_or(0));
    let mut left: BTreeMap<Key, u64> = needs.iter().map(room).collect();
    let mut amounts = vec![0; parts.len()];
    for is_enforced in [true, false] {
        let all = parts.iter().zip(&mut amounts);
        for (part, amount) in all.filter(|(part, _)| part.is_enforced == is_enforced) {
            let Some(left) = left.get_mut(&part.key) else { continue };
            let wanted = match part.cost {
                Cost::Told => charged,
                Cost::Fixed(hits) => hits,
            };
            *amount = wanted.min(*left);
            *left -= *amount;
        }
    }
    give_up(shards, parts.iter().map(|part| part.key), of);
    let pinned: Vec<_> = parts.iter().map(|part| part.key).collect();
    let mut saved = Vec::with_capacity(parts.len());
    let mut outcomes = Vec::with_capacity(parts.len());
    for (part, &amount) in parts.iter().zip(&amounts) {
        let spent = one(shards, part.key).and_then(|shard| {
            let before = shard.save(part.key);
            Ok((before, shard.spend(part, amount, &pinned, now)?))
        });
        match spent {
            Ok((before, outcome)) => {
                saved.push(before);
                outcomes.push((amount, outcome));
            }
            Err(refused) => {
                restore(shards, saved);
                hold_again(shards, needs, of);
                return Err(refused);
            }
        }
    }
    Ok(outcomes)
}

/// Gives up what is left of a reservation that ended. Its buckets are no fuller for it any more, so
/// that they can leave a full store again.
fn clear_away(shards: &mut impl Shards, parts: &[Part], of: (LogTime, ReservationId), now: Now) {
    give_up(shards, parts.iter().map(|part| part.key), of);
    for part in parts {
        if let Some(shard) = shards.shard(part.key) {
            shard.look_at(part.key, &part.quota, now);
        }
    }
}

fn hold_again(shards: &mut impl Shards, needs: &BTreeMap<Key, Need>, of: (LogTime, ReservationId)) {
    for (key, need) in needs.iter().filter(|(_, need)| need.own > 0) {
        if let Some(shard) = shards.shard(*key) {
            shard.hold_again(*key, of, need.own);
        }
    }
}

fn one(shards: &mut impl Shards, key: Key) -> Result<&mut Shard, Refused> {
    shards.shard(key).ok_or(Refused)
}

#[cfg(test)]
#[path = "settle_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "settle_room_tests.rs"]
mod room_tests;
