//! The shards of a group, each copied when it is written while a view holds it.

use std::sync::Arc;

use super::Misfit;
use crate::command::Bounds;
use crate::key::Key;
use crate::store::{self, Shard};
use crate::time::Now;

/// Keys of a full shard. A shard that a view holds is copied whole with the first charge after it, so
/// small ones keep that charge short.
const KEYS_EACH: usize = 1_024;

/// The fewest shards: what a charge copies stays small in a small group.
const SHARDS_MIN: usize = 64;

/// The most shards: memory that an empty group takes.
const SHARDS_MAX: usize = 16_384;

/// Ticks in which the sweep comes round all shards. Each takes whole ones, so that a view which is
/// held meanwhile costs copies of few.
const SWEEP_TURN: usize = 30;

/// The shards; none before the group knows its bounds.
#[derive(Clone, Debug, Default)]
pub(super) struct Shards {
    all: Vec<Arc<Shard>>,
    /// The next one that is swept.
    hand: usize,
}

impl Shards {
    /// Bounds what all of them together may hold; makes them the first time.
    pub(super) fn bound(&mut self, bounds: Bounds) {
        if self.all.is_empty() {
            let wanted = bounds.keys_max.div_ceil(KEYS_EACH).clamp(SHARDS_MIN, SHARDS_MAX);
            let count = wanted.next_power_of_two();
            let empty = Arc::new(Shard::new(each(bounds, count)));
            self.all = vec![empty; count];
            return;
        }
        let each = each(bounds, self.all.len());
        for shard in &mut self.all {
            Arc::make_mut(shard).set_bounds(each);
        }
    }

    /// The shard of `key`. The low half of a key hashes inside its shard, so the high half chooses.
    pub(super) fn of(&self, key: Key) -> Option<&Shard> {
        self.all.get(self.index(key)?).map(|shard| &**shard)
    }

    /// The shard at a place.
    pub(super) fn at(&self, at: usize) -> Option<&Shard> {
        self.all.get(at).map(|shard| &**shard)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Shard> {
        self.all.iter().map(|shard| &**shard)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    /// The next one to be swept.
    pub(super) fn hand(&self) -> usize {
        self.hand
    }

    /// Frees ended buckets in the next few shards.
    pub(super) fn sweep(&mut self, now: Now) {
        let count = self.all.len();
        for _ in 0..count.div_ceil(SWEEP_TURN) {
            let Some(shard) = self.all.get_mut(self.hand) else { return };
            self.hand = (self.hand + 1) % count;
            // One in which nothing ended is not copied.
            if shard.slots().any(|slot| slot.bucket.is_expired(now)) {
                let places = shard.places();
                Arc::make_mut(shard).sweep(places, now);
            }
        }
    }

    /// Shards that were made of their images, all of them.
    pub(super) fn from_parts(all: Vec<Arc<Shard>>, hand: usize) -> Result<Self, Misfit> {
        let count = all.len();
        let is_made = count.is_power_of_two() && (SHARDS_MIN..=SHARDS_MAX).contains(&count);
        let is_whole = count == 0 || is_made;
        if !is_whole || hand >= count.max(1) {
            return Err(Misfit::Shards { found: count });
        }
        Ok(Self { all, hand })
    }

    fn index(&self, key: Key) -> Option<usize> {
        usize::try_from(key.high() % u64::try_from(self.all.len()).ok()?.max(1)).ok()
    }
}

impl store::Shards for Shards {
    fn shard(&mut self, key: Key) -> Option<&mut Shard> {
        let at = self.index(key)?;
        self.all.get_mut(at).map(Arc::make_mut)
    }
}

fn each(bounds: Bounds, count: usize) -> store::Bounds {
    store::Bounds {
        keys_max: bounds.keys_max.div_ceil(count.max(1)),
        bytes_max: bounds.bytes_max.div_ceil(count.max(1)),
    }
}
