//! The answers to a batch.

use std::time::Duration;

use prost::Message as _;
use prost::bytes::Bytes;
use tollgate_core::bucket::{Bucket, Outcome};
use tollgate_core::command::{Answer, NotDone};
use tollgate_core::replica::Answered;
use tollgate_core::store::Settled;
use tollgate_core::time::{Now, saturating_nanos};

use super::bounds::{ANSWERS_BYTES_MAX, CALLS_MAX, CHARGES_MAX, FORGET_MAX};
use super::generated as wire;
use super::malformed::Malformed;
use super::plain::{all, cut, needed, text};
use wire::answer::Answer as Kind;

/// The answers to a batch, in the order of its calls.
pub fn encode_answers(answers: &[Answered]) -> Bytes {
    let at = answers.iter().map(|answered| answered.at.log).max();
    let at = answers.iter().find(|answered| Some(answered.at.log) == at).map(|latest| latest.at);
    let at = at.unwrap_or_default();
    let answers = answers.iter().map(|answered| {
        let own = (answered.at != at).then(|| answered.at.into());
        wire::Answer { at: own, answer: Some(Kind::from(&answered.answer)) }
    });
    wire::Answers { at: Some(at.into()), answers: answers.collect() }.encode_to_vec().into()
}

/// Reads the answers to a batch.
///
/// # Errors
/// [`Malformed`].
pub fn decode_answers(answers: Bytes) -> Result<Vec<Answered>, Malformed> {
    Malformed::unless_at_most(ANSWERS_BYTES_MAX, "bytes of answers", answers.len())?;
    let wire::Answers { at, answers } = wire::Answers::decode(answers)?;
    Malformed::unless_at_most(CALLS_MAX, "answers", answers.len())?;
    let at = needed("the time of answers", at)?.into();
    answers.into_iter().map(|found| read_answered(found, at)).collect()
}

/// One answer, with its own time.
pub(super) fn answered(answered: &Answered) -> wire::Answer {
    wire::Answer { at: Some(answered.at.into()), answer: Some(Kind::from(&answered.answer)) }
}

/// One answer, executed at `at` unless it says otherwise.
pub(super) fn read_answered(found: wire::Answer, at: Now) -> Result<Answered, Malformed> {
    let answer = needed("an answer that is known", found.answer)?.try_into()?;
    Ok(Answered { answer, at: found.at.map_or(at, Now::from) })
}

impl From<&Answer> for Kind {
    fn from(answer: &Answer) -> Self {
        match answer {
            Answer::Outcomes(all) => Self::Outcomes(wire::Outcomes { outcomes: outcomes(all) }),
            Answer::Previewed { found, outcomes: would_be } => Self::Previewed(wire::Previewed {
                found: outcomes(found),
                outcomes: outcomes(would_be),
            }),
            Answer::Held { id, outcomes: all, is_held } => Self::Held(wire::Held {
                outcomes: outcomes(all),
                is_held: *is_held,
                id: Some((*id).into()),
            }),
            Answer::Described(parts) => {
                Self::Described(wire::Parts { parts: parts.iter().map(wire::Part::from).collect() })
            }
            Answer::Settled { settled, reservation } => Self::Settled(wire::Settled {
                charged: settled.charged,
                uncharged: settled.uncharged,
                outcomes: outcomes(&settled.outcomes),
                reservation: Some((&**reservation).into()),
            }),
            Answer::Forgotten(all) => {
                Self::Forgotten(wire::Forgotten { found: all.iter().map(found).collect() })
            }
            Answer::Done => Self::Done(wire::Done {}),
            Answer::NotDone(why) => Self::NotDone(not_done(*why).into()),
        }
    }
}

impl TryFrom<Kind> for Answer {
    type Error = Malformed;

