//! What stands between a node's parts and is told by them what they do; it also sends batches twice
//! and loses answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tollgate_core::bucket::Outcome;
use tollgate_core::command::Charging;
use tollgate_core::key::Key;
use tollgate_core::time::{Monotonic, Now};

use super::clock::{Truth, pass};
use super::dice::Dice;
use super::history::{Shared, digest, name};
use crate::gateway::Denials;
use crate::gateway::groups::{Committed, Forward, Known, NotProposed, OneGroup};
use crate::group::GroupId;
use crate::machine::{Machine, Watcher};
use crate::types::{LogId, NodeId};

/// Between two entries after which states are compared. A state is written down whole for it.
const COMPARED_EVERY: u64 = 16;

/// The longest that the second copy of a batch is late.
const LATE_MILLIS_MAX: u64 = 2_500;

/// The longest until a node finds that an answer is lost.
const LOST_MILLIS_MAX: u64 = 400;

/// Tells the history what a node's groups execute, and the memory of denials what they forget.
pub(super) struct Recorder {
    pub(super) host: usize,
    pub(super) group: GroupId,
    pub(super) history: Shared,
    pub(super) denials: Arc<Denials>,
}

impl Watcher for Recorder {
    fn forgot(&self, index: u64, keys: &[Key]) {
        self.denials.forgot(self.group, index, keys);
    }

    fn installed(&self, index: u64) {
        self.denials.installed(self.group, index);
        let what = format!("{} takes group {} as of {index}", name(self.host), self.group);
        self.history.lock().event(what);
    }

    fn applied(&self, id: LogId, data: &Bytes, machine: &Machine) {
        let mut history = self.history.lock();
        history.applied(self.host, self.group, id, data);
        if id.index.is_multiple_of(COMPARED_EVERY) {
            history.reached(self.host, self.group, id.index, digest(machine.view()));
        }
    }

    fn node(&self) -> u64 {
        self.host as u64
    }
}

/// A group whose stamps are noted.
pub(super) struct Noted {
    pub(super) group: Arc<dyn OneGroup>,
    pub(super) host: usize,
    pub(super) history: Shared,
    pub(super) truth: Truth,
}

impl OneGroup for Noted {
    fn id(&self) -> GroupId {
        self.group.id()
    }

    fn leader(&self) -> Option<(NodeId, u64)> {
        self.group.leader()
    }

    fn leads(&self) -> Option<u64> {
        self.group.leads()
    }

    fn propose(
        &self,
        term: u64,
        data: Bytes,
    ) -> BoxFuture<'static, Result<Committed, NotProposed>> {
        let mut history = self.history.lock();
        history.stamped.entry((self.id(), data.clone())).or_insert(self.truth.now());
        history.event(format!("{} proposes in {} of term {term}", name(self.host), self.id()));
        drop(history);
        self.group.propose(term, data)
    }

    fn last_stamp(&self) -> Option<(Now, Monotonic)> {
        self.group.last_stamp()
    }

    fn changed(&self) -> BoxFuture<'static, ()> {
        self.group.changed()
    }

    fn known(&self) -> Known {
        self.group.known()
    }

    fn look(&self, charges: &[Charging]) -> Vec<(Outcome, Outcome)> {
        self.group.look(charges)
    }
}

/// A way to other nodes on which batches are sent twice and answers are lost.
pub(super) struct Unsure {
    pub(super) way: Arc<dyn Forward>,
    /// The groups from 1 on.
    pub(super) groups: Vec<Arc<dyn OneGroup>>,
    pub(super) dice: Mutex<Dice>,
    pub(super) twice_percent: u64,
    pub(super) lost_percent: u64,
}

impl Unsure {
    /// Sends a batch once more, to whoever leads then.
    fn again(
        &self,
        to: NodeId,
        group: GroupId,
        batch: Bytes,
        late: Duration,
    ) -> BoxFuture<'static, ()> {
        let way = Arc::clone(&self.way);
        let place = usize::try_from(group).unwrap() - 1;
        let of_group = self.groups.get(place).cloned();
        Box::pin(async move {
            pass(late).await;
            let leader = of_group.and_then(|group| group.leader()).map(|(leader, _)| leader);
            drop(way.forward(leader.unwrap_or(to), group, batch).await);
        })
    }
}

impl Forward for Unsure {
    fn forward(
        &self,
        to: NodeId,
        group: GroupId,
        batch: Bytes,
    ) -> BoxFuture<'static, Result<Committed, NotProposed>> {
        let mut dice = self.dice.lock();
        let late = dice.percent(self.twice_percent).then(|| dice.between(0, LATE_MILLIS_MAX));
        let lost = dice.percent(self.lost_percent).then(|| dice.between(0, LOST_MILLIS_MAX));
        drop(dice);
        let told = self.way.forward(to, group, batch.clone());
        let again = late.map(|millis| self.again(to, group, batch, Duration::from_millis(millis)));
        Box::pin(async move {
            let told = told.await;
            // One that was surely refused is gone, and its number is used anew.
            if !matches!(told, Err(NotProposed::NotLeader(_))) {
                again.into_iter().for_each(|again| drop(tokio::spawn(again)));
            }
            let Some(millis) = lost else { return told };
            pass(Duration::from_millis(millis)).await;
            told.and(Err(NotProposed::Unknown))
        })
    }
}
