//! The gateway: how a node asks the groups that keep the counters.
//!
//! A call is split by group (`split.rs`, `across.rs`, `reserving.rs`), each part waits in its group's
//! bounded queue (`queue.rs`), is taken into a batch (`batcher.rs`) and brought to whoever leads
//! (`flight.rs`); on the leader one task a group puts batches into the log (`proposer.rs`). Denials
//! are remembered (`denials.rs`), so that a flood of them costs the groups nothing.
//!
//! Calls come from any thread; they meet the gateway's own tasks ([`Running`]) only in the queues.
//! It decides nothing: outcomes are the groups', and what they mean is whoever asks to say.

mod across;
mod asking;
mod batcher;
pub mod denials;
mod figures;
mod flight;
pub mod groups;
mod joined;
mod proposer;
mod queue;
mod reign;
mod reserving;
mod running;
pub mod seat;
mod split;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tollgate_core::command::{Answer, Bounds, Call, Command, KeySlot, NotDone};
use tollgate_core::key::{KeySecret, ReservationId};
use tollgate_core::time::{Clock, Monotonic, Now};

pub use self::denials::{DENIALS_MAX, Denials};
pub use self::figures::{Count, Figures};
use self::groups::{Committed, Forward, GroupId, NotProposed, OneGroup};
use self::proposer::Proposals;
use self::queue::Queue;
pub use self::queue::QueueBounds;
pub use self::running::Running;
pub use self::split::GROUPS_MAX;
use crate::node::Forwarded;
use crate::types::NodeId;

/// How long a call waits whose caller names no deadline.
pub const WAIT_DEFAULT: Duration = Duration::from_secs(1);

/// The longest that any call waits.
pub const WAIT_MAX: Duration = Duration::from_secs(10);

/// What a call was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The answer; never [`Answer::NotDone`].
    pub answer: Answer,
    /// The ledger's time when it was executed; of several groups, the latest.
    pub at: Now,
    /// Where it stands in its group's log; zero for what was answered from memory.
    pub index: u64,
}

/// Why a call was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// As many calls wait as may. Nothing was executed.
    #[error("as many calls wait as may")]
    Overloaded,
    /// Nobody leads who could be reached in time. Nothing was executed.
    #[error("nobody leads who could be reached in time")]
    NoLeader,
    /// Its time was over before it was sent. Nothing was executed.
    #[error("its time was over before it was sent")]
    NotExecuted,
    /// No answer came in time. It may have been executed.
    #[error("no answer came in time")]
    TimedOut,
    /// It was refused.
    #[error(transparent)]
    NotDone(#[from] NotDone),
}

/// How much a gateway holds.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What may wait for each group.
    pub queue: QueueBounds,
    /// Denials that are remembered.
    pub denials_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        let queue = QueueBounds { calls_max: 8_192, bytes_max: 4 * 1_024 * 1_024 };
        Self { queue, denials_max: DENIALS_MAX }
    }
}

/// What a gateway is made of.
pub struct Parts {
    /// This node.
    pub me: NodeId,
    /// The groups of counters from 1 on, in order; at most [`GROUPS_MAX`].
    pub groups: Vec<Arc<dyn OneGroup>>,
    /// The way to other nodes.
    pub forward: Arc<dyn Forward>,
    /// The node's clock.
    pub clock: Arc<dyn Clock>,
    /// What a group is told to hold at most, by the first who leads it.
    pub bounds: Bounds,
    /// What names of reservations are made by.
    pub secret: KeySecret,
    /// What the groups' machines tell of what was forgotten.
    pub denials: Arc<Denials>,
}

/// How a node asks the groups.
pub struct Gateway {
    me: NodeId,
    groups: Vec<One>,
    clock: Arc<dyn Clock>,
    secret: KeySecret,
    denials: Arc<Denials>,
    figures: Arc<Figures>,
    reservations: AtomicU64,
}

/// A group, as the gateway meets it.
struct One {
    group: Arc<dyn OneGroup>,
    queue: Arc<Queue>,
    proposals: Proposals,
}

