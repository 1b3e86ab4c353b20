//! Time as values: three kinds of instant that cannot be mixed up, and the clock that joins them.
//!
//! All are unsigned nanoseconds. Nothing here reads a clock; `tollgate-runtime` owns the real one
//! and tests own a [`ManualClock`].

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// Nanoseconds in a second.
pub const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// The largest correction that [`LogClock`] makes, in parts per million of the elapsed time.
///
/// It bounds how much faster than real time an epoch-aligned window can turn: 0.05 %.
pub const SLEW_PPM_MAX: u64 = 500;

/// [`LogClock::resume`] leaves out one part in so many of the time that it carries over: two clocks of
/// sound machines drift apart by a tenth of that at most.
pub const CARRIED_PART: u64 = 1_000;

macro_rules! instant {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// The instant that lies `nanos` nanoseconds after this kind's origin.
            pub const fn from_nanos(nanos: u64) -> Self {
                Self(nanos)
            }

            /// Nanoseconds since this kind's origin.
            pub const fn as_nanos(self) -> u64 {
                self.0
            }

            /// This instant moved forward; stays at the greatest instant instead of overflowing.
            pub fn plus(self, duration: Duration) -> Self {
                Self(self.0.saturating_add(saturating_nanos(duration)))
            }

            /// How long `earlier` lies in the past, or zero if it does not.
            pub const fn since(self, earlier: Self) -> Duration {
                Duration::from_nanos(self.0.saturating_sub(earlier.0))
            }
        }
    };
}

instant! {
    /// A reading of a process's monotonic clock. Its origin means nothing outside the process.
    Monotonic
}
instant! {
    /// A reading of the wall clock, since the UNIX epoch. It may step in either direction.
    Wall
}
instant! {
    /// Time as the ledger sees it: never runs faster than real time and never steps.
    LogTime
}

/// A duration in nanoseconds, or the greatest `u64` (584 years) if it is longer.
pub fn saturating_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The two instants that a decision needs, read once per decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For refill and for everything that only cares how much time went by.
    pub log: LogTime,
    /// For windows that are aligned with the UNIX epoch: log time plus an offset that follows the
    /// wall clock slowly.
    pub epoch: Wall,
}

/// Where instants come from.
pub trait Clock: Send + Sync {
    /// The monotonic clock now.
    fn monotonic(&self) -> Monotonic;
    /// The wall clock now.
    fn wall(&self) -> Wall;
}

/// Joins the monotonic and the wall clock into [`Now`] so that neither direction of a wall clock's
/// step can open a window twice.
///
/// Log time starts at the wall clock of the moment of creation and advances with the monotonic
/// clock. The offset to the wall clock is corrected by [`LogClock::discipline`], at most
/// [`SLEW_PPM_MAX`] of the elapsed time a call. A correction backwards makes epoch time stand still
/// until it is reached again, so it never runs backwards.
#[derive(Debug)]
pub struct LogClock {
    origin: Monotonic,
    origin_log: LogTime,
    offset_nanos: AtomicI64,
    disciplined_at: AtomicU64,
    /// Epoch time was here before the latest correction backwards.
    floor_nanos: AtomicU64,
}

impl LogClock {
    /// A clock that agrees with `wall` at `monotonic`.
    pub fn new(monotonic: Monotonic, wall: Wall) -> Self {
        Self {
            origin: monotonic,
            origin_log: LogTime(wall.0),
            offset_nanos: AtomicI64::new(0),
            disciplined_at: AtomicU64::new(monotonic.0),
            floor_nanos: AtomicU64::new(0),
        }
    }

    /// A clock that goes on where another one was: `last` is the latest time that it told, and `elapsed`
    /// the time since, as this process measured it by its own monotonic clock, which reads `monotonic`
    /// now.
    ///
    /// It starts at `last` and `elapsed`, less a part in [`CARRIED_PART`] for clocks that do not run
    /// alike, and keeps the offset of epoch time: so neither time has passed faster than it really did,
    /// and neither is ever behind `last`, whose two times are less than 292 years apart.
    /// [`Self::discipline`] closes what is left to the wall clock.
    pub fn resume(last: Now, elapsed: Duration, monotonic: Monotonic) -> Self {
        let elapsed = saturating_nanos(elapsed);
        let carried = Duration::from_nanos(elapsed - elapsed.div_ceil(CARRIED_PART));
        let offset = i128::from(last.epoch.0) - i128::from(last.log.0);
        let bound = |limit: i64| i64::try_from(offset).unwrap_or(limit);
        Self {
            origin: monotonic,
            origin_log: last.log.plus(carried),
            offset_nanos: AtomicI64::new(bound(if offset < 0 { i64::MIN } else { i64::MAX })),
            disciplined_at: AtomicU64::new(monotonic.0),
            floor_nanos: AtomicU64::new(last.epoch.0),
        }
    }

    /// The time of a decision taken at `monotonic`.
    pub fn now(&self, monotonic: Monotonic) -> Now {
        let log = self.origin_log.plus(monotonic.since(self.origin));
        // Acquire: whoever sees a correction backwards sees the floor that was set before it.
        let offset = self.offset_nanos.load(Ordering::Acquire);
        let floor = self.floor_nanos.load(Ordering::Relaxed);
        Now { log, epoch: Wall(log.0.saturating_add_signed(offset).max(floor)) }
    }

    /// Moves the offset toward the wall clock. Called by one owner, about once a second.
    pub fn discipline(&self, monotonic: Monotonic, wall: Wall) {
        let before = Monotonic(self.disciplined_at.swap(monotonic.0, Ordering::Relaxed));
        let elapsed = saturating_nanos(monotonic.since(before));
        let step_max = (elapsed / 1_000_000).saturating_mul(SLEW_PPM_MAX);
        let step_max = i64::try_from(step_max).unwrap_or(i64::MAX);
        let epoch = self.now(monotonic).epoch;
        let error = i128::from(wall.0) - i128::from(epoch.0);
        let step = error.clamp(-i128::from(step_max), i128::from(step_max));
        let step = i64::try_from(step).unwrap_or(0);
        if step < 0 {
            self.floor_nanos.fetch_max(epoch.0, Ordering::Relaxed);
        }
        self.offset_nanos.fetch_add(step, Ordering::Release);
    }
}

/// A clock that moves only when told to.
#[derive(Debug, Default)]
pub struct ManualClock {
    monotonic: AtomicU64,
    wall: AtomicU64,
}

impl ManualClock {
    /// A clock whose monotonic reading is zero and whose wall reading is `wall`.
    pub fn starting_at(wall: Wall) -> Self {
        Self { monotonic: AtomicU64::new(0), wall: AtomicU64::new(wall.0) }
    }

    /// Moves both readings forward.
    pub fn advance(&self, by: Duration) {
        let nanos = saturating_nanos(by);
        self.monotonic.fetch_add(nanos, Ordering::Relaxed);
        self.wall.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Steps the wall clock alone, as an administrator or a time daemon would.
    pub fn step_wall_to(&self, wall: Wall) {
        self.wall.store(wall.0, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn monotonic(&self) -> Monotonic {
        Monotonic(self.monotonic.load(Ordering::Relaxed))
    }

    fn wall(&self) -> Wall {
        Wall(self.wall.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
#[path = "time_tests.rs"]
mod tests;
