//! What a bucket was before a charge that may have to be taken back within the same step.

use super::shard::Shard;
use crate::bucket::Bucket;
use crate::key::Key;

/// A bucket as it was before a charge that may have to be taken back.
#[derive(Clone, Debug)]
pub struct Saved {
    key: Key,
    state: Option<(Bucket, u8)>,
}

impl Saved {
    /// Whose state it is.
    pub fn key(&self) -> Key {
        self.key
    }
}

impl Shard {
    /// What [`Self::restore`] needs to take back every charge of `key` made since.
    pub fn save(&self, key: Key) -> Saved {
        let slot = self.find(key).and_then(|at| self.slots.at(at));
        Saved { key, state: slot.map(|slot| (slot.bucket.clone(), slot.fill)) }
    }

    /// Makes the bucket what it was when it was saved.
    pub fn restore(&mut self, saved: Saved) {
        let Some(at) = self.find(saved.key) else { return };
        let Some((bucket, fill)) = saved.state else { return self.remove(at) };
        self.put_back(at, bucket, fill);
    }

    /// Makes the bucket at `at` this one.
    pub(super) fn put_back(&mut self, at: u16, bucket: Bucket, fill: u8) {
        let Some(slot) = self.slots.at_mut(at) else { return };
        let (before, after, domain) = (slot.bucket.heap_bytes(), bucket.heap_bytes(), slot.domain);
        slot.bucket = bucket;
        slot.fill = fill;
        self.resize(domain, before, after);
    }
}
