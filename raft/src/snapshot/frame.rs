//! Frames: checked one by one by their sums, and all together by their hash.

use std::hash::Hasher as _;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use siphasher::sip128::{Hasher128 as _, SipHasher13};
use tollgate_proto::log::CHUNK_BYTES_MAX;

/// Bytes of a frame: of a part of the state that is as long as any may be, and of what goes before it.
pub const FRAME_BYTES_MAX: usize = CHUNK_BYTES_MAX + 64;

const PREFIX_LEN: usize = 5;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Header = 1,
    Chunk = 2,
    Trailer = 3,
}

/// Why a snapshot was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSnapshot {
    /// A frame is longer than any may be, or shorter than any can be.
    #[error("a frame of {0} bytes")]
    Length(usize),
    /// A frame is not what was sent.
    #[error("a frame's sum is {found:08x}, not {told:08x}")]
    Sum {
        /// Of what came.
        found: u32,
        /// As it was told.
        told: u32,
    },
    /// A frame of no known kind, or not of the kind that is due.
    #[error("a frame of kind {0} where another is due")]
    Order(u8),
    /// It does not begin as a snapshot does.
    #[error("this is no snapshot")]
    Magic,
    /// It is written in a form that this version does not know.
    #[error("a snapshot of form {0}, which this version cannot read")]
    Version(u16),
    /// The header cannot be read, or says what cannot be.
    #[error("the header: {0}")]
    Header(&'static str),
    /// It is another cluster's, or another group's.
    #[error("it is of group {} of cluster {}", .0.group, .0.cluster)]
    Stranger(super::Whose),
    /// A chunk is missing or came twice.
    #[error("chunk {found} where chunk {due} is due")]
    Number {
        /// That came.
        found: u64,
        /// That was to come.
        due: u64,
    },
    /// The end tells of other chunks than came.
    #[error("{found} chunks of {found_bytes} bytes, not {told} of {told_bytes}")]
    Count {
        /// Chunks that came.
        found: u64,
        /// Bytes of them.
        found_bytes: u64,
        /// Chunks that were told of.
        told: u64,
        /// Bytes of them.
        told_bytes: u64,
    },
    /// The whole is not what was sent.
    #[error("the hash of the whole differs")]
    Hash,
    /// The stream ended before its trailer.
    #[error("the stream ended early")]
    Early,
    /// The state that it tells of cannot be.
    #[error("the state: {0}")]
    State(String),
}

/// The hash of frames, in their order.
pub(super) struct Sum(SipHasher13);

impl Sum {
    pub(super) fn new() -> Self {
        Self(SipHasher13::new())
    }

    pub(super) fn add(&mut self, frame: &[u8]) {
        self.0.write_usize(frame.len());
        self.0.write(frame);
    }

    pub(super) fn finish(&self) -> u128 {
        self.0.finish128().as_u128()
    }
}

/// A frame of this payload.
pub(super) fn framed(kind: Kind, payload: &[&[u8]]) -> Bytes {
    let len: usize = payload.iter().map(|part| part.len()).sum();
    let mut frame = BytesMut::with_capacity(PREFIX_LEN + len);
    frame.put_u8(kind as u8);
    frame.put_u32_le(sum(kind as u8, payload));
    for part in payload {
        frame.put_slice(part);
    }
    frame.freeze()
}

/// The kind of a frame, and its payload.
pub(super) fn unframed(frame: &Bytes) -> Result<(Kind, Bytes), BadSnapshot> {
    if frame.len() < PREFIX_LEN || frame.len() > FRAME_BYTES_MAX {
        return Err(BadSnapshot::Length(frame.len()));
    }
    let mut payload = frame.clone();
    let kind = payload.get_u8();
    let told = payload.get_u32_le();
    let found = sum(kind, &[&payload]);
    if found != told {
        return Err(BadSnapshot::Sum { found, told });
    }
    match kind {
        1 => Ok((Kind::Header, payload)),
        2 => Ok((Kind::Chunk, payload)),
        3 => Ok((Kind::Trailer, payload)),
        other => Err(BadSnapshot::Order(other)),
    }
}

fn sum(kind: u8, payload: &[&[u8]]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&[kind]);
    payload.iter().for_each(|part| sum.update(part));
    sum.finalize()
}
