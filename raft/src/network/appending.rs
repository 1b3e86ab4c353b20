//! The leader's end of a stream of entries.
//!
//! openraft's requests are pulled here, by whoever polls the answers, and not by the connection's
//! task: so dropping the answers surely lets go of the requests, which hold a lock of openraft's while
//! they wait. The first request is pulled before the peer is dialed, because openraft waits after an
//! error inside of that pull: without it, a peer that refuses connections makes a loop without end.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt as _};
use openraft::errors::RPCError;
use openraft::raft::{AppendEntriesRequest, StreamAppendResult};
use tokio::sync::mpsc;
use tokio::time::Sleep;
use tollgate_proto::peer as message;
use tonic::Streaming;

use super::client::unreachable;
use super::convert;
use super::peer::Client;
use crate::types::Types;

/// Requests that wait for their answers, at most; with a mebibyte each, what one follower may hold
/// of this node's memory.
pub(super) const IN_FLIGHT_MAX: usize = 16;

/// Longest wait for a stream to be taken.
pub(super) const SETUP_TIMEOUT: Duration = Duration::from_secs(1);

/// Longest wait for an answer, while there is one to come.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(2);

type Answer = Result<StreamAppendResult<Types>, RPCError<Types>>;

/// The answers to `input`, which goes to the peer; `None` if there is nothing to send.
pub(super) async fn appending<S>(
    mut client: Client,
    route: message::Route,
    mut input: S,
) -> Result<Option<Appending<S>>, RPCError<Types>>
where
    S: Stream<Item = AppendEntriesRequest<Types>> + Send + Unpin + 'static,
{
    let Some(first) = input.next().await else { return Ok(None) };
    let mut first = convert::append(&first);
    first.route = Some(route);
    let (requests, mut to_send) = mpsc::channel(IN_FLIGHT_MAX);
    let _ = requests.try_send(first);
    let body = stream::poll_fn(move |cx| to_send.poll_recv(cx));
    let taken = tokio::time::timeout(SETUP_TIMEOUT, client.append(body)).await;
    let answers = taken.map_err(|_| unreachable(&"the stream was not taken in time"))?;
    let answers = answers.map_err(|status| unreachable(&status))?.into_inner();
    Ok(Some(Appending {
        input: Some(input),
        requests: Some(requests),
        answers,
        unanswered: 1,
        silence: Box::pin(tokio::time::sleep(SILENCE_MAX)),
        is_over: false,
    }))
}

pub(super) struct Appending<S> {
    input: Option<S>,
    requests: Option<mpsc::Sender<message::AppendRequest>>,
    answers: Streaming<message::AppendResponse>,
    unanswered: usize,
    silence: Pin<Box<Sleep>>,
    is_over: bool,
}

impl<S> Appending<S>
where
    S: Stream<Item = AppendEntriesRequest<Types>> + Send + Unpin + 'static,
{
    /// Sends what may be sent.
    fn send(&mut self, cx: &mut Context<'_>) {
        while self.unanswered < IN_FLIGHT_MAX {
            let Some(input) = &mut self.input else { return };
            match input.poll_next_unpin(cx) {
                Poll::Pending => return,
                Poll::Ready(None) => {
                    self.input = None;
                    self.requests = None;
                    return;
                }
                Poll::Ready(Some(request)) => {
                    // There is room: no more are in the channel than are unanswered. If the
                    // connection's end is gone, the answers end too.
                    if let Some(requests) = &self.requests {
                        let _ = requests.try_send(convert::append(&request));
                    }
                    if self.unanswered == 0 {
                        self.listen();
                    }
                    self.unanswered += 1;
                }
            }
        }
    }

    /// An answer may take its time from now on.
    fn listen(&mut self) {
        self.silence.as_mut().reset(tokio::time::sleep(SILENCE_MAX).deadline());
    }

    fn answered(&mut self, response: message::AppendResponse) -> Answer {
        self.unanswered = self.unanswered.saturating_sub(1);
        self.listen();
        let answer = convert::read_appended(response).map_err(|malformed| unreachable(&malformed));
        // Nobody answers after one that is not matching.
        self.is_over = !matches!(answer, Ok(Ok(_)));
        answer
    }

    fn over(&mut self, why: &dyn std::fmt::Display) -> Poll<Option<Answer>> {
        self.is_over = true;
        Poll::Ready(Some(Err(unreachable(why))))
    }
}

impl<S> Stream for Appending<S>
where
    S: Stream<Item = AppendEntriesRequest<Types>> + Send + Unpin + 'static,
{
    type Item = Answer;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Answer>> {
        let this = self.get_mut();
        if this.is_over {
            return Poll::Ready(None);
        }
        match this.answers.poll_next_unpin(cx) {
            Poll::Ready(Some(Ok(response))) => return Poll::Ready(Some(this.answered(response))),
            Poll::Ready(Some(Err(status))) => return this.over(&status),
            Poll::Ready(None) if this.unanswered > 0 || this.input.is_some() => {
                return this.over(&"the peer ended the stream");
            }
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => {}
        }
        this.send(cx);
        if this.unanswered > 0 && this.silence.as_mut().poll(cx).is_ready() {
            return this.over(&"the peer does not answer");
        }
        Poll::Pending
    }
}
