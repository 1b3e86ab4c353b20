//! What was added since it was sent: the figures beside what the peer was told of them.

use std::collections::HashMap;

use super::lines::Lines;
use crate::statistics::histogram::{BOUNDS, Times};
use crate::statistics::reference_names::{self, Loads, counters_of, prefix_of, response_time};
use crate::statistics::{LimitFigures, Statistics};

/// Counters of one limit.
const COUNTERS: usize = 6;

/// What the peer was told. As large as there are names, whatever the peer does.
#[derive(Debug, Default)]
pub(super) struct Told {
    limits: Vec<[u64; COUNTERS]>,
    others: HashMap<String, u64>,
    times: Times,
}

/// Something the peer is to be told, and how to remember that it was.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) line: String,
    memo: Memo,
}

#[derive(Debug)]
enum Memo {
    Limit { place: usize, counter: usize, count: u64 },
    Other { name: String, count: u64 },
    Bucket { at: usize, count: u64 },
}

impl Told {
    /// What changed of the limit at `place`.
    pub(super) fn limit(
        &mut self,
        lines: &Lines,
        place: usize,
        limit: &LimitFigures,
    ) -> Vec<Change> {
        if self.limits.len() <= place {
            self.limits.resize(place + 1, [0; COUNTERS]);
        }
        let counters = counters_of(limit);
        let told = self.limits[place];
        if counters.iter().zip(told).all(|((_, count), told)| *count == told) {
            return Vec::new();
        }
        let prefix = prefix_of(limit);
        let changed = counters.iter().zip(told).enumerate();
        let change = |(counter, ((last, count), told)): (usize, (&(&str, u64), u64))| {
            let delta = count.checked_sub(told).filter(|delta| *delta > 0)?;
            let line = lines.counter(&format!("{prefix}.{last}"), delta)?;
            Some(Change { line, memo: Memo::Limit { place, counter, count: *count } })
        };
        changed.filter_map(change).collect()
    }

    /// What changed of everything that belongs to no limit.
    pub(super) fn others(&self, lines: &Lines, of: &Statistics, loads: Loads) -> Vec<Change> {
        let counters = reference_names::others(of, loads).into_iter();
        let counter = |(name, count): (String, u64)| {
            let told = self.others.get(&name).copied().unwrap_or_default();
            let delta = count.checked_sub(told).filter(|delta| *delta > 0)?;
            let line = lines.counter(&name, delta)?;
            Some(Change { line, memo: Memo::Other { name, count } })
        };
        let mut changes: Vec<_> = counters.filter_map(counter).collect();
        changes.extend(self.times(lines, &of.rls.totals().times));
        changes
    }

    /// One sample a bucket, at its upper bound: never better than it was.
    fn times(&self, lines: &Lines, times: &Times) -> Vec<Change> {
        let name = response_time();
        let longest = BOUNDS[BOUNDS.len() - 1];
        let buckets = times.buckets.iter().zip(&self.times.buckets).enumerate();
        let change = |(at, (count, told)): (usize, (&u64, &u64))| {
            let delta = count.checked_sub(*told).filter(|delta| *delta > 0)?;
            let bound = BOUNDS.get(at).copied().unwrap_or(longest);
            let line = lines.timer(&name, bound, delta)?;
            Some(Change { line, memo: Memo::Bucket { at, count: *count } })
        };
        buckets.filter_map(change).collect()
    }

    /// The peer was told.
    pub(super) fn remember(&mut self, change: Change) {
        match change.memo {
            Memo::Limit { place, counter, count } => self.limits[place][counter] = count,
            Memo::Bucket { at, count } => self.times.buckets[at] = count,
            Memo::Other { name, count } => {
                self.others.insert(name, count);
            }
        }
    }
}
