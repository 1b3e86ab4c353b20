//! A view, chunk by chunk.

use std::collections::VecDeque;

use prost::bytes::{Bytes, BytesMut};
use prost::encoding::message;
use tollgate_core::replica::{ONCE_PARTS, RESERVATION_PARTS, SessionImage, View};

use super::CHUNK_BYTES;
use super::shard;
use crate::log::answer::answered;
use crate::log::generated as wire;
use wire::record::Record as Kind;

/// The number of the field of `Chunk` in snapshot.proto.
const RECORDS: u32 = 1;

/// The chunks of a view, made one after another.
#[derive(Debug)]
pub struct Chunks {
    view: View,
    next: Step,
    buffer: BytesMut,
    /// Full ones; a step may fill several.
    ready: VecDeque<Bytes>,
    counted: wire::Tail,
}

/// What is written next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Head,
    Shard(usize),
    Reservations(usize),
    Once(usize),
    Sessions,
    Tail,
    Nothing,
}

/// The chunks of a view. The same view gives the same chunks on every node.
pub fn chunks(view: View) -> Chunks {
    let counted = wire::Tail::default();
    let (buffer, ready) = (BytesMut::new(), VecDeque::new());
    Chunks { view, next: Step::Head, buffer, ready, counted }
}

impl Iterator for Chunks {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        while self.ready.is_empty() {
            if let Step::Nothing = self.next {
                let last = self.buffer.split().freeze();
                return (!last.is_empty()).then_some(last);
            }
            self.next = self.write(self.next);
        }
        self.ready.pop_front()
    }
}

impl Chunks {
    /// Writes what stands at `step`, and says what follows.
    fn write(&mut self, step: Step) -> Step {
        // Cheap: counts of what it holds.
        match step {
            Step::Head => {
                self.write_head();
                Step::Shard(0)
            }
            Step::Shard(at) => match self.view.shard_image(at) {
                Some(image) => {
                    self.counted.shards += 1;
                    shard::records(image, |record| self.push(record));
                    Step::Shard(at + 1)
                }
                None => Step::Reservations(0),
            },
            Step::Reservations(part) if part < RESERVATION_PARTS => {
                let all: Vec<_> =
                    self.view.reservations_of(part).map(wire::Reservation::from).collect();
                all.into_iter().for_each(|one| self.push(Kind::Reservation(one)));
                Step::Reservations(part + 1)
            }
            Step::Reservations(_) => Step::Once(0),
            Step::Once(part) if part < ONCE_PARTS => {
                self.write_once(part);
                Step::Once(part + 1)
            }
            Step::Once(_) => Step::Sessions,
            Step::Sessions => {
                let all: Vec<_> = self.view.sessions().collect();
                all.iter().for_each(|session| self.write_session(session));
                Step::Tail
            }
            Step::Tail => {
                self.push(Kind::Tail(self.counted));
                Step::Nothing
            }
            Step::Nothing => Step::Nothing,
        }
    }

    fn write_head(&mut self) {
        let head = self.view.head();
        let small = |of: usize| u32::try_from(of).unwrap_or(u32::MAX);
        self.push(Kind::Head(wire::Head {
            latest: Some(head.latest.into()),
            bounds: head.bounds.map(wire::Bounds::from),
            shards: small(head.shards),
            shard_hand: small(head.shard_hand),
            once_hand: small(head.once_hand),
            reservations_ended: head.reservations_ended,
            calls: head.calls,
        }));
    }

    fn write_once(&mut self, part: usize) {
        let Some((latest, entries)) = self.view.once_of(part) else { return };
        let entries: Vec<_> = entries.collect();
        self.push(Kind::OncePart(wire::OncePart { latest: latest.as_nanos() }));
        for entry in entries {
            let of = entry.answer.as_ref().map(|(fingerprint, _)| *fingerprint);
            let once = wire::Once {
                key: entry.key.to_string(),
                fingerprint_high: of.map_or(0, |of| of.high()),
                fingerprint_low: of.map_or(0, |of| of.low()),
            };
            let answer = entry.answer.as_ref().map(|(_, answer)| answered(answer));
            let end = entry.end.as_nanos();
            self.push(Kind::OnceEntry(wire::OnceEntry { once: Some(once), end, answer }));
        }
    }

    fn write_session(&mut self, session: &SessionImage) {
        let SessionImage { node, used, next, answers } = session;
        let (node, used, next) = (*node, *used, *next);
        self.push(Kind::Session(wire::NodeSession { node, used, next }));
        for (seq, answers) in answers {
            self.push(Kind::Batch(wire::SessionBatch { seq: *seq }));
            answers.iter().for_each(|one| self.push(Kind::Answer(answered(one))));
        }
    }

    fn push(&mut self, record: Kind) {
        let counted = &mut self.counted;
        match record {
            Kind::Place(_) => counted.places += 1,
            Kind::Hold(_) => counted.holds += 1,
            Kind::Reservation(_) => counted.reservations += 1,
            Kind::OncePart(_) => counted.once_parts += 1,
            Kind::OnceEntry(_) => counted.once_entries += 1,
            Kind::Session(_) => counted.sessions += 1,
            Kind::Batch(_) => counted.batches += 1,
            Kind::Answer(_) => counted.answers += 1,
            Kind::Head(_) | Kind::Shard(_) | Kind::Tail(_) => {}
        }
        message::encode(RECORDS, &wire::Record { record: Some(record) }, &mut self.buffer);
        if self.buffer.len() >= CHUNK_BYTES {
            self.ready.push_back(self.buffer.split().freeze());
        }
    }
}
