//! What calls in flight may hold over the whole process.
//!
//! Each message is bounded in bytes and time and each connection in calls, but their product over
//! all connections is far more than a machine has. So whatever a call keeps while it waits is
//! counted against one number for all listeners; a call that would exceed it is refused at once. A
//! call that came whole and is answered at once is never counted and costs nothing here.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tollgate_runtime::seldom::Seldom;
use tonic::Status;

use crate::metrics;

/// Bytes of each body that are not counted: those of an ordinary message, which many clients send a
/// moment before they say that it is over. What a waiting call holds beside its body covers them.
const FREE_BODY_BYTES: usize = 4 * 1_024;

/// Bytes that calls in flight may hold; copies share one number. It lives as long as the process, so
/// that a call can take it along without counting owners.
#[derive(Clone, Copy, Debug)]
pub struct Budget(&'static Shared);

#[derive(Debug)]
struct Shared {
    held: AtomicUsize,
    bytes_max: usize,
    refused: Seldom,
}

/// The budget is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many calls are in flight: try again, or raise bounds.in_flight_bytes_max")]
pub struct NoRoom;

impl From<NoRoom> for Status {
    fn from(error: NoRoom) -> Self {
        Self::resource_exhausted(error.to_string())
    }
}

impl Budget {
    /// A budget of `bytes_max` bytes of which nothing is held. To be made once a process: it is never
    /// freed.
    pub fn new(bytes_max: usize) -> Self {
        let shared = Shared { held: AtomicUsize::new(0), bytes_max, refused: Seldom::default() };
        Self(Box::leak(Box::new(shared)))
    }

    /// Bytes that are held now.
    pub fn held(&self) -> usize {
        self.0.held.load(Ordering::Relaxed)
    }

    /// Takes nothing yet.
    pub(crate) const fn hold_nothing(&self) -> Held {
        Held { budget: *self, bytes: 0 }
    }

    /// Takes `bytes` until the result is dropped.
    ///
    /// # Errors
    /// [`NoRoom`] if fewer are left.
    pub fn hold(&self, bytes: usize) -> Result<Held, NoRoom> {
        let mut held = self.hold_nothing();
        held.grow(bytes)?;
        Ok(held)
    }

    /// Whether `bytes` more would fit now.
    ///
    /// # Errors
    /// [`NoRoom`] if they would not.
    pub(crate) fn room_for(&self, bytes: usize) -> Result<(), NoRoom> {
        let fits = self.held().saturating_add(bytes) <= self.0.bytes_max;
        if fits { Ok(()) } else { Err(self.refuse()) }
    }

    /// Whoever is refused can come back at once: the log must not be theirs to fill.
    fn refuse(&self) -> NoRoom {
        metrics::count_no_room();
        if let Some(number) = self.0.refused.count() {
            let held = self.held();
            tracing::warn!(event = "no_room", number, held, "{NoRoom}");
        }
        NoRoom
    }
}

/// A part of the budget; given back when it is dropped.
#[derive(Debug)]
pub struct Held {
    budget: Budget,
    bytes: usize,
}

impl Held {
    /// Takes `bytes` more.
    ///
    /// # Errors
    /// [`NoRoom`] if fewer are left.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let Shared { held, bytes_max, .. } = self.budget.0;
        // Nothing is published by this number but itself.
        let taken = held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            held.checked_add(bytes).filter(|sum| sum <= bytes_max)
        });
        taken.map_err(|_| self.budget.refuse())?;
        self.bytes += bytes;
        Ok(())
    }

    /// Gives it all back.
    pub(crate) fn release(&mut self) {
        if self.bytes > 0 {
            self.budget.0.held.fetch_sub(self.bytes, Ordering::Relaxed);
            self.bytes = 0;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.release();
    }
}

/// A request's body that counts what has arrived of it, until it is dropped. A small one is not
/// counted, and neither is the last frame: whoever reads it has no reason to keep it.
#[derive(Debug)]
pub struct Metered<B> {
    body: B,
    received: usize,
    /// Of a gRPC body: makes room for its message as soon as it says how long it will be.
    framed: Option<Framed>,
    held: Held,
}

/// How a gRPC body is counted.
#[derive(Debug, Default)]
struct Framed {
    prefix: Prefix,
    /// Bytes of the current message that have not arrived.
    left: usize,
    /// It carries many messages, each of which is gone when the next one begins.
    is_stream: bool,
}

