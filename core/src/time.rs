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
mod tests {
    use super::*;

    const START: Wall = Wall(1_700_000_003 * NANOS_PER_SECOND);

    fn started() -> (ManualClock, LogClock) {
        let clock = ManualClock::starting_at(START);
        let log = LogClock::new(clock.monotonic(), clock.wall());
        (clock, log)
    }

    #[test]
    fn agrees_with_the_wall_clock_at_the_start() {
        let (clock, log) = started();
        assert_eq!(log.now(clock.monotonic()).epoch, START);
    }

    #[test]
    fn a_backward_step_of_the_wall_clock_never_moves_epoch_time_back() {
        let (clock, log) = started();
        let mut last = log.now(clock.monotonic()).epoch;
        clock.step_wall_to(Wall(0));
        for pause in [1_000, 1, 250, 3_600_000, 1].into_iter().cycle().take(500) {
            clock.advance(Duration::from_millis(pause));
            let before = log.now(clock.monotonic()).epoch;
            log.discipline(clock.monotonic(), clock.wall());
            let after = log.now(clock.monotonic()).epoch;
            assert!(before >= last && after >= before, "{last:?} {before:?} {after:?}");
            last = after;
        }
    }

    #[test]
    fn a_forward_step_is_followed_by_at_most_500_ppm() {
        let (clock, log) = started();
        clock.step_wall_to(START.plus(Duration::from_secs(3600)));
        for _ in 0..100 {
            clock.advance(Duration::from_secs(1));
            log.discipline(clock.monotonic(), clock.wall());
        }
        let gained = log.now(clock.monotonic()).epoch.since(START);
        assert_eq!(gained, Duration::from_secs(100) + Duration::from_millis(50));
    }

    #[test]
    fn a_small_error_is_corrected_in_full() {
        let (clock, log) = started();
        clock.step_wall_to(START.plus(Duration::from_micros(300)));
        clock.advance(Duration::from_secs(1));
        log.discipline(clock.monotonic(), clock.wall());
        assert_eq!(log.now(clock.monotonic()).epoch, clock.wall());
    }
}
