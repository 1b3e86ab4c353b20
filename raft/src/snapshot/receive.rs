//! Makes a state of the frames of a snapshot, and gives it away only if all of it is right.

use bytes::{Buf as _, Bytes};

use super::frame::{Kind, Sum, unframed};
use super::{BadSnapshot, SnapshotData, Whose, Work, header};
use crate::machine::{Assembly, View};
use crate::types::SnapshotMeta;

const NUMBER_LEN: usize = size_of::<u64>();
const TRAILER_LEN: usize = 2 * NUMBER_LEN + size_of::<u128>();

/// Takes frames one by one.
pub struct Unpacker {
    expected: Whose,
    state: State,
    sum: Sum,
    chunks: u64,
    bytes: u64,
}

enum State {
    Empty,
    Filling(SnapshotMeta, Assembly),
    Whole(SnapshotMeta, View),
    Bad,
}

impl Unpacker {
    /// Takes a snapshot of this group and no other.
    pub fn new(expected: Whose) -> Self {
        Self { expected, state: State::Empty, sum: Sum::new(), chunks: 0, bytes: 0 }
    }

    /// Takes the next frame. After an error nothing more is taken.
    pub fn push(&mut self, frame: &Bytes) -> Result<(), BadSnapshot> {
        let state = std::mem::replace(&mut self.state, State::Bad);
        let (kind, payload) = unframed(frame)?;
        self.state = match (state, kind) {
            (State::Empty, Kind::Header) => {
                let meta = header::unpack(payload, self.expected)?;
                State::Filling(meta, Assembly::of(self.expected.group))
            }
            (State::Filling(meta, mut assembly), Kind::Chunk) => {
                assembly.push(self.part(payload)?)?;
                State::Filling(meta, assembly)
            }
            (State::Filling(meta, assembly), Kind::Trailer) => {
                self.check(payload)?;
                State::Whole(meta, assembly.finish()?)
            }
            (_, kind) => return Err(BadSnapshot::Order(kind as u8)),
        };
        self.sum.add(frame);
        Ok(())
    }

    /// The state that the frames told of.
    pub fn finish(self) -> Result<(SnapshotMeta, SnapshotData), BadSnapshot> {
        match self.state {
            State::Whole(meta, view) => Ok((meta, SnapshotData::new(view))),
            State::Empty | State::Filling(..) | State::Bad => Err(BadSnapshot::Early),
        }
    }

    fn part(&mut self, mut payload: Bytes) -> Result<Bytes, BadSnapshot> {
        if payload.len() < NUMBER_LEN {
            return Err(BadSnapshot::Length(payload.len()));
        }
        let found = payload.get_u64_le();
        if found != self.chunks {
            return Err(BadSnapshot::Number { found, due: self.chunks });
        }
        self.chunks += 1;
        self.bytes = self.bytes.saturating_add(payload.len() as u64);
        Ok(payload)
    }

    fn check(&self, mut payload: Bytes) -> Result<(), BadSnapshot> {
        if payload.len() != TRAILER_LEN {
            return Err(BadSnapshot::Length(payload.len()));
        }
        let (told, told_bytes) = (payload.get_u64_le(), payload.get_u64_le());
        let (found, found_bytes) = (self.chunks, self.bytes);
        if (told, told_bytes) != (found, found_bytes) {
            return Err(BadSnapshot::Count { found, found_bytes, told, told_bytes });
        }
        if payload.get_u128_le() != self.sum.finish() {
            return Err(BadSnapshot::Hash);
        }
        Ok(())
    }
}

/// An [`Unpacker`] that works where it disturbs nobody.
pub struct Receiver {
    unpacker: Option<Unpacker>,
    work: Work,
}

impl Receiver {
    /// Takes a snapshot of this group and no other.
    pub fn new(expected: Whose, work: Work) -> Self {
        Self { unpacker: Some(Unpacker::new(expected)), work }
    }

    /// Takes the next frame. After an error, or if it was dropped half-way, nothing more is taken.
    pub async fn push(&mut self, frame: Bytes) -> Result<(), BadSnapshot> {
        let mut unpacker = self.unpacker.take().ok_or(BadSnapshot::Early)?;
        let pushed = move || unpacker.push(&frame).map(|()| unpacker);
        self.unpacker = Some(self.work.run(pushed).await?);
        Ok(())
    }

    /// The state that the frames told of.
    pub fn finish(self) -> Result<(SnapshotMeta, SnapshotData), BadSnapshot> {
        self.unpacker.ok_or(BadSnapshot::Early)?.finish()
    }
}