impl Gateway {
    /// A gateway, and the tasks that serve it.
    pub fn new(parts: Parts, options: Options) -> (Arc<Self>, Running) {
        let figures = Arc::new(Figures::default());
        let mut running = Running::new(Arc::clone(&parts.denials), Arc::clone(&parts.clock));
        let mut groups = Vec::with_capacity(parts.groups.len());
        for group in parts.groups.iter().take(GROUPS_MAX) {
            let queue = Arc::new(Queue::new(options.queue));
            let proposals = running.add(&parts, group, &queue, &figures);
            groups.push(One { group: Arc::clone(group), queue, proposals });
        }
        let Parts { me, clock, secret, denials, .. } = parts;
        let reservations = AtomicU64::new(0);
        let gateway = Self { me, groups, clock, secret, denials, figures, reservations };
        (Arc::new(gateway), running)
    }

    /// Executes `call` and waits for its answer: until `deadline`, but for [`WAIT_MAX`] at most; for
    /// [`WAIT_DEFAULT`] without one. A call that is no longer waited for is still executed.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn ask(
        &self,
        call: Call,
        deadline: Option<Monotonic>,
    ) -> Result<Answered, Unavailable> {
        let asked = self.clock.monotonic();
        let latest = asked.plus(WAIT_MAX);
        let deadline = deadline.map_or(asked.plus(WAIT_DEFAULT), |deadline| deadline.min(latest));
        let when = asking::When { asked, deadline };
        let answered = self.dispatch(call, when).await;
        self.count(&answered);
        answered
    }

    async fn dispatch(&self, call: Call, when: asking::When) -> Result<Answered, Unavailable> {
        match &call.command {
            Command::Charge { charges, rule } => self.charge(&call, charges, rule, when).await,
            Command::Preview { charges, rule } => self.preview(&call, charges, rule, when).await,
            Command::TakeBack { charges, charged_at } => {
                let command = |charges| Command::TakeBack { charges, charged_at: *charged_at };
                self.each_part(&call, charges, command, when).await
            }
            Command::Impatient { charges } => {
                let command = |charges| Command::Impatient { charges };
                self.each_part(&call, charges, command, when).await
            }
            Command::Hold { .. } => self.hold(call, when).await,
            Command::Describe { id } => self.describe(&call, *id, when).await,
            Command::Settle { id, hits, .. } => self.settle(&call, *id, *hits, when).await,
            Command::Release { id } => self.settle(&call, *id, 0, when).await,
            Command::Forget { keys } => self.forget(&call, keys, when).await,
            // A group is bounded, and told the time, by who leads it.
            Command::Bound(_) | Command::Tick => Err(NotDone::Malformed.into()),
        }
    }

    /// A name for a reservation in these slots; never the same twice.
    pub fn reservation_id(&self, slots: &[KeySlot]) -> ReservationId {
        let number = self.reservations.fetch_add(1, Ordering::Relaxed);
        let groups = self.mask_of(slots.iter().copied());
        self.secret.replicated_reservation_id(self.me, number, groups)
    }

    /// Which denials are remembered.
    pub fn denials(&self) -> &Arc<Denials> {
        &self.denials
    }

    /// What it counted.
    pub fn figures(&self) -> &Arc<Figures> {
        &self.figures
    }

    /// Calls that wait for each group from 1 on.
    pub fn waiting(&self) -> impl Iterator<Item = usize> {
        self.groups.iter().map(|one| one.queue.len())
    }

    fn of(&self, group: GroupId) -> Option<&One> {
        self.groups.get(usize::try_from(group).ok()?.checked_sub(1)?)
    }

    fn count(&self, answered: &Result<Answered, Unavailable>) {
        let Err(unavailable) = answered else { return };
        let figures = &self.figures;
        let count = match unavailable {
            Unavailable::Overloaded => &figures.overloaded,
            Unavailable::NoLeader => &figures.leaderless,
            Unavailable::NotExecuted => &figures.not_executed,
            Unavailable::TimedOut => &figures.timed_out,
            Unavailable::NotDone(_) => &figures.not_done,
        };
        count.one();
    }
}

impl Forwarded for Gateway {
    fn forwarded(
        &self,
        _from: NodeId,
        group: GroupId,
        batch: Bytes,
    ) -> BoxFuture<'static, Result<Committed, NotProposed>> {
        let proposals = self.of(group).map(|one| one.proposals.clone());
        Box::pin(async move {
            match proposals {
                Some(proposals) => proposals.propose(batch).await,
                None => Err(NotProposed::NotLeader(None)),
            }
        })
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("me", &self.me).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod rig;

#[cfg(test)]
#[path = "gateway_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "across_tests.rs"]
mod across_tests;