    fn try_from(answer: Kind) -> Result<Self, Malformed> {
        Ok(match answer {
            Kind::Outcomes(all) => Self::Outcomes(read_outcomes(all.outcomes)?),
            Kind::Previewed(all) => Self::Previewed {
                found: read_outcomes(all.found)?,
                outcomes: read_outcomes(all.outcomes)?,
            },
            Kind::Held(held) => Self::Held {
                id: needed("the name of a reservation", held.id)?.into(),
                outcomes: read_outcomes(held.outcomes)?,
                is_held: held.is_held,
            },
            Kind::Described(found) => Self::Described(all(CHARGES_MAX, "parts", found.parts)?),
            Kind::Settled(found) => Self::Settled {
                settled: Settled {
                    charged: found.charged,
                    uncharged: found.uncharged,
                    outcomes: read_outcomes(found.outcomes)?,
                },
                reservation: Box::new(
                    needed("the reservation that was settled", found.reservation)?.try_into()?,
                ),
            },
            Kind::Forgotten(all) => {
                Malformed::unless_at_most(FORGET_MAX, "buckets", all.found.len())?;
                Self::Forgotten(all.found.into_iter().map(read_found).collect::<Result<_, _>>()?)
            }
            Kind::Done(wire::Done {}) => Self::Done,
            Kind::NotDone(why) => Self::NotDone(read_not_done(why)?),
        })
    }
}

fn outcomes(all: &[Outcome]) -> Vec<wire::Outcome> {
    all.iter().map(wire::Outcome::from).collect()
}

fn read_outcomes(found: Vec<wire::Outcome>) -> Result<Vec<Outcome>, Malformed> {
    Malformed::unless_at_most(CHARGES_MAX, "outcomes", found.len())?;
    Ok(found.into_iter().map(Outcome::from).collect())
}

impl From<&Outcome> for wire::Outcome {
    fn from(outcome: &Outcome) -> Self {
        Self {
            over: outcome.over,
            before: outcome.before,
            after: outcome.after,
            remaining: outcome.remaining,
            reset_after: saturating_nanos(outcome.reset_after),
            retry_after: outcome.retry_after.map(saturating_nanos),
        }
    }
}

impl From<wire::Outcome> for Outcome {
    fn from(found: wire::Outcome) -> Self {
        Self {
            over: found.over,
            before: found.before,
            after: found.after,
            remaining: found.remaining,
            reset_after: Duration::from_nanos(found.reset_after),
            retry_after: found.retry_after.map(Duration::from_nanos),
        }
    }
}

fn found(was: &Option<(Bucket, Box<str>)>) -> wire::Found {
    let Some((bucket, text)) = was else { return wire::Found::default() };
    wire::Found { bucket: Some(bucket.image().into()), text: cut(text).to_owned() }
}

fn read_found(found: wire::Found) -> Result<Option<(Bucket, Box<str>)>, Malformed> {
    let Some(image) = found.bucket else { return Ok(None) };
    let bucket = Bucket::from_image(image.try_into()?)?;
    Ok(Some((bucket, text(found.text)?)))
}

fn not_done(why: NotDone) -> wire::NotDone {
    match why {
        NotDone::Full => wire::NotDone::Full,
        NotDone::ReservationsFull => wire::NotDone::ReservationsFull,
        NotDone::UnknownReservation => wire::NotDone::UnknownReservation,
        NotDone::Conflict => wire::NotDone::Conflict,
        NotDone::OnceFull => wire::NotDone::OnceFull,
        NotDone::Unbounded => wire::NotDone::Unbounded,
        NotDone::AnswerForgotten => wire::NotDone::AnswerForgotten,
        NotDone::Malformed => wire::NotDone::Malformed,
        NotDone::AnswersFull => wire::NotDone::AnswersFull,
    }
}

fn read_not_done(found: i32) -> Result<NotDone, Malformed> {
    Ok(match wire::NotDone::try_from(found) {
        Ok(wire::NotDone::Full) => NotDone::Full,
        Ok(wire::NotDone::ReservationsFull) => NotDone::ReservationsFull,
        Ok(wire::NotDone::UnknownReservation) => NotDone::UnknownReservation,
        Ok(wire::NotDone::Conflict) => NotDone::Conflict,
        Ok(wire::NotDone::OnceFull) => NotDone::OnceFull,
        Ok(wire::NotDone::Unbounded) => NotDone::Unbounded,
        Ok(wire::NotDone::AnswerForgotten) => NotDone::AnswerForgotten,
        Ok(wire::NotDone::Malformed) => NotDone::Malformed,
        Ok(wire::NotDone::AnswersFull) => NotDone::AnswersFull,
        Ok(wire::NotDone::Unspecified) | Err(_) => {
            return Err(Malformed::Unknown { what: "reason", found });
        }
    })
}
