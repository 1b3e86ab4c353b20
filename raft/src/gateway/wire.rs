//! Batches as they are sent.
//!
//! A call is encoded by whoever asks, on its own core; a batch is a session and such calls one after
//! another, and the leader's stamp goes before them without reading the rest.

use bytes::{Bytes, BytesMut};
use tollgate_core::command::{Call, Command};
use tollgate_core::replica::{Answered, Session};
use tollgate_proto::log;

/// What a batch's session and stamp take at most.
const HEADER_BYTES_MAX: usize = 128;

/// The longest encoded call: a batch of it alone is within the log's bounds.
pub(super) const CALL_BYTES_MAX: usize = log::BATCH_BYTES_MAX - HEADER_BYTES_MAX;

/// An encoded call, as it stands in a batch.
#[derive(Clone, Debug)]
pub(super) struct Encoded(Bytes);

impl Encoded {
    pub(super) fn of(call: &Call) -> Self {
        let mut encoded = BytesMut::new();
        log::encode_call(call, &mut encoded);
        Self(encoded.freeze())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// The batch of these calls, without its stamp.
pub(super) fn batch<'a>(
    session: Session,
    calls: impl Iterator<Item = &'a Encoded> + Clone,
) -> Bytes {
    let bytes = calls.clone().map(Encoded::len).sum::<usize>();
    let mut batch = BytesMut::with_capacity(HEADER_BYTES_MAX + bytes);
    log::encode_session(session, &mut batch);
    calls.for_each(|call| batch.extend_from_slice(&call.0));
    batch.freeze()
}

/// A batch of one command that no node asked for.
pub(super) fn own(command: Command) -> Bytes {
    Encoded::of(&Call { once: None, command }).0
}

/// Why there are no answers to a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoAnswers {
    /// No replica could read the batch.
    Malformed,
    /// They cannot be read, or are not as many as there are calls.
    Unreadable,
}

/// The answers to `count` calls.
pub(super) fn answers(reply: &Bytes, count: usize) -> Result<Vec<Answered>, NoAnswers> {
    if reply.is_empty() {
        return Err(NoAnswers::Malformed);
    }
    let answers = log::decode_answers(reply.clone()).map_err(|_| NoAnswers::Unreadable)?;
    if answers.len() == count { Ok(answers) } else { Err(NoAnswers::Unreadable) }
}
