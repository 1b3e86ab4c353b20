//! The data of an entry: a batch of calls, put together where calls come in and stamped by the leader.
//!
//! Protobuf lets the fields of a message be written one after another by different hands: each call is
//! encoded where it is made, a node's batch is its session and its calls, and the leader puts the time
//! before them without reading the rest.

use prost::Message as _;
use prost::bytes::{Bytes, BytesMut};
use prost::encoding::{DecodeContext, WireType, decode_key, message, skip_field};
use tollgate_core::command::Call;
use tollgate_core::replica::{Batch, Session};
use tollgate_core::time::Now;

use super::bounds::{BATCH_BYTES_MAX, CALLS_MAX};
use super::generated as wire;
use super::malformed::Malformed;
use super::plain::{all, needed};

/// The numbers of the fields of `Batch` in log.proto.
const AT: u32 = 1;
const SESSION: u32 = 2;
const CALLS: u32 = 3;

/// Adds the session to a batch in the making.
pub fn encode_session(session: Session, to: &mut BytesMut) {
    message::encode(SESSION, &wire::Session { node: session.node, seq: session.seq }, to);
}

/// Adds a call to a batch in the making. A call within the bounds of this module never makes a batch
/// of its own that is larger than [`BATCH_BYTES_MAX`].
pub fn encode_call(call: &Call, to: &mut BytesMut) {
    message::encode(CALLS, &wire::Call::from(call), to);
}

/// A batch in the making, with its time before all else.
pub fn stamped(calls: &[u8], at: Now) -> Bytes {
    let at = wire::Now::from(at);
    let mut to = BytesMut::with_capacity(message::encoded_len(AT, &at) + calls.len());
    message::encode(AT, &at, &mut to);
    to.extend_from_slice(calls);
    to.freeze()
}

/// A whole batch.
pub fn encode_batch(batch: &Batch) -> Bytes {
    let mut calls = BytesMut::new();
    batch.session.into_iter().for_each(|session| encode_session(session, &mut calls));
    batch.calls.iter().for_each(|call| encode_call(call, &mut calls));
    stamped(&calls, batch.at)
}

/// The time of a batch, without reading its calls; `None` if it has none.
pub fn stamp_of(mut batch: &[u8]) -> Option<Now> {
    while !batch.is_empty() {
        let (field, kind) = decode_key(&mut batch).ok()?;
        if field == AT && kind == WireType::LengthDelimited {
            let mut at = wire::Now::default();
            message::merge(kind, &mut at, &mut batch, DecodeContext::default()).ok()?;
            return Some(at.into());
        }
        skip_field(kind, field, &mut batch, DecodeContext::default()).ok()?;
    }
    None
}

/// Reads a batch.
///
/// # Errors
/// [`Malformed`], the same on every node for the same bytes.
pub fn decode_batch(batch: Bytes) -> Result<Batch, Malformed> {
    Malformed::unless_at_most(BATCH_BYTES_MAX, "bytes of a batch", batch.len())?;
    let wire::Batch { at, session, calls } = wire::Batch::decode(batch)?;
    let session = session.map(|found| Session { node: found.node, seq: found.seq });
    let at = needed("the time of a batch", at)?.into();
    Ok(Batch { at, session, calls: all(CALLS_MAX, "calls", calls)? })
}
