//! The sender's end of streams of batches: one to each peer, for all groups.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tollgate_proto::peer as message;
use tollgate_proto::peer::forward_response::Outcome;
use tonic::Streaming;

use super::appending::SETUP_TIMEOUT;
use super::forwarded::IN_FLIGHT_MAX;
use super::peer::{Client, Peers};
use crate::group::{Committed, NotProposed};
use crate::meta::Spec;
use crate::types::NodeId;

/// Batches that wait for a peer's stream, at most.
const QUEUE_MAX: usize = 64;

/// Longest wait for any answer while some are to come: longer than the leader gives itself.
const SILENCE_MAX: Duration = Duration::from_secs(8);

type Answered = Result<Committed, NotProposed>;

/// Hands batches to the nodes that lead their groups.
pub struct Forwarder {
    peers: Arc<Peers>,
    spec: Arc<Spec>,
    from: NodeId,
    tasks: TaskTracker,
    ended: CancellationToken,
    open: Mutex<BTreeMap<NodeId, mpsc::Sender<Asked>>>,
}

struct Asked {
    group: u32,
    batch: Bytes,
    answer: oneshot::Sender<Answered>,
}

impl Forwarder {
    pub(crate) fn new(
        peers: Arc<Peers>,
        spec: Arc<Spec>,
        from: NodeId,
        tasks: TaskTracker,
        ended: CancellationToken,
    ) -> Self {
        Self { peers, spec, from, tasks, ended, open: Mutex::default() }
    }

    /// Hands a batch to the node that leads its group. Of the batches to one node, those asked for
    /// first arrive first, as long as its stream lasts.
    pub fn forward(
        &self,
        to: NodeId,
        group: u32,
        batch: Bytes,
    ) -> BoxFuture<'static, Result<Committed, NotProposed>> {
        let (answer, answered) = oneshot::channel();
        let sent = self.queue(to).map(|queue| queue.try_send(Asked { group, batch, answer }));
        Box::pin(async move {
            match sent {
                Some(Ok(())) => answered.await.unwrap_or(Err(NotProposed::Unknown)),
                // It did not leave this node.
                Some(Err(_)) | None => Err(NotProposed::NotLeader(None)),
            }
        })
    }

    fn queue(&self, to: NodeId) -> Option<mpsc::Sender<Asked>> {
        let mut open = self.open.lock();
        if let Some(queue) = open.get(&to) {
            return Some(queue.clone());
        }
        let member = self.spec.member(to).filter(|_| to != self.from)?;
        let (queue, asked) = mpsc::channel(QUEUE_MAX);
        let cluster = self.spec.cluster().to_bytes().to_vec().into();
        let route = message::Route { cluster, group: 0, from: self.from, to };
        let stream = Stream { client: self.peers.at(&member.address).bulk.clone(), route, asked };
        let ended = self.ended.clone();
        self.tasks.spawn(async move { ended.run_until_cancelled(stream.run()).await });
        open.insert(to, queue.clone());
        Some(queue)
    }
}

/// The stream to one peer, as long as the node lives.
struct Stream {
    client: Client,
    route: message::Route,
    asked: mpsc::Receiver<Asked>,
}

/// A stream that the peer has taken.
struct Open {
    requests: mpsc::Sender<message::ForwardRequest>,
    answers: Streaming<message::ForwardResponse>,
    waiting: BTreeMap<u64, oneshot::Sender<Answered>>,
    last_id: u64,
}

impl Stream {
    async fn run(mut self) {
        while let Some(first) = self.asked.recv().await {
            match self.open().await {
                Some(mut open) => {
                    open.send(first);
                    open.run(&mut self.asked).await;
                    // Dropped: all that wait hear that nobody knows.
                }
                None => self.refuse(first),
            }
        }
    }

    /// Nothing of what was asked has left this node.
    fn refuse(&mut self, first: Asked) {
        let _ = first.answer.send(Err(NotProposed::NotLeader(None)));
        while let Ok(asked) = self.asked.try_recv() {
            let _ = asked.answer.send(Err(NotProposed::NotLeader(None)));
        }
    }

    /// The peer answers the route before any batch is sent, so a batch whose stream was not taken is
    /// surely not executed. How often a peer is dialed is bounded by its connection.
    async fn open(&mut self) -> Option<Open> {
        let (requests, mut to_send) = mpsc::channel(IN_FLIGHT_MAX);
        let route = Some(self.route.clone());
        let first = message::ForwardRequest { route, ..message::ForwardRequest::default() };
        let _ = requests.try_send(first);
        let body = stream::poll_fn(move |cx| to_send.poll_recv(cx));
        let taken = tokio::time::timeout(SETUP_TIMEOUT, self.client.forward(body)).await;
        let answers = taken.ok()?.ok()?.into_inner();
        Some(Open { requests, answers, waiting: BTreeMap::new(), last_id: 0 })
    }
}

impl Open {
    /// There is room: no more are sent than wait for answers, and a little later than they are
    /// answered the connection has taken them.
    fn send(&mut self, asked: Asked) {
        self.last_id += 1;
        let Asked { group, batch, answer } = asked;
        let request = message::ForwardRequest { route: None, id: self.last_id, group, batch };
        match self.requests.try_send(request) {
            Ok(()) => drop(self.waiting.insert(self.last_id, answer)),
            Err(_) => drop(answer.send(Err(NotProposed::NotLeader(None)))),
        }
    }

    async fn run(&mut self, asked: &mut mpsc::Receiver<Asked>) {
        loop {
            let may_send = self.waiting.len() < IN_FLIGHT_MAX;
            tokio::select! {
                biased;
                answer = self.answers.message() => match answer {
                    Ok(Some(answer)) => self.answered(answer),
                    Ok(None) | Err(_) => return,
                },
                next = asked.recv(), if may_send => match next {
                    Some(next) => self.send(next),
                    None => return,
                },
                () = tokio::time::sleep(SILENCE_MAX), if !self.waiting.is_empty() => return,
            }
        }
    }

    fn answered(&mut self, response: message::ForwardResponse) {
        let Some(answer) = self.waiting.remove(&response.id) else { return };
        let answered = match response.outcome {
            Some(Outcome::Committed(message::Committed { index, reply })) => {
                Ok(Committed { index, reply })
            }
            Some(Outcome::NotLeader(message::NotLeader { leader })) => {
                Err(NotProposed::NotLeader((leader != 0).then_some(leader)))
            }
            Some(Outcome::Unknown(_)) | None => Err(NotProposed::Unknown),
        };
        let _ = answer.send(answered);
    }
}
