//! The state of the group that knows of the others: what the cluster was founded with.

use bytes::Bytes;

/// Bytes of what a cluster is founded with.
pub(super) const FOUNDING_BYTES_MAX: usize = 64 << 10;

/// What the cluster was founded with, as it was written. The first entry says it for good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    founding: Bytes,
}

impl Meta {
    /// What the cluster was founded with; empty before the first entry.
    pub fn founding(&self) -> &Bytes {
        &self.founding
    }

    /// The state that a snapshot tells of.
    pub(crate) fn from_founding(founding: Bytes) -> Self {
        Self { founding }
    }

    /// Keeps the first entry, and answers with what is kept.
    pub(super) fn apply(&mut self, data: &Bytes, is_awaited: bool) -> Bytes {
        if self.founding.is_empty() && data.len() <= FOUNDING_BYTES_MAX {
            self.founding = data.clone();
        }
        if is_awaited { self.founding.clone() } else { Bytes::new() }
    }
}