impl Framed {
    /// Takes what comes next of a stream and returns what is held of the message that is not whole
    /// yet: all of it, or what has arrived where it can never be held.
    fn feed_stream(&mut self, mut data: &[u8], bytes_max: usize) -> usize {
        loop {
            if self.left > 0 {
                let (taken, rest) = data.split_at(self.left.min(data.len()));
                self.left -= taken.len();
                data = rest;
                if self.left > 0 {
                    let declared = self.prefix.declared();
                    let fits = declared <= bytes_max;
                    return if fits { declared } else { declared - self.left };
                }
                self.prefix = Prefix::default();
            }
            if data.is_empty() {
                return 0;
            }
            let known = self.prefix.count;
            self.prefix.feed(data);
            data = &data[self.prefix.count - known..];
            if self.prefix.count < self.prefix.bytes.len() {
                return 0;
            }
            self.left = self.prefix.declared();
            if self.left == 0 {
                self.prefix = Prefix::default();
            }
        }
    }
}

/// The five bytes before a gRPC message, as far as they have arrived: a flag, and a length.
#[derive(Debug, Default)]
struct Prefix {
    bytes: [u8; 5],
    count: usize,
}

impl Prefix {
    /// Takes what comes next of the body.
    fn feed(&mut self, data: &[u8]) {
        for (place, byte) in self.bytes.iter_mut().skip(self.count).zip(data) {
            *place = *byte;
            self.count += 1;
        }
    }

    /// The length of the message, once it is known.
    fn declared(&self) -> usize {
        let [_, length @ ..] = self.bytes;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if self.count == self.bytes.len() { length } else { 0 }
    }
}

/// Why a body ended early. Its source is what a gRPC service answers with.
#[derive(Debug, thiserror::Error)]
pub enum MeteredError<E: std::error::Error + 'static> {
    /// The process holds too much already.
    #[error("{NoRoom}")]
    NoRoom(#[source] Status),
    /// The body's own error.
    #[error("{0}")]
    Body(#[source] E),
}

impl<B> Metered<B> {
    /// Counts `body` against `budget`.
    pub fn new(body: B, budget: Budget) -> Self {
        let held = budget.hold_nothing();
        Self { body, received: 0, framed: None, held }
    }

    /// Counts `body`, which carries a gRPC message, against `budget`: whoever decodes it reserves
    /// its whole length with the first bytes.
    pub fn grpc(body: B, budget: Budget) -> Self {
        Self { framed: Some(Framed::default()), ..Self::new(body, budget) }
    }

    /// Counts `body`, which carries many gRPC messages one after another: of each it holds as much
    /// as of a single one, until it is whole.
    pub fn grpc_stream(body: B, budget: Budget) -> Self {
        let framed = Framed { is_stream: true, ..Framed::default() };
        Self { framed: Some(framed), ..Self::new(body, budget) }
    }

    /// Notes what has arrived and returns what is held of the body now.
    fn note(&mut self, data: &[u8]) -> usize {
        self.received = self.received.saturating_add(data.len());
        let Some(framed) = &mut self.framed else {
            return self.received;
        };
        let bytes_max = self.held.budget.0.bytes_max;
        if framed.is_stream {
            return framed.feed_stream(data, bytes_max);
        }
        framed.prefix.feed(data);
        // A message that can never be held is refused by its length.
        let declared = framed.prefix.declared();
        if declared <= bytes_max { self.received.max(declared) } else { self.received }
    }
}

impl<B> Body for Metered<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + 'static,
{
    type Data = Bytes;
    type Error = MeteredError<B::Error>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        let Poll::Ready(Some(Ok(frame))) = polled else {
            return polled.map(|end| end.map(|frame| frame.map_err(MeteredError::Body)));
        };
        let size = frame.data_ref().map_or(0, |data| this.note(data));
        let counted = size.saturating_sub(FREE_BODY_BYTES);
        if this.framed.as_ref().is_some_and(|framed| framed.is_stream) && counted < this.held.bytes
        {
            this.held.release();
        }
        if counted > this.held.bytes && !this.body.is_end_stream() {
            let grown = this.held.grow(counted - this.held.bytes);
            grown.map_err(|no_room| MeteredError::NoRoom(no_room.into()))?;
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
