//! A state in parts of about a mebibyte, to be written down and made anew.

use bytes::Bytes;

use super::meta::FOUNDING_BYTES_MAX;
use super::{Meta, View};
use crate::snapshot::BadSnapshot;

/// The group that knows of the others.
pub(super) const META_GROUP: u32 = 0;

/// The parts of a view, in order. What was written is dropped, so that the state which goes on
/// copies no more of it.
pub(crate) enum Parts {
    Meta(Option<Meta>),
}

impl View {
    pub(crate) fn into_parts(self) -> Parts {
        match self {
            Self::Meta(meta) => Parts::Meta(Some(meta)),
        }
    }
}

impl Iterator for Parts {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        match self {
            Self::Meta(meta) => meta.take().map(|meta| meta.founding().clone()),
        }
    }
}

/// A state that is made of its parts.
pub(crate) enum Assembly {
    Meta(Option<Meta>),
}

impl Assembly {
    pub(crate) fn of(group: u32) -> Self {
        match group {
            META_GROUP => Self::Meta(None),
            _ => Self::Meta(None),
        }
    }

    pub(crate) fn push(&mut self, part: Bytes) -> Result<(), BadSnapshot> {
        match self {
            Self::Meta(known) => {
                if known.is_some() || part.len() > FOUNDING_BYTES_MAX {
                    return Err(BadSnapshot::State("a founding of too many parts".to_owned()));
                }
                *known = Some(Meta::from_founding(part));
                Ok(())
            }
        }
    }

    pub(crate) fn finish(self) -> Result<View, BadSnapshot> {
        match self {
            Self::Meta(meta) => meta.map(View::Meta).ok_or(BadSnapshot::Early),
        }
    }
}
