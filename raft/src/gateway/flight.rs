//! One batch, from its making until its calls are told.
//!
//! It goes to whoever leads. Where nobody knows what became of it, it is sent again with the same
//! number and the same bytes, so that it is executed once however often it arrives. Before it was
//! sent for the first time it may still lose calls whose time is over; afterwards they can only be
//! told that nobody knows.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tollgate_core::command::NotDone;
use tollgate_core::replica::Session;
use tollgate_core::time::Monotonic;

use super::Unavailable;
use super::batcher::Way;
use super::groups::{Committed, NotProposed};
use super::queue::{Reply, Waiting};
use super::wire::{self, NoAnswers};
use crate::types::NodeId;

/// The pause after a node that did not take the batch, unless the leader changes before.
const PAUSE: Duration = Duration::from_millis(20);

/// Nodes that are asked one after the other on the word of the one before, without a pause.
const HINTS_MAX: u32 = 2;

type Attempt = BoxFuture<'static, Result<Committed, NotProposed>>;

pub(super) struct Flight {
    way: Arc<Way>,
    number: u64,
    calls: Vec<Waiting>,
    /// The batch as it is sent; made when it is needed.
    raw: Option<Bytes>,
    made: Monotonic,
    attempts: u32,
    /// It may be in the log already.
    is_doubtful: bool,
}

/// How an attempt ended.
enum Ended {
    Done(Committed),
    /// Ask this one.
    Hint(NodeId),
    Again,
    Over,
}

impl Flight {
    pub(super) fn new(way: Arc<Way>, number: u64, calls: Vec<Waiting>, made: Monotonic) -> Self {
        Self { way, number, calls, raw: None, made, attempts: 0, is_doubtful: false }
    }

    /// Sends it until its calls are told.
    pub(super) async fn run(mut self) {
        let (mut target, mut hints) = (None, 0);
        loop {
            let changed = self.way.group.changed();
            let to = target.take().or_else(|| self.way.group.leader().map(|(leader, _)| leader));
            match self.attempt(to, changed).await {
                Ended::Done(committed) => return self.tell(&committed),
                Ended::Hint(hint) if hints < HINTS_MAX && Some(hint) != to => {
                    hints += 1;
                    target = Some(hint);
                }
                Ended::Hint(_) | Ended::Again => {
                    hints = 0;
                    if !self.pause().await {
                        return;
                    }
                }
                Ended::Over => return,
            }
        }
    }

    /// Asks a node, or waits for one, until it answers, another one leads, or all calls are over.
    async fn attempt(&mut self, to: Option<NodeId>, mut changed: BoxFuture<'static, ()>) -> Ended {
        let mut attempt = to.map(|to| self.send(to));
        loop {
            if !self.expire(attempt.is_some()) {
                return Ended::Over;
            }
            let wait = self.until_next_deadline();
            tokio::select! {
                biased;
                done = of(&mut attempt), if attempt.is_some() => return match done {
                    Ok(committed) => Ended::Done(committed),
                    Err(NotProposed::NotLeader(Some(hint))) => Ended::Hint(hint),
                    Err(NotProposed::NotLeader(None)) => Ended::Again,
                    Err(NotProposed::Unknown) => {
                        self.is_doubtful = true;
                        Ended::Again
                    }
                },
                () = &mut changed => {
                    self.is_doubtful |= attempt.is_some();
                    // Whoever leads now is asked at once.
                    return match self.way.group.leader() {
                        Some((leader, _)) => Ended::Hint(leader),
                        None => Ended::Again,
                    };
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn send(&mut self, to: NodeId) -> Attempt {
        let way = Arc::clone(&self.way);
        if self.attempts > 0 {
            way.figures.resent.one();
        }
        self.attempts += 1;
        let raw = match &self.raw {
            Some(raw) => raw.clone(),
            None => {
                let calls = self.calls.iter().map(|waiting| &waiting.call);
                let session = Session { node: way.me, seq: self.number };
                self.raw.insert(wire::batch(session, calls)).clone()
            }
        };
        if to == way.me {
            return Box::pin(async move { way.proposals.propose(raw).await });
        }
        way.figures.forwarded.one();
        way.forward.forward(to, way.group.id(), raw)
    }

    /// Waits a little, or until the leader changes. False if all calls are over then.
    async fn pause(&mut self) -> bool {
        let changed = self.way.group.changed();
        let pause = PAUSE.min(self.until_next_deadline());
        tokio::select! {
            () = changed => {}
            () = tokio::time::sleep(pause) => {}
        }
        self.expire(false)
    }

    fn until_next_deadline(&self) -> Duration {
        let now = self.way.clock.monotonic();
        let open = self.calls.iter().filter(|waiting| waiting.deadline > now);
        open.map(|waiting| waiting.deadline.since(now)).min().unwrap_or_default()
    }

    /// Tells calls whose time is over, and drops them if nothing can have become of them. False if no
    /// call is left that is in time.
    fn expire(&mut self, is_sent: bool) -> bool {
        let now = self.way.clock.monotonic();
        let is_doubtful = is_sent || self.is_doubtful;
        let told = if is_doubtful { Unavailable::TimedOut } else { Unavailable::NoLeader };
        let mut is_open = false;
        for waiting in &mut self.calls {
            if waiting.deadline <= now {
                waiting.tell(Err(told));
            } else {
                is_open = true;
            }
        }
        if !is_doubtful {
            let before = self.calls.len();
            self.calls.retain(|waiting| waiting.deadline > now);
            if self.calls.len() < before {
                self.raw = None;
            }
        }
        is_open
    }

    /// Tells each call its answer.
    fn tell(mut self, committed: &Committed) {
        let figures = &self.way.figures;
        figures.answered.one();
        figures.commit_nanos.time(self.way.clock.monotonic().since(self.made));
        let is_resent = self.attempts > 1;
        let index = committed.index;
        match wire::answers(&committed.reply, self.calls.len()) {
            Ok(answers) => {
                for (waiting, answered) in self.calls.iter_mut().zip(answers) {
                    waiting.tell(Ok(Reply { answered, index, is_resent }));
                }
            }
            Err(NoAnswers::Malformed) => self.tell_all(NotDone::Malformed.into()),
            Err(NoAnswers::Unreadable) => self.tell_all(Unavailable::TimedOut),
        }
    }

    fn tell_all(&mut self, told: Unavailable) {
        self.calls.iter_mut().for_each(|waiting| waiting.tell(Err(told)));
    }
}

async fn of(attempt: &mut Option<Attempt>) -> Result<Committed, NotProposed> {
    match attempt {
        Some(attempt) => attempt.await,
        None => std::future::pending().await,
    }
}
