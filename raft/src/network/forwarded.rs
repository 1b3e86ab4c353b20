//! The leader's end of a stream of batches.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, FuturesUnordered, Stream, StreamExt as _};
use tollgate_proto::peer as message;
use tollgate_proto::peer::forward_response::Outcome;
use tonic::Streaming;

use super::serve::Host;
use crate::group::{Committed, NotProposed};
use crate::types::NodeId;

/// Batches of one node that are under way, at most: beyond, its stream waits. Some for each group.
pub(super) const IN_FLIGHT_MAX: usize = 64;

/// Longest wait for a batch's answers: a leader that lost its majority has none.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Answers to the batches of `from`, as they are ready. Batches are handed on in the order in which
/// they came.
pub(super) fn answers(
    host: Arc<dyn Host>,
    from: NodeId,
    requests: Streaming<message::ForwardRequest>,
) -> impl Stream<Item = message::ForwardResponse> + Send + 'static {
    let state =
        Answering { host, from, requests: Some(requests), under_way: FuturesUnordered::new() };
    stream::unfold(state, |mut state| async move { Some((state.next().await?, state)) })
}

struct Answering {
    host: Arc<dyn Host>,
    from: NodeId,
    requests: Option<Streaming<message::ForwardRequest>>,
    /// First polled in the order of their arrival.
    under_way: FuturesUnordered<BoxFuture<'static, message::ForwardResponse>>,
}

impl Answering {
    async fn next(&mut self) -> Option<message::ForwardResponse> {
        loop {
            let may_read = self.under_way.len() < IN_FLIGHT_MAX;
            let Some(requests) = self.requests.as_mut().filter(|_| may_read) else {
                return self.under_way.next().await;
            };
            tokio::select! {
                biased;
                Some(response) = self.under_way.next() => return Some(response),
                request = requests.message() => match request {
                    Ok(Some(request)) => self.take(request),
                    // What is under way is answered if the caller still listens.
                    Ok(None) | Err(_) => self.requests = None,
                },
            }
        }
    }

    fn take(&mut self, request: message::ForwardRequest) {
        let message::ForwardRequest { id, group, batch, .. } = request;
        let handed = self.host.forwarded(self.from, group, batch);
        self.under_way.push(Box::pin(async move {
            let answered = tokio::time::timeout(ANSWER_TIMEOUT, handed).await;
            let outcome = match answered.unwrap_or(Err(NotProposed::Unknown)) {
                Ok(Committed { index, reply }) => {
                    Outcome::Committed(message::Committed { index, reply })
                }
                Err(NotProposed::NotLeader(leader)) => {
                    Outcome::NotLeader(message::NotLeader { leader: leader.unwrap_or_default() })
                }
                Err(NotProposed::Unknown) => Outcome::Unknown(message::Unknown {}),
            };
            message::ForwardResponse { id, outcome: Some(outcome) }
        }));
    }
}
