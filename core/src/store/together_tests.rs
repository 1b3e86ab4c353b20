//! Reservations against a naive model: whatever comes, in whatever order, nobody gets more than the
//! limit, and what is not needed comes back.
//!
//! The model remembers every hit ever counted and every hold ever made, and adds them up anew for
//! each question.

use proptest::prelude::*;

use super::super::Unsettled;
use super::super::rig::{LENGTH, Limit, Open, Rig, at, quota};
use super::*;
use crate::limit::Algorithm;

/// Hits that count in a bucket.
#[derive(Clone, Copy, Debug)]
struct Counted {
    at: u64,
    hits: u64,
    /// Somebody got them; a fixed window may also count some that it refused.
    admitted: bool,
}

#[derive(Clone, Copy, Debug)]
struct HeldHits {
    open: usize,
    end: u64,
    hits: u64,
}

#[derive(Debug)]
struct Model {
    limit: Limit,
    counted: Vec<Counted>,
    holds: Vec<HeldHits>,
}

impl Model {
    fn spent(&self, now: u64) -> u64 {
        let sum = |counts: &dyn Fn(u64) -> bool| {
            self.counted.iter().filter(|one| counts(one.at)).map(|one| one.hits).sum::<u64>()
        };
        match self.limit.1.algorithm {
            Algorithm::FixedWindow => sum(&|at| at / LENGTH == now / LENGTH),
            Algorithm::SlidingWindow => sum(&|at| at + LENGTH > now),
            Algorithm::TokenBucket { .. } => unreachable!("tokens are counted in nanoseconds"),
        }
    }

    /// Hits left, holds aside.
    fn room(&self, now: u64) -> u64 {
        let quota = self.limit.1;
        let Algorithm::TokenBucket { burst } = quota.algorithm else {
            return u64::from(quota.limit).saturating_sub(self.spent(now));
        };
        let share = LENGTH / u64::from(quota.limit);
        let (mut missing, mut last) = (0_u64, 0);
        for one in self.counted.iter().chain([&Counted { at: now, hits: 0, admitted: false }]) {
            missing = missing.saturating_sub(one.at - last) + one.hits * share;
            last = one.at;
        }
        (u64::from(burst) * share - missing) / share
    }

    fn held(&self, now: u64, but: Option<usize>) -> u64 {
        let others = self.holds.iter().filter(|hold| hold.end > now && Some(hold.open) != but);
        others.map(|hold| hold.hits).sum()
    }

    /// Hits left to somebody who holds none of them.
    fn left(&self, now: u64) -> u64 {
        self.room(now).checked_sub(self.held(now, None)).expect("more is held than there is")
    }

    fn count(&mut self, at: u64, hits: u64, admitted: bool) {
        self.counted.push(Counted { at, hits, admitted });
    }

    /// What the algorithm promises of everything that was admitted.
    fn keeps_its_promise(&self) -> bool {
        let quota = self.limit.1;
        let admitted: Vec<_> = self.counted.iter().filter(|one| one.admitted).collect();
        let between = |from: u64, end: u64| {
            let inside = admitted.iter().filter(|one| (from..end).contains(&one.at));
            inside.map(|one| one.hits).sum::<u64>()
        };
        admitted.iter().all(|first| match quota.algorithm {
            Algorithm::FixedWindow => {
                let start = first.at / LENGTH * LENGTH;
                between(start, start + LENGTH) <= u64::from(quota.limit)
            }
            Algorithm::SlidingWindow => {
                between(first.at, first.at + LENGTH) <= u64::from(quota.limit)
            }
            Algorithm::TokenBucket { burst } => admitted.iter().all(|last| {
                let time = last.at.saturating_sub(first.at);
                let refill = time * u64::from(quota.limit) / LENGTH;
                between(first.at, last.at + 1) <= u64::from(burst) + refill
            }),
        })
    }
}

/// How time moves before a step.
#[derive(Clone, Copy, Debug)]
enum Pause {
    For(u64),
    /// To a nanosecond before, at or after the end of a fixed window.
    ToWindow(u64),
    /// The same for the end of an open reservation.
    ToEnd(usize, u64),
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// One hit or more of the buckets of this mask, all or none.
    Check(u8, u64),
    /// Of one bucket, by itself; a fixed window counts what it refuses.
    Alone(usize, u64),
    Reserve(u8, u64, u64),
    Commit(usize, u64),
    Cancel(usize),
    Sweep,
}

