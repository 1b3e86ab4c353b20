//! Leaving a full shard.
//!
//! It happens only when the shard is full and serves the operation's own domain first: a domain that
//! holds its fair share or more makes room among its own buckets, one that holds less takes room from
//! a domain that holds more, in keys or in bytes. So one tenant's flood of keys costs that tenant.
//!
//! The victim is the first nearly empty bucket in reach, else the emptiest. A bucket whose limit is
//! spent is never given up for its own domain (that would re-open the limit), and where another
//! domain's share demands it, it is counted apart. Buckets of the request that asks for room stay. If
//! nobody can leave, the operation is refused.

use super::shard::{Refused, Shard};
use super::slots::FULL;
use crate::key::{DomainTag, Key};
use crate::time::Now;

/// Places looked at for a victim. Bounds the cost of an insertion into a full shard.
const REACH: u16 = 256;

/// Victims that one charge may claim. A sliding window is the largest newcomer; the longest text and
/// the most that a window grows by at once are each less than this many of the smallest slots.
const VICTIMS_MAX: usize = 32;

/// Victims that are nearly empty are taken without looking further: an eighth of their limit.
const NEARLY_EMPTY: u8 = 32;

/// What room is wanted for.
pub(super) struct Room<'a> {
    /// Keys more.
    pub(super) keys: usize,
    /// Bytes more.
    pub(super) bytes: usize,
    /// For whom.
    pub(super) domain: DomainTag,
    /// Keys of the same request, which stay.
    pub(super) pinned: &'a [Key],
}

impl Shard {
    /// Gives up buckets until what is wanted fits.
    pub(super) fn make_room(&mut self, room: &Room<'_>, now: Now) -> Result<(), Refused> {
        for _ in 0..VICTIMS_MAX {
            let fits = self.keys().saturating_add(room.keys) <= self.bounds.keys_max
                && self.bytes.saturating_add(room.bytes) <= self.bounds.bytes_max;
            if fits {
                return Ok(());
            }
            let Some(victim) = self.victim(room, now) else { break };
            self.give_up(victim, now);
        }
        self.stats.refused += 1;
        Err(Refused)
    }

    /// The place to free: an ended bucket, else the first nearly empty or the emptiest that may
    /// leave.
    fn victim(&mut self, room: &Room<'_>, now: Now) -> Option<u16> {
        let own = self.domains.number(room.domain);
        let domains = (self.domains.count() + usize::from(own.is_none())).max(1);
        let keys_share = (self.bounds.keys_max / domains).max(1);
        let bytes_share = (self.bounds.bytes_max / domains).max(1);
        let under_share = own.is_none_or(|own| {
            self.domains.keys(own) < keys_share && self.domains.bytes(own) < bytes_share
        });
        let mut best: Option<(u8, u16)> = None;
        for _ in 0..REACH.min(self.slots.places()) {
            let at = self.advance_hand();
            let Some(slot) = self.slots.at(at) else { continue };
            if room.pinned.contains(&slot.key) {
                continue;
            }
            if slot.bucket.is_expired(now) {
                return Some(at);
            }
            let may_leave = if Some(slot.domain) == own {
                slot.fill < FULL
            } else {
                under_share
                    && (self.domains.keys(slot.domain) > keys_share
                        || self.domains.bytes(slot.domain) > bytes_share)
            };
            if !may_leave {
                continue;
            }
            if slot.fill <= NEARLY_EMPTY {
                return Some(at);
            }
            if best.is_none_or(|(fill, _)| slot.fill < fill) {
                best = Some((slot.fill, at));
            }
        }
        best.map(|(_, at)| at)
    }

    fn give_up(&mut self, at: u16, now: Now) {
        let Some(slot) = self.slots.at(at) else {
            return;
        };
        if slot.bucket.is_expired(now) {
            self.stats.expired += 1;
        } else if slot.fill == FULL {
            self.stats.evicted_over_limit += 1;
            self.loosen();
        } else {
            self.stats.evicted_live += 1;
            self.loosen();
        }
        self.remove(at);
    }
}
