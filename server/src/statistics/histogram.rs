//! How long answers took: counts in fixed buckets, without locks.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tollgate_core::time::saturating_nanos;

/// Upper bounds of the buckets. They hold both those that are shown in `/metrics` and those of the
/// reference service, in seconds and in milliseconds; the last bucket has no bound.
pub(crate) const BOUNDS: [Duration; 20] = [
    Duration::from_micros(5),
    Duration::from_micros(10),
    Duration::from_micros(25),
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

const BUCKETS: usize = BOUNDS.len() + 1;

/// Counts of one core.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum_nanos: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: array::from_fn(|_| AtomicU64::new(0)), sum_nanos: AtomicU64::new(0) }
    }
}

impl Histogram {
    /// Counts one answer.
    pub(crate) fn count(&self, took: Duration) {
        let bucket = BOUNDS.partition_point(|bound| *bound < took);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_nanos.fetch_add(saturating_nanos(took), Ordering::Relaxed);
    }

    /// Adds these counts to `sum`.
    pub(crate) fn add_to(&self, sum: &mut Times) {
        for (sum, bucket) in sum.buckets.iter_mut().zip(&self.buckets) {
            *sum = sum.saturating_add(bucket.load(Ordering::Relaxed));
        }
        sum.nanos = sum.nanos.saturating_add(self.sum_nanos.load(Ordering::Relaxed));
    }
}

/// How long answers took, over all cores, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    /// Answers in each bucket; the last has no bound.
    pub(crate) buckets: [u64; BUCKETS],
    nanos: u64,
}

impl Times {
    /// All answers.
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Answers that took at most `bound`, which is one of [`BOUNDS`].
    pub(crate) fn within(&self, bound: Duration) -> u64 {
        let below = BOUNDS.partition_point(|one| *one <= bound);
        self.buckets.iter().take(below).sum()
    }

    /// The time of all answers together, in seconds.
    pub(crate) fn sum_seconds(&self) -> f64 {
        Duration::from_nanos(self.nanos).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_counts_in_the_first_bucket_that_holds_it() {
        assert!(BOUNDS.is_sorted());
        let histogram = Histogram::default();
        for took in [0, 5_000, 5_001, 10_000, 1_000_000_000, 10_000_000_000, 10_000_000_001] {
            histogram.count(Duration::from_nanos(took));
        }
        let mut times = Times::default();
        histogram.add_to(&mut times);
        histogram.add_to(&mut times);
        assert_eq!(times.count(), 14);
        assert_eq!(times.within(Duration::from_micros(5)), 4);
        assert_eq!(times.within(Duration::from_micros(10)), 8);
        assert_eq!(times.within(Duration::from_millis(500)), 8);
        assert_eq!(times.within(Duration::from_secs(1)), 10);
        assert_eq!(times.within(Duration::from_secs(10)), 12);
        assert_eq!(times.buckets[20], 2);
        assert!((times.sum_seconds() - 42.000_040_004).abs() < 1e-6);
    }
}
