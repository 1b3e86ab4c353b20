//! What is wrong with an entry, an answer or a piece of a snapshot.

/// Bytes that are none of ours, or are beyond a bound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// No protobuf, or fields of other types.
    #[error(transparent)]
    Undecodable(#[from] prost::DecodeError),
    /// A field that must be there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// The number of something that this version does not know.
    #[error("{found} is no {what}")]
    Unknown {
        /// What was looked for.
        what: &'static str,
        /// The number.
        found: i32,
    },
    /// What no bucket can be.
    #[error(transparent)]
    Bucket(#[from] tollgate_core::bucket::BadBucket),
    /// More than is allowed.
    #[error("{found} {what} are more than {max}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        max: usize,
    },
    /// A number that its field cannot be.
    #[error("{found} is no {what}")]
    OutOfRange {
        /// What it should be.
        what: &'static str,
        /// The number.
        found: u64,
    },
}

impl Malformed {
    pub(super) fn unless_at_most(max: usize, what: &'static str, found: usize) -> Result<(), Self> {
        if found > max { Err(Self::TooMany { what, found, max }) } else { Ok(()) }
    }
}
