//! The live state of one limit for one key, and what a charge does to it.
//!
//! A bucket is 16 bytes and holds only what its algorithm must remember; the numbers of the limit
//! come with every operation, so a raised or lowered limit acts with the next hit.

mod fixed_window;

use std::time::Duration;

pub use fixed_window::FixedWindow;

use crate::descriptor::Charge;
use crate::limit::{Algorithm, Quota};
use crate::time::Now;

/// What one operation found and left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The limit does not allow these hits.
    pub over: bool,
    /// Hits in the window before the operation.
    pub before: u64,
    /// Hits in the window after it, refused hits included.
    pub after: u64,
    /// Hits still allowed in this window; zero when over.
    pub remaining: u32,
    /// Time until the window ends.
    pub reset_after: Duration,
}

/// The live state of one limit for one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bucket {
    /// See [`FixedWindow`].
    FixedWindow(FixedWindow),
}

impl Bucket {
    /// The bucket of a key that was never seen.
    pub fn fresh(quota: &Quota, now: Now) -> Self {
        match quota.algorithm {
            Algorithm::FixedWindow => Self::FixedWindow(FixedWindow::fresh(quota.window, now)),
        }
    }

    /// Applies `charge` under `quota`, whose algorithm and window are those of the bucket's key.
    pub fn charge(&mut self, quota: &Quota, charge: Charge, now: Now) -> Outcome {
        match self {
            Self::FixedWindow(window) => window.charge(quota, charge, now),
        }
    }

    /// Whether the bucket says no more than a fresh one would.
    pub fn is_expired(&self, now: Now) -> bool {
        match self {
            Self::FixedWindow(window) => window.is_over(now),
        }
    }
}
