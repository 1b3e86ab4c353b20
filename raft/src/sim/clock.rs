//! Each node's clocks, which are all wrong, and the true time, which no node knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tollgate_core::time::{Clock, Monotonic, Wall, saturating_nanos};

use super::dice::Dice;

/// The most that a node's clock is too fast or too slow.
const DRIFT_PPM_MAX: u64 = 500;

/// What the wall clocks of all nodes are about, at first: a moment in 2023.
const WALL: Duration = Duration::from_secs(1_700_000_003);

/// How wrong a node's wall clock is at first, at most.
const WALL_ERROR_MILLIS_MAX: u64 = 2_000;

/// Lets virtual time go by: the simulation decides when that is.
pub(super) async fn pass(time: Duration) {
    tokio::time::sleep(time).await; // tidy: bounded poll
}

/// The true time since the start: what the simulation counts, and the hours in which all stood
/// still.
#[derive(Clone, Debug, Default)]
pub(super) struct Truth {
    stood_still: Arc<AtomicU64>,
}

impl Truth {
    pub(super) fn now(&self) -> Duration {
        let stood_still = Duration::from_nanos(self.stood_still.load(Ordering::Relaxed));
        turmoil::sim_elapsed().unwrap_or_default() + stood_still
    }

    /// All nodes stand still for so long.
    pub(super) fn stand_still(&self, time: Duration) {
        self.stood_still.fetch_add(saturating_nanos(time), Ordering::Relaxed);
    }
}

/// The clocks of one node.
#[derive(Debug)]
pub(super) struct NodeClock {
    /// What it counts for a million true nanoseconds, beyond a million.
    drift_ppm: i64,
    origin: Duration,
    /// Added to the monotonic clock and to the wall clock.
    jumped: AtomicU64,
    wall_error: AtomicI64,
}

impl NodeClock {
    pub(super) fn new(dice: &mut Dice) -> Self {
        let drift = dice.between(0, 2 * DRIFT_PPM_MAX).cast_signed();
        let error = dice.between(0, 2 * WALL_ERROR_MILLIS_MAX).cast_signed();
        let error = (error - WALL_ERROR_MILLIS_MAX.cast_signed()) * 1_000_000;
        Self {
            drift_ppm: drift - DRIFT_PPM_MAX.cast_signed(),
            origin: Duration::from_secs(dice.between(0, 1_000_000)),
            jumped: AtomicU64::new(0),
            wall_error: AtomicI64::new(error),
        }
    }

    /// Moves the wall clock alone.
    pub(super) fn step_wall(&self, nanos: i64) {
        self.wall_error.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Moves both clocks forward.
    pub(super) fn jump(&self, time: Duration) {
        self.jumped.fetch_add(saturating_nanos(time), Ordering::Relaxed);
    }

    /// Nanoseconds that this node counted since the start.
    fn counted(&self) -> u64 {
        let elapsed = saturating_nanos(turmoil::sim_elapsed().unwrap_or_default());
        let drift = i128::from(elapsed) * i128::from(self.drift_ppm) / 1_000_000;
        let counted = elapsed.saturating_add_signed(i64::try_from(drift).unwrap());
        counted + self.jumped.load(Ordering::Relaxed)
    }
}

impl Clock for NodeClock {
    fn monotonic(&self) -> Monotonic {
        Monotonic::from_nanos(saturating_nanos(self.origin) + self.counted())
    }

    fn wall(&self) -> Wall {
        let wall = saturating_nanos(WALL) + self.counted();
        Wall::from_nanos(wall.saturating_add_signed(self.wall_error.load(Ordering::Relaxed)))
    }
}
