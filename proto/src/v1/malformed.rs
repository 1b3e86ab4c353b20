//! What is wrong with a message, and in which field.

use std::time::Duration;

/// Bytes of a caller's own text that a sentence about it repeats.
const SHOWN_BYTES_MAX: usize = 80;

/// Why a message of the native API is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is malformed, or beyond a bound.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// There is no named limit of this name.
    #[error("there is no limit named {0}")]
    UnknownLimit(String),
}

impl Refused {
    /// A limit that does not exist; its name is the caller's text.
    pub fn unknown_limit(name: &str) -> Self {
        Self::UnknownLimit(shown(name))
    }
}

/// A field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {fault}")]
pub struct Malformed {
    /// The way to it: `subject.descriptors.descriptors[0].entries`.
    pub field: String,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It must be there.
    #[error("is missing")]
    Missing,
    /// None or several of what must be one.
    #[error("must have exactly one of `limit`, `descriptors` and `inline`")]
    NotOne,
    /// More of it than is allowed.
    #[error("{found} is more than the {max} that this server allows")]
    TooMany {
        /// How much there is.
        found: usize,
        /// How much is allowed.
        max: usize,
    },
    /// A text that is too long.
    #[error("{found} bytes are more than the {max} that this server allows")]
    TooLong {
        /// How long it is.
        found: usize,
        /// How long it may be.
        max: usize,
    },
    /// A number that is too small or too large.
    #[error("{found} is not from {min} to {max}")]
    OutOfRange {
        /// The number.
        found: u64,
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A duration that is too short or too long.
    #[error("{found:?} is not from {min:?} to {max:?}")]
    DurationOutOfRange {
        /// The duration.
        found: Duration,
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// A duration that is negative or whose nanoseconds are no part of a second.
    #[error("is no duration: it must not be negative, and its nanos be below a second")]
    NotADuration,
    /// A name with other characters than it may have.
    #[error("a name is 1 to 64 of a-z, 0-9, _ and -")]
    NotAName,
    /// An enum's number that does not exist.
    #[error("{0} is no algorithm")]
    UnknownAlgorithm(i32),
    /// A burst beside an algorithm that has none.
    #[error("only a token bucket has a burst")]
    NoBurst,
    /// A named limit counts by a key that the request has no value for.
    #[error("a value for `{0}` is missing: the limit counts by it")]
    KeyMissing(String),
    /// A named limit does not count by a key that the request has.
    #[error("there is a value for `{0}`, by which the limit does not count")]
    KeyUnknown(String),
    /// No idempotency key.
    #[error("an idempotency key is 1 to 128 printable ASCII characters")]
    NotAKey,
    /// No name of a reservation.
    #[error("a reservation is named by 32 hexadecimal digits, 0-9 and a-f")]
    NotAReservation,
    /// No key of a counter.
    #[error("a counter's key has 32 hexadecimal digits")]
    NotACounter,
    /// An enum's number that does not exist.
    #[error("{0} is nothing to order by")]
    UnknownOrder(i32),
}

impl Fault {
    /// At a field.
    pub fn at(self, field: impl Into<String>) -> Malformed {
        Malformed { field: field.into(), fault: self }
    }

    pub(super) fn key_missing(key: &str) -> Self {
        Self::KeyMissing(shown(key))
    }

    pub(super) fn key_unknown(key: &str) -> Self {
        Self::KeyUnknown(shown(key))
    }

    pub(super) fn unless_at_most(max: usize, found: usize) -> Result<(), Self> {
        if found > max { Err(Self::TooMany { found, max }) } else { Ok(()) }
    }

    pub(super) fn unless_as_long(max: usize, found: usize) -> Result<(), Self> {
        if found > max { Err(Self::TooLong { found, max }) } else { Ok(()) }
    }
}

/// A caller's text as an answer and a log may repeat it.
fn shown(text: &str) -> String {
    let cut = &text[..text.floor_char_boundary(SHOWN_BYTES_MAX)];
    let mut shown = cut.replace(tollgate_core::plan::is_unprintable, "\u{fffd}");
    if cut.len() < text.len() {
        shown.push('…');
    }
    shown
}
