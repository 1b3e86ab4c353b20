//! `CheckStream`: checks are decided as they come, and answered in their order.
//!
//! It keeps one check at a time: the next is taken once the transport has taken the last answer, so a
//! caller that does not read is not read from. It ends when its caller does, when nothing was asked
//! for a while, and when the node drains. An end says that what has no answer was not executed.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use http::HeaderValue;
use tokio::time::Sleep;
use tollgate_proto::v1::{self, CheckStreamRequest, CheckStreamResponse};
use tollgate_runtime::drain::Draining;
use tonic::Status;

use super::{Call, Failure, Native};

/// Answers in one turn; then the core's other connections have theirs.
const TURN: u32 = 64;

/// Checks that are still answered once the drain has started: those that were on their way.
const LAST_CHECKS: u32 = 1_000;

/// The answers of one stream.
pub struct Answers<S> {
    native: Native,
    checks: S,
    authorization: Option<HeaderValue>,
    idle_max: Duration,
    /// Made when there is nothing to do.
    idle: Option<Pin<Box<Sleep>>>,
    draining: Draining,
    drained: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Checks that are answered yet.
    last: u32,
    turn: u32,
    ended: bool,
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
            native,
            checks,
            authorization,
            idle_max,
            idle: None,
            draining,
            drained,
            last: LAST_CHECKS,
            turn: 0,
            ended: false,
        }
    }

    fn answer(&mut self, request: CheckStreamRequest) -> CheckStreamResponse {
        let CheckStreamRequest { id, check } = request;
        let native = &self.native;
        let call = Call { authorization: self.authorization.as_ref(), deadline: None };
        let began = native.parts.decider.clock().monotonic();
        let result = match &check {
            Some(check) => native.result(check, call, began),
            None => {
                let missing = v1::Fault::Missing.at("check");
                v1::batch_error(native.count(missing.into()).of_several())
            }
        };
        CheckStreamResponse { id, result: Some(result) }
    }

    fn end(&mut self) -> Poll<Option<Result<CheckStreamResponse, Status>>> {
        self.ended = true;
        Poll::Ready(Some(Err(Failure::StreamEnded.into())))
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
        if this.draining.has_started() {
            if this.last == 0 {
                return this.end();
            }
            this.last -= 1;
        }
        match Pin::new(&mut this.checks).poll_next(cx) {
            Poll::Ready(Some(Ok(check))) => {
                this.turn += 1;
                this.idle = None;
                return Poll::Ready(Some(Ok(this.answer(check))));
            }
            Poll::Ready(Some(Err(status))) => {
                this.ended = true;
                return Poll::Ready(Some(Err(status)));
            }
            Poll::Ready(None) => {
                this.ended = true;
                return Poll::Ready(None);
            }
            Poll::Pending => this.turn = 0,
        }
        if this.draining.has_started() || this.drained.as_mut().poll(cx).is_ready() {
            return this.end();
        }
        let idle_max = this.idle_max;
        let idle = this.idle.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle_max)));
        match idle.as_mut().poll(cx) {
            Poll::Ready(()) => this.end(),
            Poll::Pending => Poll::Pending,
        }
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
