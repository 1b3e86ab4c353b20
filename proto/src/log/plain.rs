//! Instants, numbers and names: what everything else is made of.

use std::time::Duration;

use tollgate_core::command::Bounds;
use tollgate_core::key::{Key, ReservationId};
use tollgate_core::limit::{Algorithm, Quota, Window};
use tollgate_core::time::{LogTime, Now, Wall, saturating_nanos};

use super::bounds::TEXT_BYTES_MAX;
use super::generated as wire;
use super::malformed::Malformed;

impl From<Now> for wire::Now {
    fn from(now: Now) -> Self {
        Self { log: now.log.as_nanos(), epoch: now.epoch.as_nanos() }
    }
}

impl From<wire::Now> for Now {
    fn from(now: wire::Now) -> Self {
        Self { log: LogTime::from_nanos(now.log), epoch: Wall::from_nanos(now.epoch) }
    }
}

impl From<ReservationId> for wire::Id {
    fn from(id: ReservationId) -> Self {
        Self { high: id.high(), low: id.low() }
    }
}

impl From<wire::Id> for ReservationId {
    fn from(id: wire::Id) -> Self {
        Self::from_halves(id.high, id.low)
    }
}

impl From<Key> for wire::Key {
    fn from(key: Key) -> Self {
        Self { high: key.high(), low: key.low() }
    }
}

impl From<wire::Key> for Key {
    fn from(key: wire::Key) -> Self {
        Self::from_halves(key.high, key.low)
    }
}

impl From<Bounds> for wire::Bounds {
    fn from(bounds: Bounds) -> Self {
        let Bounds { keys_max, bytes_max, reservations_max } = bounds;
        let number = |of: usize| u64::try_from(of).unwrap_or(u64::MAX);
        Self {
            keys_max: number(keys_max),
            bytes_max: number(bytes_max),
            reservations_max: number(reservations_max),
        }
    }
}

impl TryFrom<wire::Bounds> for Bounds {
    type Error = Malformed;

    fn try_from(bounds: wire::Bounds) -> Result<Self, Malformed> {
        Ok(Self {
            keys_max: size("number of keys", bounds.keys_max)?,
            bytes_max: size("number of bytes", bounds.bytes_max)?,
            reservations_max: size("number of reservations", bounds.reservations_max)?,
        })
    }
}

impl From<&Quota> for wire::Quota {
    fn from(quota: &Quota) -> Self {
        let (algorithm, burst) = match quota.algorithm {
            Algorithm::FixedWindow => (wire::Algorithm::FixedWindow, 0),
            Algorithm::SlidingWindow => (wire::Algorithm::SlidingWindow, 0),
            Algorithm::TokenBucket { burst } => (wire::Algorithm::TokenBucket, burst),
        };
        Self {
            limit: quota.limit,
            window: quota.window.nanos(),
            algorithm: algorithm.into(),
            burst,
            counts_refused: quota.counts_refused,
            penalty_max: quota.penalty_max.map(saturating_nanos),
        }
    }
}

impl TryFrom<wire::Quota> for Quota {
    type Error = Malformed;

    fn try_from(quota: wire::Quota) -> Result<Self, Malformed> {
        let algorithm = match wire::Algorithm::try_from(quota.algorithm) {
            Ok(wire::Algorithm::FixedWindow) => Algorithm::FixedWindow,
            Ok(wire::Algorithm::SlidingWindow) => Algorithm::SlidingWindow,
            Ok(wire::Algorithm::TokenBucket) => Algorithm::TokenBucket { burst: quota.burst },
            Ok(wire::Algorithm::Unspecified) | Err(_) => {
                let found = quota.algorithm;
                return Err(Malformed::Unknown { what: "algorithm", found });
            }
        };
        Ok(Self {
            limit: quota.limit,
            window: window(quota.window)?,
            algorithm,
            counts_refused: quota.counts_refused,
            penalty_max: quota.penalty_max.map(Duration::from_nanos),
        })
    }
}

/// A window of this length; its unit follows from it.
pub(super) fn window(nanos: u64) -> Result<Window, Malformed> {
    let out_of_range = Malformed::OutOfRange { what: "window", found: nanos };
    Window::of_length(Duration::from_nanos(nanos)).ok_or(out_of_range)
}

pub(super) fn size(what: &'static str, found: u64) -> Result<usize, Malformed> {
    usize::try_from(found).map_err(|_| Malformed::OutOfRange { what, found })
}

pub(super) fn needed<T>(what: &'static str, found: Option<T>) -> Result<T, Malformed> {
    found.ok_or(Malformed::Missing(what))
}

/// A text as it is written.
pub(super) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

/// A text as it was written.
pub(super) fn text(found: String) -> Result<Box<str>, Malformed> {
    Malformed::unless_at_most(TEXT_BYTES_MAX, "bytes of a text", found.len())?;
    Ok(found.into_boxed_str())
}

/// Each of them, until one cannot be read.
pub(super) fn all<T, U>(max: usize, what: &'static str, found: Vec<T>) -> Result<Vec<U>, Malformed>
where
    U: TryFrom<T, Error = Malformed>,
{
    Malformed::unless_at_most(max, what, found.len())?;
    found.into_iter().map(U::try_from).collect()
}
