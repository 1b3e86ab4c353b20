//! A bucket as plain values: to be written down and made again.

use std::time::Duration;

use super::sliding_window::SlidingWindow;
use super::{Bucket, Compact, Kind, Penalised, Plain};
use crate::limit::Window;
use crate::time::{LogTime, Wall};

/// All that a bucket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketImage {
    /// What the algorithm remembers.
    pub plain: PlainImage,
    /// What is remembered of impatient hits, where a limit has a penalty.
    pub penalty: Option<PenaltyImage>,
}

/// What an algorithm remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlainImage {
    /// See [`FixedWindow`](super::FixedWindow).
    FixedWindow {
        /// When the window ends.
        ends: Wall,
        /// Hits in it.
        hits: u32,
    },
    /// See [`TokenBucket`](super::TokenBucket).
    TokenBucket {
        /// When it is full.
        full_at: LogTime,
        /// At the rate of which limit.
        limit: u32,
    },
    /// See [`SlidingWindow`].
    SlidingWindow {
        /// The window's length in nanoseconds.
        length_nanos: u64,
        /// Admitted hits with the time that they are counted at; times rise.
        runs: Vec<(LogTime, u32)>,
    },
}

/// What is remembered of impatient hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PenaltyImage {
    /// The wait that the algorithm asked for at the latest refusal.
    pub base: Duration,
    /// How often it was doubled.
    pub steps: u32,
    /// Earlier hits are refused.
    pub not_before: LogTime,
    /// When the latest hit came.
    pub last_hit: LogTime,
    /// The quiet time that takes one doubling back.
    pub window: Window,
}

/// An image of what no bucket can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadBucket {
    /// More runs than a sliding window remembers.
    #[error("a sliding window of {0} runs")]
    Runs(usize),
    /// Times of runs that do not rise, or a run without hits.
    #[error("the runs of a sliding window are out of order")]
    Order,
    /// More doublings than are counted.
    #[error("a penalty that was doubled {0} times")]
    Steps(u32),
}

impl Bucket {
    /// All that it is.
    pub fn image(&self) -> BucketImage {
        match self {
            Self::Plain(plain) => BucketImage { plain: plain.image(), penalty: None },
            Self::Penalised(penalised) => {
                BucketImage { plain: penalised.inner.image(), penalty: Some(penalised.image()) }
            }
        }
    }

    /// The bucket of which this is the image.
    ///
    /// # Errors
    /// [`BadBucket`] if no bucket has such an image.
    pub fn from_image(image: BucketImage) -> Result<Self, BadBucket> {
        let plain = Plain::from_image(image.plain)?;
        match image.penalty {
            None => Ok(Self::Plain(plain)),
            Some(penalty) => Ok(Self::Penalised(Box::new(Penalised::from_image(plain, penalty)?))),
        }
    }
}

impl Plain {
    fn image(&self) -> PlainImage {
        match self {
            Self::Compact(Compact { at, number, kind: Kind::FixedWindow }) => {
                PlainImage::FixedWindow { ends: Wall::from_nanos(*at), hits: *number }
            }
            Self::Compact(Compact { at, number, kind: Kind::TokenBucket }) => {
                PlainImage::TokenBucket { full_at: LogTime::from_nanos(*at), limit: *number }
            }
            Self::SlidingWindow(window) => window.image(),
        }
    }

    fn from_image(image: PlainImage) -> Result<Self, BadBucket> {
        let compact = match image {
            PlainImage::FixedWindow { ends, hits } => {
                Compact { at: ends.as_nanos(), number: hits, kind: Kind::FixedWindow }
            }
            PlainImage::TokenBucket { full_at, limit } => {
                Compact { at: full_at.as_nanos(), number: limit, kind: Kind::TokenBucket }
            }
            PlainImage::SlidingWindow { length_nanos, runs } => {
                let window = SlidingWindow::from_image(length_nanos, &runs)?;
                return Ok(Self::SlidingWindow(Box::new(window)));
            }
        };
        Ok(Self::Compact(compact))
    }
}
