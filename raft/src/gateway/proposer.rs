//! Where a leader puts batches into its group's log: one task a group, which is the only one to stamp
//! them, so that they are stamped in the order in which they stand.
//!
//! The proposer knows nothing of what is in a batch.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, Either, FutureExt, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;
use tollgate_core::command::{Bounds, Command};
use tollgate_core::time::Clock;
use tollgate_proto::log;

use super::figures::Figures;
use super::groups::{Committed, NotProposed, OneGroup};
use super::reign::Reign;
use super::wire;

/// Batches of a group that wait for the log at once: what sixteen nodes have in flight.
const PROPOSED_MAX: usize = 64;

/// How often a leader corrects its clock, and sweeps what has ended.
const EVERY: Duration = Duration::from_secs(1);

/// A batch on its way into the log.
#[derive(Debug)]
pub(super) struct Proposal {
    raw: Bytes,
    answer: oneshot::Sender<Result<Committed, NotProposed>>,
}

/// The way to a group's proposer.
#[derive(Clone, Debug)]
pub(super) struct Proposals(mpsc::Sender<Proposal>);

impl Proposals {
    /// The way, and its end.
    pub(super) fn channel() -> (Self, mpsc::Receiver<Proposal>) {
        let (sender, receiver) = mpsc::channel(PROPOSED_MAX);
        (Self(sender), receiver)
    }

    /// Proposes a batch of any node, after those that were proposed before it.
    pub(super) async fn propose(&self, raw: Bytes) -> Result<Committed, NotProposed> {
        let (answer, answered) = oneshot::channel();
        let sent = self.0.send(Proposal { raw, answer }).await;
        sent.map_err(|_| NotProposed::NotLeader(None))?;
        answered.await.unwrap_or(Err(NotProposed::Unknown))
    }
}

/// The proposer of one group.
pub(super) struct Proposer {
    pub(super) group: Arc<dyn OneGroup>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) bounds: Bounds,
    pub(super) figures: Arc<Figures>,
    pub(super) queue: mpsc::Receiver<Proposal>,
}

type Flying = FuturesUnordered<BoxFuture<'static, ()>>;

impl Proposer {
    /// Runs until nobody can propose any more.
    pub(super) async fn run(mut self) {
        let mut reign: Option<Reign> = None;
        let mut flying = Flying::new();
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        every.reset();
        let mut changed = self.group.changed();
        loop {
            self.follow(&mut reign, &flying);
            tokio::select! {
                biased;
                Some(()) = flying.next(), if !flying.is_empty() => {}
                proposal = self.queue.recv(), if flying.len() < PROPOSED_MAX => {
                    let Some(proposal) = proposal else { return };
                    self.follow(&mut reign, &flying);
                    self.take(proposal, reign.as_mut(), &flying);
                }
                () = &mut changed => changed = self.group.changed(),
                _ = every.tick(), if reign.is_some() => {
                    if let Some(reign) = &mut reign {
                        self.each_second(reign, &flying);
                    }
                }
            }
        }
    }

    /// Begins a reign where this node leads in a new term, and ends one that is over.
    fn follow(&self, reign: &mut Option<Reign>, flying: &Flying) {
        let term = self.group.leads();
        if reign.as_ref().map(|reign| reign.term) == term {
            return;
        }
        let begin = |term| Reign::begin(term, self.group.last_stamp(), &*self.clock);
        *reign = term.map(begin);
        if let Some(reign) = reign
            && !self.group.known().is_bounded
        {
            self.propose_own(reign, Command::Bound(self.bounds), flying);
        }
    }

    fn take(&self, proposal: Proposal, reign: Option<&mut Reign>, flying: &Flying) {
        let Proposal { raw, mut answer } = proposal;
        let Some(reign) = reign else {
            let leader = self.group.leader().map(|(leader, _)| leader);
            // Whoever went away is told nothing.
            drop(answer.send(Err(NotProposed::NotLeader(leader))));
            return;
        };
        let proposed = self.propose(reign, &raw);
        let told = async move {
            // Whoever went away leaves its place to others; the entry stays in the log.
            let done = match select(proposed, Box::pin(answer.closed())).await {
                Either::Left((done, _)) => done,
                Either::Right(_) => return,
            };
            drop(answer.send(done));
        };
        fly(Box::pin(told), flying);
    }

    /// Once a second: the clock follows the wall clock, what has ended is swept.
    fn each_second(&self, reign: &mut Reign, flying: &Flying) {
        reign.discipline(&*self.clock);
        let known = self.group.known();
        if !known.is_bounded {
            self.propose_own(reign, Command::Bound(self.bounds), flying);
        } else if known.holds_anything {
            self.propose_own(reign, Command::Tick, flying);
        }
    }

    /// Proposes what no node asked for; nobody waits for it.
    fn propose_own(&self, reign: &mut Reign, command: Command, flying: &Flying) {
        if flying.len() >= PROPOSED_MAX {
            return;
        }
        let proposed = self.propose(reign, &wire::own(command));
        fly(Box::pin(proposed.map(drop)), flying);
    }

    fn propose(
        &self,
        reign: &mut Reign,
        raw: &Bytes,
    ) -> BoxFuture<'static, Result<Committed, NotProposed>> {
        self.figures.proposed.one();
        self.group.propose(reign.term, log::stamped(raw, reign.stamp(&*self.clock)))
    }
}

/// Polls once, so that entries take their places in the order of their stamps.
fn fly(mut future: Pin<Box<dyn Future<Output = ()> + Send>>, flying: &Flying) {
    if (&mut future).now_or_never().is_none() {
        flying.push(future);
    }
}