fn pauses() -> impl Strategy<Value = Pause> {
    prop_oneof![
        4 => prop_oneof![Just(0), Just(1), 0..LENGTH / 3].prop_map(Pause::For),
        1 => (0..3_u64).prop_map(Pause::ToWindow),
        2 => (any::<usize>(), 0..3_u64).prop_map(|(open, edge)| Pause::ToEnd(open, edge)),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let length = prop_oneof![Just(1_u64), 1..LENGTH, 1..4 * LENGTH];
    prop_oneof![
        3 => (1..32_u8, 1..5_u64).prop_map(|(mask, hits)| Step::Check(mask, hits)),
        2 => (0..5_usize, 0..14_u64).prop_map(|(bucket, hits)| Step::Alone(bucket, hits)),
        4 => (1..32_u8, 1..8_u64, length).prop_map(|(m, hits, end)| Step::Reserve(m, hits, end)),
        3 => (any::<usize>(), 0..12_u64).prop_map(|(open, hits)| Step::Commit(open, hits)),
        1 => any::<usize>().prop_map(Step::Cancel),
        1 => Just(Step::Sweep),
    ]
}

/// The shard and the model side by side.
struct Pair {
    rig: Rig,
    models: Vec<Model>,
    /// All that were ever made, with the buckets they are in; those that are closed are kept, and
    /// asked for again.
    made: Vec<(Open, Vec<usize>)>,
    is_closed: Vec<bool>,
    latest: u64,
}

impl Pair {
    fn new(limits: [u32; 5]) -> Self {
        let [a, b, c, d, burst] = limits;
        let token = quota(12, Algorithm::TokenBucket { burst });
        let limits: [Limit; 5] = [
            ("a", quota(a, Algorithm::FixedWindow)),
            ("b", quota(b, Algorithm::SlidingWindow)),
            ("c", quota(c, Algorithm::FixedWindow)),
            ("d", quota(d, Algorithm::SlidingWindow)),
            ("e", token),
        ];
        let model = |limit| Model { limit, counted: Vec::new(), holds: Vec::new() };
        let models = limits.into_iter().map(model).collect();
        Self { rig: Rig::new(), models, made: Vec::new(), is_closed: Vec::new(), latest: 0 }
    }

    fn limits(&self, buckets: &[usize]) -> Vec<Limit> {
        buckets.iter().map(|bucket| self.models[*bucket].limit).collect()
    }

    fn fits(&self, buckets: &[usize], hits: u64) -> bool {
        buckets.iter().all(|bucket| hits <= self.models[*bucket].left(self.latest))
    }

    fn apply(&mut self, step: Step, now: u64) {
        self.latest = self.latest.max(now);
        let (now_is, now) = (self.latest, at(now));
        match step {
            Step::Check(mask, hits) => {
                let buckets = buckets(mask);
                let fits = self.fits(&buckets, hits);
                assert_eq!(self.rig.check(&self.limits(&buckets), hits, now), fits);
                for bucket in buckets.into_iter().filter(|_| fits) {
                    self.models[bucket].count(now_is, hits, true);
                }
            }
            Step::Alone(bucket, hits) => self.alone(bucket, hits, now),
            Step::Reserve(mask, hits, length) => {
                let buckets = buckets(mask);
                let fits = self.fits(&buckets, hits);
                let end = now.log.as_nanos() + length;
                let open = self.rig.reserve(&self.limits(&buckets), hits, end, now);
                assert_eq!(open.is_some(), fits);
                let Some(open) = open else { return };
                for bucket in &buckets {
                    let hold = HeldHits { open: self.made.len(), end, hits };
                    self.models[*bucket].holds.push(hold);
                }
                self.made.push((open, buckets));
                self.is_closed.push(false);
            }
            Step::Commit(open, hits) => self.commit(open, hits, now),
            Step::Cancel(open) => {
                let Some(index) = self.index(open) else { return };
                let is_open = self.is_open(index);
                let released = self.rig.cancel(&self.made[index].0, now);
                assert_eq!(released.is_ok(), is_open);
                self.close(index);
            }
            Step::Sweep => self.rig.shard.sweep(u16::MAX, now),
        }
    }

    fn alone(&mut self, bucket: usize, hits: u64, now: Now) {
        let now_is = self.latest;
        let model = &mut self.models[bucket];
        let (name, quota) = model.limit;
        let quota = crate::limit::Quota { counts_refused: true, ..quota };
        let (fits, is_free) = (hits <= model.left(now_is), model.held(now_is, None) == 0);
        let outcome = self.rig.hit((name, quota), hits, now);
        if hits == 0 {
            return;
        }
        assert_eq!(outcome.over, !fits, "{outcome:?}");
        assert_eq!(outcome.retry_after.is_some(), outcome.over);
        if fits {
            model.count(now_is, hits, true);
        } else if is_free && quota.algorithm == Algorithm::FixedWindow {
            model.count(now_is, hits, false);
        }
    }

    fn commit(&mut self, open: usize, hits: u64, now: Now) {
        let Some(index) = self.index(open) else { return };
        let now_is = self.latest;
        let is_open = self.is_open(index);
        let (open, buckets) = self.made[index].clone();
        let settled = self.rig.commit(&open, hits, now);
        if !is_open {
            assert_eq!(settled, Err(Unsettled::Ended));
            return;
        }
        let room = |bucket: &usize| {
            let model = &self.models[*bucket];
            model.room(now_is) - model.held(now_is, Some(index))
        };
        let charged = buckets.iter().map(room).fold(hits, u64::min);
        let settled = settled.unwrap();
        assert_eq!((settled.charged, settled.uncharged), (charged, hits - charged));
        let reserved = self.models[buckets[0]].holds.iter().find(|hold| hold.open == index);
        assert!(charged >= hits.min(reserved.unwrap().hits), "what was held was not there");
        self.close(index);
        for (bucket, outcome) in buckets.iter().zip(&settled.outcomes) {
            self.models[*bucket].count(now_is, charged, true);
            assert_eq!(u64::from(outcome.remaining), self.models[*bucket].left(now_is));
        }
    }

    /// Any that was ever made.
    fn index(&self, wanted: usize) -> Option<usize> {
        wanted.checked_rem(self.made.len())
    }

    fn is_open(&self, index: usize) -> bool {
        !self.is_closed[index] && self.made[index].0.hold.0.as_nanos() > self.latest
    }

    fn close(&mut self, index: usize) {
        self.is_closed[index] = true;
        for model in &mut self.models {
            model.holds.retain(|hold| hold.open != index);
        }
    }

    /// What both say is left is the same, and looking changes nothing.
    fn compare(&mut self, now: u64) {
        for model in &self.models {
            let held = self.rig.held(model.limit, at(now));
            assert_eq!(held, model.held(self.latest, None), "{:?}", model.limit);
            let left = self.rig.left(model.limit, at(now));
            assert_eq!(u64::from(left), model.left(self.latest), "{model:?}");
        }
    }
}

fn buckets(mask: u8) -> Vec<usize> {
    (0..5).filter(|bucket| mask & (1 << bucket) != 0).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Times are out of order by up to half a window, and on every edge.
    #[test]
    fn whatever_comes_no_limit_is_exceeded_and_what_is_not_needed_comes_back(
        limits in (1..15_u32, 1..15_u32, 1..15_u32, 1..15_u32, 1..15_u32),
        steps in proptest::collection::vec(
            (pauses(), prop_oneof![3 => Just(0), 1 => 0..LENGTH / 2], steps()), 1..80),
    ) {
        let mut pair = Pair::new(limits.into());
        let mut clock = LENGTH;
        for (pause, behind, step) in steps {
            clock = match pause {
                Pause::For(nanos) => clock + nanos,
                Pause::ToWindow(edge) => (clock / LENGTH + 1) * LENGTH + edge - 1,
                Pause::ToEnd(open, edge) => {
                    let end = pair.index(open).map(|index| pair.made[index].0.hold.0.as_nanos());
                    clock.max(end.unwrap_or(0).saturating_add(edge) - u64::from(end.is_some()))
                }
            };
            let now = clock - behind.min(clock);
            pair.apply(step, now);
            pair.compare(now);
        }
        for model in &pair.models {
            prop_assert!(model.keeps_its_promise(), "{model:?}");
        }
    }
}
