//! A state in parts of about a mebibyte, to be written down and made anew.

use bytes::Bytes;

use tollgate_proto::log::{Builder, Chunks, chunks};

use super::View;
use crate::meta::{META_GROUP, Meta};
use crate::snapshot::BadSnapshot;

/// The parts of a view, in order. What was written is dropped, so that the state which goes on
/// copies no more of it.
pub(crate) enum Parts {
    Meta(Option<Meta>),
    Counters(Box<Chunks>),
}

impl View {
    pub(crate) fn into_parts(self) -> Parts {
        match self {
            Self::Meta(meta) => Parts::Meta(Some(meta)),
            Self::Counters(view) => Parts::Counters(Box::new(chunks(*view))),
        }
    }
}

impl Iterator for Parts {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        match self {
            Self::Meta(meta) => meta.take().map(|meta| meta.encode()),
            Self::Counters(chunks) => chunks.next(),
        }
    }
}

/// A state that is made of its parts.
pub(crate) enum Assembly {
    Meta(Option<Meta>),
    Counters(Box<Builder>),
}

impl Assembly {
    pub(crate) fn of(group: u32) -> Self {
        match group {
            META_GROUP => Self::Meta(None),
            _ => Self::Counters(Box::default()),
        }
    }

    pub(crate) fn push(&mut self, part: Bytes) -> Result<(), BadSnapshot> {
        match self {
            Self::Meta(known) => {
                if known.is_some() {
                    return Err(BadSnapshot::State("it has one part only".to_owned()));
                }
                let read = Meta::decode(&part);
                *known = Some(read.map_err(bad_state)?);
                Ok(())
            }
            Self::Counters(builder) => builder.push(part).map_err(bad_state),
        }
    }

    pub(crate) fn finish(self) -> Result<View, BadSnapshot> {
        match self {
            Self::Meta(meta) => meta.map(View::Meta).ok_or(BadSnapshot::Early),
            Self::Counters(builder) => {
                let replica = builder.finish().map_err(bad_state)?;
                Ok(View::Counters(Box::new(replica.view())))
            }
        }
    }
}

fn bad_state(error: impl std::fmt::Display) -> BadSnapshot {
    BadSnapshot::State(error.to_string())
}
