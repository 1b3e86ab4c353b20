//! `CheckStream`: checks are decided as they come, and answered in their order.
//!
//! On a ledger of this node's own it keeps one check at a time: the next is taken once the transport
//! has taken the last answer. On a replicated one checks wait together, within bounds. Either way a
//! caller that does not read is not read from. It ends when its caller does, when nothing was asked
//! for a while, and when the node drains. An end says that what has no answer was not executed, so
//! what is in flight is answered first.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use http::HeaderValue;
use prost::Message as _;
use tokio::time::Sleep;
use tollgate_proto::v1::{self, CheckStreamRequest, CheckStreamResponse};
use tollgate_runtime::drain::Draining;
use tonic::Status;

use super::{Call, Failure, Native};

/// Answers in one turn; then the core's other connections have theirs.
const TURN: u32 = 64;

/// Checks that are still answered once the drain has started: those that were on their way.
const LAST_CHECKS: u32 = 1_000;

/// Checks in flight at once: a caller that keeps so many open is bound by the round trip to the
/// ledger no more.
const IN_FLIGHT_MAX: usize = 256;

/// Bytes of the messages in flight from which no more is taken, so that a stream of the greatest
/// messages holds few of them.
const IN_FLIGHT_BYTES_MAX: usize = 1_024 * 1_024;

/// A check in flight, and the bytes of its message.
type Pending = BoxFuture<'static, (usize, CheckStreamResponse)>;

/// The answers of one stream.
pub struct Answers<S> {
    native: Arc<Native>,
    checks: S,
    /// In the order of the checks; empty where none has to wait.
    pending: FuturesOrdered<Pending>,
    pending_bytes: usize,
    authorization: Option<HeaderValue>,
    idle_max: Duration,
    /// Made when there is nothing to do.
    idle: Option<Pin<Box<Sleep>>>,
    draining: Draining,
    drained: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Checks that are answered yet.
    last: u32,
    turn: u32,
    /// How it ends once everything in flight is answered.
    ending: Option<Ending>,
    ended: bool,
}

/// How a stream ends.
enum Ending {
    /// The caller has nothing more to ask.
    Finished,
    /// The caller's messages broke off.
    Broken(Status),
    /// The node wants it.
    Told,
}

impl<S> Answers<S> {
    pub(super) fn new(
        native: Native,
        checks: S,
        authorization: Option<HeaderValue>,
        draining: Draining,
        idle_max: Duration,
    ) -> Self {
        let drained = Box::pin(draining.started());
        Self {
            native: Arc::new(native),
            checks,
            pending: FuturesOrdered::new(),
            pending_bytes: 0,
            authorization,
            idle_max,
            idle: None,
            draining,
            drained,
            last: LAST_CHECKS,
            turn: 0,
            ending: None,
            ended: false,
        }
    }

    /// The answer to a check, if it need not be waited for.
    fn ask(&mut self, request: CheckStreamRequest) -> Option<CheckStreamResponse> {
        if !self.native.waits() {
            let id = request.id;
            let answered = answer(&self.native, self.authorization.as_ref(), request);
            return Some(answered.now_or_never().unwrap_or_else(|| {
                let failure = v1::batch_error(Failure::Internal.of_several());
                CheckStreamResponse { id, result: Some(failure) }
            }));
        }
        let bytes = request.encoded_len();
        let (native, authorization) = (Arc::clone(&self.native), self.authorization.clone());
        let answered =
            async move { (bytes, answer(&native, authorization.as_ref(), request).await) };
        self.pending_bytes += bytes;
        self.pending.push_back(answered.boxed());
        None
    }

    fn has_room(&self) -> bool {
        self.pending.len() < IN_FLIGHT_MAX && self.pending_bytes < IN_FLIGHT_BYTES_MAX
    }

    /// The next answer of those in flight.
    fn poll_pending(&mut self, cx: &mut Context<'_>) -> Poll<Option<CheckStreamResponse>> {
        let answered = ready!(self.pending.poll_next_unpin(cx));
        Poll::Ready(answered.map(|(bytes, answer)| {
            self.pending_bytes = self.pending_bytes.saturating_sub(bytes);
            answer
        }))
    }

    fn end(&mut self) -> Option<Result<CheckStreamResponse, Status>> {
        self.ended = true;
        match self.ending.take()? {
            Ending::Finished => None,
            Ending::Broken(status) => Some(Err(status)),
            Ending::Told => Some(Err(Failure::StreamEnded.into())),
        }
    }
}

async fn answer(
    native: &Native,
    authorization: Option<&HeaderValue>,
    request: CheckStreamRequest,
) -> CheckStreamResponse {
    let CheckStreamRequest { id, check } = request;
    let call = Call { authorization, deadline: None };
    let began = native.parts.decider.clock().monotonic();
    let result = match &check {
        Some(check) => native.result(check, call, began).await,
        None => {
            let missing = v1::Fault::Missing.at("check");
            v1::batch_error(native.count(missing.into()).of_several())
        }
    };
    CheckStreamResponse { id, result: Some(result) }
}

impl<S> Answers<S>
where
    S: Stream<Item = Result<CheckStreamRequest, Status>> + Unpin,
{
    /// Takes checks until one is answered, there is no room for more, none is there, or others are to
    /// have their turn. Notes how the stream ends, if it does.
    fn take(&mut self, cx: &mut Context<'_>) -> Option<CheckStreamResponse> {
        while self.ending.is_none() && self.has_room() && self.turn < TURN {
            if self.draining.has_started() {
                if self.last == 0 {
                    self.ending = Some(Ending::Told);
                    break;
                }
                self.last -= 1;
            }
            match Pin::new(&mut self.checks).poll_next(cx) {
                Poll::Ready(Some(Ok(check))) => {
                    self.turn += 1;
                    self.idle = None;
                    if let Some(answer) = self.ask(check) {
                        return Some(answer);
                    }
                }
                Poll::Ready(Some(Err(status))) => self.ending = Some(Ending::Broken(status)),
                Poll::Ready(None) => self.ending = Some(Ending::Finished),
                Poll::Pending => {
                    self.turn = 0;
                    if self.draining.has_started() || self.drained.as_mut().poll(cx).is_ready() {
                        self.ending = Some(Ending::Told);
                    }
                    break;
                }
            }
        }
        None
    }
}

impl<S> Stream for Answers<S>
where
    S: Stream<Item = Result<CheckStreamRequest, Status>> + Unpin,
{
    type Item = Result<CheckStreamResponse, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        if this.turn >= TURN {
            this.turn = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(answer) = this.take(cx) {
            return Poll::Ready(Some(Ok(answer)));
        }
        match this.poll_pending(cx) {
            Poll::Ready(Some(answer)) => return Poll::Ready(Some(Ok(answer))),
            Poll::Ready(None) => {}
            Poll::Pending => {
                if std::mem::take(&mut this.turn) >= TURN {
                    // There may be more to take.
                    cx.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
        }
        if this.ending.is_none() {
            let idle_max = this.idle_max;
            let idle = this.idle.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle_max)));
            ready!(idle.as_mut().poll(cx));
            this.ending = Some(Ending::Told);
        }
        Poll::Ready(this.end())
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
