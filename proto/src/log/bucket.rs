//! The live state of buckets.

use std::time::Duration;

use tollgate_core::bucket::{BadBucket, BucketImage, PenaltyImage, PlainImage, RUNS_MAX};
use tollgate_core::time::{LogTime, Wall, saturating_nanos};

use super::generated as wire;
use super::malformed::Malformed;
use super::plain::{needed, window};
use wire::bucket::Plain;

impl From<BucketImage> for wire::Bucket {
    fn from(image: BucketImage) -> Self {
        let plain = match image.plain {
            PlainImage::FixedWindow { ends, hits } => {
                Plain::FixedWindow(wire::FixedWindow { ends: ends.as_nanos(), hits })
            }
            PlainImage::TokenBucket { full_at, limit } => {
                Plain::TokenBucket(wire::TokenBucket { full_at: full_at.as_nanos(), limit })
            }
            PlainImage::SlidingWindow { length_nanos: length, runs } => {
                let (run_at, run_hits) =
                    runs.into_iter().map(|(at, hits)| (at.as_nanos(), hits)).unzip();
                Plain::SlidingWindow(wire::SlidingWindow { length, run_at, run_hits })
            }
        };
        Self { plain: Some(plain), penalty: image.penalty.map(wire::Penalty::from) }
    }
}

impl TryFrom<wire::Bucket> for BucketImage {
    type Error = Malformed;

    fn try_from(bucket: wire::Bucket) -> Result<Self, Malformed> {
        let plain = match needed("the state of a bucket", bucket.plain)? {
            Plain::FixedWindow(wire::FixedWindow { ends, hits }) => {
                PlainImage::FixedWindow { ends: Wall::from_nanos(ends), hits }
            }
            Plain::TokenBucket(wire::TokenBucket { full_at, limit }) => {
                PlainImage::TokenBucket { full_at: LogTime::from_nanos(full_at), limit }
            }
            Plain::SlidingWindow(found) => read_sliding_window(found)?,
        };
        Ok(Self { plain, penalty: bucket.penalty.map(PenaltyImage::try_from).transpose()? })
    }
}

fn read_sliding_window(found: wire::SlidingWindow) -> Result<PlainImage, Malformed> {
    let wire::SlidingWindow { length, run_at, run_hits } = found;
    if run_at.len() > RUNS_MAX || run_at.len() != run_hits.len() {
        return Err(BadBucket::Runs(run_at.len().max(run_hits.len())).into());
    }
    // A window's length is one that a limit may have.
    let length_nanos = window(length)?.nanos();
    let runs = run_at.into_iter().map(LogTime::from_nanos).zip(run_hits).collect();
    Ok(PlainImage::SlidingWindow { length_nanos, runs })
}

impl From<PenaltyImage> for wire::Penalty {
    fn from(image: PenaltyImage) -> Self {
        Self {
            base: saturating_nanos(image.base),
            steps: image.steps,
            not_before: image.not_before.as_nanos(),
            last_hit: image.last_hit.as_nanos(),
            window: image.window.nanos(),
        }
    }
}

impl TryFrom<wire::Penalty> for PenaltyImage {
    type Error = Malformed;

    fn try_from(found: wire::Penalty) -> Result<Self, Malformed> {
        Ok(Self {
            base: Duration::from_nanos(found.base),
            steps: found.steps,
            not_before: LogTime::from_nanos(found.not_before),
            last_hit: LogTime::from_nanos(found.last_hit),
            window: window(found.window)?,
        })
    }
}
