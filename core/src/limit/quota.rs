//! How much is allowed: a number of hits, a window, and the algorithm that counts them.

use std::time::Duration;

use super::Unit;
use crate::key::Shape;
use crate::time::{NANOS_PER_SECOND, saturating_nanos};

/// How hits are counted against a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Windows aligned with the UNIX epoch; a new window starts empty.
    FixedWindow,
    /// At most the limit in any window, wherever it starts.
    SlidingWindow,
    /// A bucket of `burst` hits that refills at the limit's rate.
    TokenBucket {
        /// Hits that the bucket holds.
        burst: u32,
    },
}

/// The length of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    unit: Unit,
    nanos: u64,
}

impl Window {
    /// One whole unit.
    pub fn of_unit(unit: Unit) -> Self {
        Self { unit, nanos: u64::from(unit.seconds()) * NANOS_PER_SECOND }
    }

    /// A window of any length of at least one millisecond; `None` for a shorter one.
    ///
    /// On the wire, where only whole units exist, it is shown with the longest unit that is not
    /// longer than the window (a second where it is shorter than that).
    pub fn of_length(length: Duration) -> Option<Self> {
        let nanos = saturating_nanos(length);
        if nanos < 1_000_000 {
            return None;
        }
        let fits = |unit: &Unit| u64::from(unit.seconds()) * NANOS_PER_SECOND <= nanos;
        let unit = Unit::ALL.into_iter().rev().find(fits).unwrap_or(Unit::Second);
        Some(Self { unit, nanos })
    }

    /// The unit that stands for this window on the wire.
    pub const fn unit(self) -> Unit {
        self.unit
    }

    /// The length in nanoseconds; never zero.
    pub const fn nanos(self) -> u64 {
        self.nanos
    }
}

/// A number of hits, a window, and how they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    /// Hits allowed in one window. Zero denies every hit.
    pub limit: u32,
    /// The window's length.
    pub window: Window,
    /// How hits are counted.
    pub algorithm: Algorithm,
    /// Whether hits that a fixed window refuses stay counted, as the reference service has it.
    /// Other algorithms never count them.
    pub counts_refused: bool,
    /// The longest wait of a client that comes back before the time it was told; without it, no
    /// wait grows.
    pub penalty_max: Option<Duration>,
}

impl Quota {
    /// `limit` hits in each `unit`, counted in fixed windows: the protocol's own kind of limit.
    pub fn per_unit(limit: u32, unit: Unit) -> Self {
        let window = Window::of_unit(unit);
        Self {
            limit,
            window,
            algorithm: Algorithm::FixedWindow,
            counts_refused: true,
            penalty_max: None,
        }
    }

    /// The most hits that can pass at once.
    pub fn burst(&self) -> u32 {
        match self.algorithm {
            Algorithm::FixedWindow | Algorithm::SlidingWindow => self.limit,
            Algorithm::TokenBucket { burst } => burst,
        }
    }

    /// What each of so many nodes may allow that do not know of each other: the number and a token
    /// bucket's burst divided by it, rounded down, but one hit at least of a limit that allows any.
    /// A limit smaller than the number of nodes is therefore exceeded if all of them are asked.
    pub fn shared_by(self, nodes: u32) -> Self {
        let share = |number: u32| (number / nodes.max(1)).max(number.min(1));
        let algorithm = match self.algorithm {
            Algorithm::TokenBucket { burst } => Algorithm::TokenBucket { burst: share(burst) },
            other => other,
        };
        Self { limit: share(self.limit), algorithm, ..self }
    }

    /// The part of this quota that belongs to its buckets' identity; the number does not.
    pub fn shape(&self, index: u8) -> Shape {
        let algorithm = match self.algorithm {
            Algorithm::FixedWindow => 1,
            Algorithm::SlidingWindow => 2,
            Algorithm::TokenBucket { .. } => 3,
        };
        Shape { algorithm, window_nanos: self.window.nanos(), index }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_shown_with_the_longest_unit_that_fits_in_it() {
        let shown = |seconds| Window::of_length(Duration::from_secs(seconds)).unwrap().unit();
        assert_eq!(shown(15), Unit::Second);
        assert_eq!(shown(60), Unit::Minute);
        assert_eq!(shown(300), Unit::Minute);
        assert_eq!(shown(86_400 * 31), Unit::Month);
        assert_eq!(Window::of_length(Duration::from_millis(1)).unwrap().unit(), Unit::Second);
    }

    #[test]
    fn a_window_too_short_to_mean_anything_is_refused() {
        assert_eq!(Window::of_length(Duration::ZERO), None);
        assert_eq!(Window::of_length(Duration::from_micros(999)), None);
    }

    #[test]
    fn a_share_is_rounded_down_and_leaves_one_hit_of_any() {
        let of = |limit| Quota::per_unit(limit, Unit::Minute).shared_by(3).limit;
        assert_eq!([0, 1, 2, 3, 5, 6, 100].map(of), [0, 1, 1, 1, 1, 2, 33]);
        let algorithm = Algorithm::TokenBucket { burst: 10 };
        let bucket = Quota { algorithm, ..Quota::per_unit(100, Unit::Minute) };
        assert_eq!((bucket.shared_by(3).limit, bucket.shared_by(3).burst()), (33, 3));
        assert_eq!(bucket.shared_by(1), bucket.shared_by(0));
    }

    #[test]
    fn the_number_is_not_part_of_the_identity_and_the_window_is() {
        let ten = Quota::per_unit(10, Unit::Minute);
        assert_eq!(ten.shape(0), Quota::per_unit(20, Unit::Minute).shape(0));
        assert_ne!(ten.shape(0), Quota::per_unit(10, Unit::Hour).shape(0));
    }
}
