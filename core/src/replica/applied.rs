//! What became of a call, and what it costs to remember.

use std::mem::size_of_val;

use crate::bucket::{Bucket, Outcome};
use crate::command::{Answer, NotDone};
use crate::store::Part;
use crate::time::Now;

/// Bytes that the answers to one batch weigh before no more of its calls is executed: a batch of small
/// questions may have large answers, which every replica remembers.
pub const ANSWERS_BYTES_MAX: usize = 1_024 * 1_024;

/// The answer to a call, and the time at which it was executed.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The answer.
    pub answer: Answer,
    /// When it was executed: of a call that came again, the first time.
    pub at: Now,
}

impl Answered {
    pub(super) fn not_done(why: NotDone, at: Now) -> Self {
        Self { answer: Answer::NotDone(why), at }
    }
}

/// About the bytes that an answer takes in memory; equal for equal answers.
pub fn weight(answered: &Answered) -> usize {
    let parts = |parts: &[Part]| -> usize {
        let texts = |part: &Part| part.text.len() + part.name.as_ref().map_or(0, |name| name.len());
        size_of_val(parts) + parts.iter().map(texts).sum::<usize>()
    };
    let bucket = |found: &Option<(Bucket, Box<str>)>| {
        found.as_ref().map_or(0, |(bucket, text)| bucket.heap_bytes() + text.len())
    };
    let outcomes = |outcomes: &[Outcome]| size_of_val(outcomes);
    let heap = match &answered.answer {
        Answer::Outcomes(all) | Answer::Held { outcomes: all, .. } => outcomes(all),
        Answer::Previewed { found, outcomes: would_be } => outcomes(found) + outcomes(would_be),
        Answer::Described(all) => parts(all),
        Answer::Settled { settled, reservation } => {
            outcomes(&settled.outcomes) + size_of_val(&**reservation) + parts(&reservation.parts)
        }
        Answer::Forgotten(all) => size_of_val(&**all) + all.iter().map(bucket).sum::<usize>(),
        Answer::Done | Answer::NotDone(_) => 0,
    };
    size_of::<Answered>() + heap
}
