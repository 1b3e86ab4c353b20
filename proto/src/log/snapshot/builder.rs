//! Chunks, one after another, until they are a replica.

use std::sync::Arc;

use prost::Message as _;
use prost::bytes::Bytes;
use tollgate_core::command::{Bounds, Once};
use tollgate_core::idempotency::Entry;
use tollgate_core::replica::{Answered, Head, Image, Replica, SessionImage};
use tollgate_core::time::{LogTime, Now};

use super::shard::Coming;
use super::{BadSnapshot, CHUNK_BYTES_MAX};
use crate::log::answer::read_answered;
use crate::log::generated as wire;
use crate::log::malformed::Malformed;
use crate::log::plain::needed;
use wire::record::Record as Kind;

/// Makes a replica of chunks. What it holds grows with what it was given and no faster.
#[derive(Debug, Default)]
pub struct Builder {
    image: Image,
    reached: Reached,
    /// The shard whose places are coming.
    shard: Option<Coming>,
    /// The batch whose answers are coming: its session is the last one.
    batch: Option<(u64, Vec<Answered>)>,
    counted: wire::Tail,
    told: wire::Tail,
}

/// Which kind of record came last; they come in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Reached {
    #[default]
    Nothing,
    Head,
    Shards,
    Reservations,
    Once,
    Sessions,
    Tail,
}

impl Builder {
    /// One that was given nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next chunk.
    ///
    /// # Errors
    /// [`BadSnapshot`]; nothing will come of this builder then.
    pub fn push(&mut self, chunk: Bytes) -> Result<(), BadSnapshot> {
        Malformed::unless_at_most(CHUNK_BYTES_MAX, "bytes of a chunk", chunk.len())?;
        let chunk = wire::Chunk::decode(chunk).map_err(Malformed::from)?;
        for record in chunk.records {
            // A kind that is not known cannot be left out: what it said is a part of the state.
            self.take(needed("a record that is known", record.record)?)?;
        }
        Ok(())
    }

    /// The replica.
    ///
    /// # Errors
    /// [`BadSnapshot`] if something is missing, or the pieces do not fit.
    pub fn finish(mut self) -> Result<Replica, BadSnapshot> {
        if self.reached != Reached::Tail {
            return Err(BadSnapshot::Unfinished);
        }
        self.end_shard()?;
        self.end_batch();
        self.judge_counts()?;
        Ok(Replica::from_image(self.image)?)
    }

    fn take(&mut self, record: Kind) -> Result<(), BadSnapshot> {
        match record {
            Kind::Head(head) => {
                if self.reached != Reached::Nothing {
                    return Err(BadSnapshot::OutOfPlace("a head"));
                }
                self.reached = Reached::Head;
                self.image.head = read_head(&head)?;
            }
            Kind::Shard(found) => self.begin_shard(found)?,
            Kind::Place(place) => {
                let shard = self.shard.as_mut().ok_or(BadSnapshot::OutOfPlace("a place"))?;
                self.counted.places += 1;
                shard.add_place(place)?;
            }
            Kind::Hold(hold) => {
                let shard = self.shard.as_mut().ok_or(BadSnapshot::OutOfPlace("a hold"))?;
                self.counted.holds += 1;
                shard.add_hold(hold)?;
            }
            Kind::Reservation(found) => {
                self.reach(Reached::Reservations, "a reservation")?;
                self.counted.reservations += 1;
                self.image.reservations.push(found.try_into()?);
            }
            Kind::OncePart(part) => {
                self.reach(Reached::Once, "a part")?;
                self.counted.once_parts += 1;
                self.image.once.push((LogTime::from_nanos(part.latest), Vec::new()));
            }
            Kind::OnceEntry(found) => {
                self.reach(Reached::Once, "an idempotency key")?;
                self.counted.once_entries += 1;
                let part = self.image.once.last_mut();
                let (_, entries) = part.ok_or(BadSnapshot::OutOfPlace("an idempotency key"))?;
                entries.push(read_entry(found)?);
            }
            Kind::Session(wire::NodeSession { node, used, next }) => {
                self.reach(Reached::Sessions, "a session")?;
                self.end_batch();
                self.counted.sessions += 1;
                let answers = Vec::new();
                self.image.sessions.push(SessionImage { node, used, next, answers });
            }
            Kind::Batch(wire::SessionBatch { seq }) => {
                self.reach(Reached::Sessions, "a batch")?;
                self.end_batch();
                self.counted.batches += 1;
                if self.image.sessions.is_empty() {
                    return Err(BadSnapshot::OutOfPlace("a batch"));
                }
                self.batch = Some((seq, Vec::new()));
            }
            Kind::Answer(answer) => {
                let batch = self.batch.as_mut().ok_or(BadSnapshot::OutOfPlace("an answer"))?;
                self.counted.answers += 1;
                batch.1.push(read_answered(answer, Now::default())?);
            }
            Kind::Tail(tail) => {
                self.reach(Reached::Tail, "a tail")?;
                self.told = tail;
            }
        }
        Ok(())
    }

