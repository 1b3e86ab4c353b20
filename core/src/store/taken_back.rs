//! What a shard does for whoever decided beyond it: charges that are not to count after all, and
//! hits that were refused from a memory of denials.

use super::asked::Asked;
use super::shard::Shard;
use crate::bucket::Bucket;
use crate::descriptor::Charge;
use crate::time::Now;

impl Shard {
    /// Takes back a charge of hits that was admitted at `charged_at` and is not to count after all,
    /// as far as its bucket gets no fuller by it than if the charge had never been made: see
    /// [`Bucket::take_back`].
    ///
    /// A bucket knows its hits and not whose they are. Where some of them went since, so that the
    /// hits which are there now may be others', nothing is given back: after a bucket of this shard
    /// was given up or forgotten, after a refund, and after a token bucket's number changed. Then the
    /// charge counts until its window passes or its bucket refills, which is safe; it is rare, because
    /// a charge is taken back within moments.
    pub fn take_back<'a>(&mut self, asked: impl Into<Asked<'a>>, charged_at: Now, now: Now) {
        let asked = asked.into();
        let now = self.reach(now);
        let Charge::Hits(hits) = asked.charge else { return };
        if self.loosened.is_some_and(|at| at >= charged_at.log) {
            return;
        }
        let Some(at) = self.find(asked.key) else { return };
        let Some(slot) = self.slots.at_mut(at) else { return };
        let before = slot.bucket.heap_bytes();
        slot.bucket.take_back(asked.quota, hits, charged_at, now);
        let (after, domain) = (slot.bucket.heap_bytes(), slot.domain);
        self.resize(domain, before, after);
        self.look_at(asked.key, asked.quota, now);
    }

    /// Hits that somebody refused who remembered a denial: where the bucket has a penalty and they
    /// came before the time that was told, they count as one early hit. They spend nothing.
    pub fn impatient<'a>(&mut self, asked: impl Into<Asked<'a>>, now: Now) {
        let asked = asked.into();
        let now = self.reach(now);
        let Some(at) = self.find(asked.key) else { return };
        let Some(slot) = self.slots.at_mut(at) else { return };
        if matches!(asked.charge, Charge::Hits(1..)) && slot.bucket.is_early(now) {
            slot.bucket.charge(asked.quota, asked.charge, now);
        }
    }

    /// Notes that hits are lost otherwise than by the passing of time.
    pub(super) fn loosen(&mut self) {
        self.loosened = Some(self.latest().log);
    }
}

/// Whether hits are lost by this charge otherwise than by the passing of time.
pub(super) fn loosens(asked: &Asked<'_>, bucket: &Bucket) -> bool {
    matches!(asked.charge, Charge::Refund(1..)) || bucket.changes_numbers(asked.quota)
}

#[cfg(test)]
#[path = "taken_back_tests.rs"]
mod tests;
