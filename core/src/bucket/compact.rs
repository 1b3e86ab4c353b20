//! The stored form of buckets that are an instant and a number.
//!
//! Both algorithms that need no more share it, so that the enums around it find room for their tags
//! in the unused values of [`Kind`] and a bucket stays 16 bytes.

/// An instant, a number, and what they mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compact {
    /// Nanoseconds.
    pub(super) at: u64,
    pub(super) number: u32,
    /// Whose state it is.
    pub kind: Kind,
}

/// Whose state a [`Compact`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A [`FixedWindow`](super::FixedWindow).
    FixedWindow,
    /// A [`TokenBucket`](super::TokenBucket).
    TokenBucket,
}
