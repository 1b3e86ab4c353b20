//! Writes a view down as frames, a few ahead of whoever sends them.

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::sync::mpsc;

use super::frame::{Kind, Sum, framed};
use super::{SnapshotData, Whose, Work, header};
use crate::machine::{Parts, View};
use crate::types::SnapshotMeta;

/// Frames that are written ahead of the one that is being sent.
const FRAMES_AHEAD: usize = 2;

/// The frames of a snapshot.
pub struct Packer {
    next: Next,
    parts: Parts,
    sum: Sum,
    chunks: u64,
    bytes: u64,
}

enum Next {
    Header(Bytes),
    Chunk,
    Nothing,
}

impl Packer {
    /// Of this state, which goes up to where `meta` says.
    pub fn new(whose: Whose, meta: &SnapshotMeta, view: View) -> Self {
        let next = Next::Header(header::pack(whose, meta));
        Self { next, parts: view.into_parts(), sum: Sum::new(), chunks: 0, bytes: 0 }
    }

    fn chunk(&mut self, part: &Bytes) -> Bytes {
        let frame = framed(Kind::Chunk, &[&self.chunks.to_le_bytes(), part]);
        self.chunks += 1;
        self.bytes = self.bytes.saturating_add(part.len() as u64);
        frame
    }

    fn trailer(&self) -> Bytes {
        let [chunks, bytes] = [self.chunks.to_le_bytes(), self.bytes.to_le_bytes()];
        framed(Kind::Trailer, &[&chunks, &bytes, &self.sum.finish().to_le_bytes()])
    }
}

impl Iterator for Packer {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let frame = match std::mem::replace(&mut self.next, Next::Chunk) {
            Next::Header(header) => header,
            Next::Chunk => match self.parts.next() {
                Some(part) => self.chunk(&part),
                None => {
                    self.next = Next::Nothing;
                    return Some(self.trailer());
                }
            },
            Next::Nothing => {
                self.next = Next::Nothing;
                return None;
            }
        };
        self.sum.add(&frame);
        Some(frame)
    }
}

/// The frames of a snapshot, written while they are sent. Whoever drops the stream ends the work.
pub fn send(
    whose: Whose,
    meta: &SnapshotMeta,
    data: SnapshotData,
    work: Work,
) -> impl Stream<Item = Bytes> + Send + Unpin + 'static {
    let mut packer = Packer::new(whose, meta, data.into_view());
    let (frames, written) = mpsc::channel(FRAMES_AHEAD);
    let here = match work {
        Work::Here => Some(packer),
        Work::Aside => {
            tokio::task::spawn_blocking(move || {
                packer.try_for_each(|frame| frames.blocking_send(frame))
            });
            None
        }
    };
    Box::pin(stream::unfold((here, written), |(mut here, mut written)| async move {
        let frame = match &mut here {
            Some(packer) => {
                tokio::task::yield_now().await;
                packer.next()
            }
            None => written.recv().await,
        };
        frame.map(|frame| (frame, (here, written)))
    }))
}