    fn begin_shard(&mut self, found: wire::Shard) -> Result<(), BadSnapshot> {
        self.reach(Reached::Shards, "a shard")?;
        self.end_shard()?;
        self.counted.shards += 1;
        if self.counted.shards > self.image.head.shards as u64 {
            return Err(BadSnapshot::OutOfPlace("a shard"));
        }
        self.shard = Some(Coming::new(found)?);
        Ok(())
    }

    fn reach(&mut self, place: Reached, what: &'static str) -> Result<(), BadSnapshot> {
        let is_ended = self.reached == Reached::Tail;
        if self.reached == Reached::Nothing || self.reached > place || is_ended {
            return Err(BadSnapshot::OutOfPlace(what));
        }
        if self.reached == Reached::Shards && place > Reached::Shards {
            self.end_shard()?;
        }
        self.reached = place;
        Ok(())
    }

    fn end_shard(&mut self) -> Result<(), BadSnapshot> {
        let Some(coming) = self.shard.take() else { return Ok(()) };
        let at = self.image.shards.len();
        let shard = coming.finish().map_err(|why| BadSnapshot::Shard { at, why })?;
        self.image.shards.push(Arc::new(shard));
        Ok(())
    }

    fn end_batch(&mut self) {
        if let (Some((seq, answers)), Some(session)) =
            (self.batch.take(), self.image.sessions.last_mut())
        {
            session.answers.push((seq, answers.into()));
        }
    }

    fn judge_counts(&self) -> Result<(), BadSnapshot> {
        let (found, told) = (&self.counted, &self.told);
        let all = [
            ("shards", found.shards, told.shards),
            ("places", found.places, told.places),
            ("holds", found.holds, told.holds),
            ("reservations", found.reservations, told.reservations),
            ("parts", found.once_parts, told.once_parts),
            ("idempotency keys", found.once_entries, told.once_entries),
            ("sessions", found.sessions, told.sessions),
            ("batches", found.batches, told.batches),
            ("answers", found.answers, told.answers),
        ];
        let wrong = all.into_iter().find(|(_, found, expected)| found != expected);
        wrong.map_or(Ok(()), |(what, found, expected)| {
            Err(BadSnapshot::Counted { what, found, expected })
        })
    }
}

fn read_head(head: &wire::Head) -> Result<Head, Malformed> {
    Ok(Head {
        latest: needed("the time of a snapshot", head.latest)?.into(),
        bounds: head.bounds.map(Bounds::try_from).transpose()?,
        shards: head.shards as usize,
        shard_hand: head.shard_hand as usize,
        once_hand: head.once_hand as usize,
        reservations_ended: head.reservations_ended,
        calls: head.calls,
    })
}

fn read_entry(found: wire::OnceEntry) -> Result<Entry<Answered>, Malformed> {
    let Once { key, fingerprint } = needed("an idempotency key", found.once)?.try_into()?;
    let answer = found.answer.map(|answer| read_answered(answer, Now::default())).transpose()?;
    Ok(Entry {
        key: key.into(),
        end: LogTime::from_nanos(found.end),
        answer: answer.map(|answer| (fingerprint, answer)),
    })
}
