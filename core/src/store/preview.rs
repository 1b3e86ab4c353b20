//! What charges would be told, spending nothing.
//!
//! It charges copies of the buckets that they meet, by the same code as the charges themselves, so the
//! two agree on everything but a full store, which only a real charge meets.

use super::asked::Asked;
use super::holds::Held;
use crate::bucket::{Bucket, Outcome};
use crate::descriptor::Charge;
use crate::key::Key;
use crate::time::Now;

/// What was found, and what would be told. One outcome for each charge, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// A peek at each bucket as it is.
    pub found: Vec<Outcome>,
    /// What the charges would be told.
    pub outcomes: Vec<Outcome>,
}

/// What charging all that is asked for would be told at `now`. `see` shows the live bucket of a key, if
/// there is one, and what is held of it. Unless `passes` says that the outcomes let the request pass,
/// nothing would be charged, and those that were admitted tell what is there: as
/// [`charge_all_or_none`](super::charge_all_or_none) has it. Where each charge counts by itself,
/// `passes` says so always.
pub fn preview<'a, A>(
    asked: &'a [A],
    now: Now,
    see: impl Fn(Key) -> (Option<Bucket>, Held),
    passes: impl FnOnce(&[Outcome]) -> bool,
) -> Preview
where
    &'a A: Into<Asked<'a>>,
{
    let mut copies = Copies { see, now, buckets: Vec::new() };
    let found = asked.iter().map(|asked| copies.peek(&asked.into())).collect();
    let mut outcomes: Vec<_> = asked.iter().map(|asked| copies.charge(&asked.into())).collect();
    if !passes(&outcomes) {
        for (outcome, asked) in outcomes.iter_mut().zip(asked) {
            if !outcome.over {
                let peek = copies.peek(&asked.into());
                *outcome = Outcome { over: false, retry_after: None, ..peek };
            }
        }
    }
    Preview { found, outcomes }
}

/// Copies of buckets and of what is held of them, made when they are first met.
struct Copies<S> {
    see: S,
    now: Now,
    buckets: Vec<(Key, Bucket, Held)>,
}

impl<S: Fn(Key) -> (Option<Bucket>, Held)> Copies<S> {
    fn charge(&mut self, asked: &Asked<'_>) -> Outcome {
        let mut known = self.buckets.iter_mut();
        if let Some((_, bucket, held)) = known.find(|(key, ..)| *key == asked.key) {
            return held.charge(bucket, asked.quota, asked.charge, self.now);
        }
        let (mut bucket, held) = self.copy(asked);
        let outcome = held.charge(&mut bucket, asked.quota, asked.charge, self.now);
        self.buckets.push((asked.key, bucket, held));
        outcome
    }

    /// What is there now, without the charge.
    fn peek(&self, asked: &Asked<'_>) -> Outcome {
        let (mut bucket, held) = self.copy(asked);
        held.charge(&mut bucket, asked.quota, Charge::Hits(0), self.now)
    }

    fn copy(&self, asked: &Asked<'_>) -> (Bucket, Held) {
        let (live, held) = (self.see)(asked.key);
        (live.unwrap_or_else(|| Bucket::fresh(asked.quota, self.now)), held)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::charge_all_or_none;
    use super::super::rig::{ALL, BOUNDS, LENGTH, at, operation, quota};
    use super::*;
    use crate::store::Shard;

    proptest! {
        /// What is previewed is what is told a moment later, and nothing is spent by it.
        #[test]
        fn a_preview_tells_what_the_charge_is_told(
            steps in proptest::collection::vec((0..LENGTH, 0..30_u64, any::<bool>()), 1..40)
        ) {
            let mut shard = Shard::new(BOUNDS);
            let names = ["a", "b", "a"];
            let mut nanos = LENGTH;
            for (pause, hits, is_atomic) in steps {
                nanos += pause;
                let now = at(nanos);
                let charge = |(name, algorithm)| operation((name, quota(40, algorithm)), Charge::Hits(hits));
                let mut all: Vec<_> = names.into_iter().zip(ALL).map(charge).collect();
                all.push(all[0]);
                let passes = |outcomes: &[Outcome]| {
                    !is_atomic || outcomes.iter().all(|outcome| !outcome.over)
                };
                let before = shard.image().places;
                let see = |key| (shard.slot(key).map(|slot| slot.bucket.clone()), shard.held(key, now));
                let preview = preview(&all, now, see, passes);
                prop_assert_eq!(&shard.image().places, &before);
                let told = charge_all_or_none(&mut shard, &all, now, passes);
                prop_assert_eq!(told, Ok(preview.outcomes));
            }
        }
    }
}
