//! The state as openraft sees it.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use openraft::EntryPayload;
use openraft::alias::SnapshotOf;
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};

use super::{Machine, SharedMachine, View, Watcher};
use crate::log::MemoryLog;
#[cfg(test)]
use crate::sim::planted;
use crate::snapshot::{SnapshotData, Work};
use crate::types::{Entry, LogId, Membership, Reply, SnapshotMeta, Types};

/// Bytes of entries that are applied before other tasks of the thread have their turn: about a
/// millisecond's work. Without it a node that catches up would miss its heartbeats.
const APPLIED_AT_ONCE: usize = 256 << 10;

/// A group's state machine.
pub struct StateMachine {
    shared: SharedMachine,
    log: MemoryLog,
    watcher: Arc<dyn Watcher>,
    work: Work,
    forgot: Vec<tollgate_core::key::Key>,
}

impl StateMachine {
    /// Applies entries of `log` to `shared` and tells `watcher` of them.
    pub fn new(
        shared: SharedMachine,
        log: MemoryLog,
        watcher: Arc<dyn Watcher>,
        work: Work,
    ) -> Self {
        Self { shared, log, watcher, work, forgot: Vec::new() }
    }

    fn apply_one(&mut self, entry: Entry, is_awaited: bool) -> Reply {
        self.forgot.clear();
        let index = entry.log_id.index;
        let mut state = self.shared.state.lock();
        #[cfg(test)]
        let (executed, entry) =
            planted::entry(entry, state.applied, &mut state.machine, self.watcher.node());
        let id = entry.log_id;
        state.applied = Some(id);
        let reply = match entry.payload {
            EntryPayload::Blank => Bytes::new(),
            EntryPayload::Normal(data) => {
                state.machine.apply(&data.0, is_awaited, &mut self.forgot)
            }
            EntryPayload::Membership(members) => {
                state.membership = Membership::new(Some(id), members);
                Bytes::new()
            }
        };
        #[cfg(test)]
        self.watcher.applied(id, &executed, &state.machine);
        drop(state);
        if !self.forgot.is_empty() {
            self.watcher.forgot(index, &self.forgot);
        }
        Reply(reply)
    }

    /// A snapshot of now.
    fn snapshot(&self) -> SnapshotOf<Types, SnapshotData> {
        let state = self.shared.state.lock();
        let meta =
            SnapshotMeta { last_log_id: state.applied, last_membership: state.membership.clone() };
        let view = state.machine.view();
        drop(state);
        SnapshotOf::<Types, SnapshotData> { meta, snapshot: SnapshotData::new(view) }
    }
}

impl RaftStateMachine<Types> for StateMachine {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, Membership)> {
        let state = self.shared.state.lock();
        Ok((state.applied, state.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<Types>>> + Unpin + Send,
    {
        let mut at_once = 0_usize;
        while let Some(entry) = entries.next().await {
            let (entry, responder) = entry?;
            if let EntryPayload::Normal(data) = &entry.payload {
                at_once += data.0.len();
            }
            let reply = self.apply_one(entry, responder.is_some());
            if let Some(responder) = responder {
                responder.send(reply);
            }
            if at_once >= APPLIED_AT_ONCE {
                at_once = 0;
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder(Some(self.snapshot()))
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        data: SnapshotData,
    ) -> io::Result<()> {
        let machine = Machine::from_view(data.into_view());
        let latest = machine.latest();
        let mut state = self.shared.state.lock();
        let old = std::mem::replace(&mut state.machine, machine);
        state.installed += 1;
        state.applied = meta.last_log_id;
        state.membership = meta.last_membership.clone();
        drop(state);
        self.log.installed(latest);
        self.watcher.installed(meta.last_log_id.map_or(0, |last| last.index));
        // Millions of buckets take long to be freed.
        self.work.dispose(old);
        Ok(())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> io::Result<Option<SnapshotOf<Types, SnapshotData>>> {
        let is_empty = self.shared.applied().is_none();
        Ok((!is_empty).then(|| self.snapshot()))
    }
}

/// A snapshot that is there already.
pub struct Builder(Option<SnapshotOf<Types, SnapshotData>>);

impl RaftSnapshotBuilder<Types> for Builder {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf<Types, SnapshotData>> {
        self.0.take().ok_or_else(|| io::Error::other("a snapshot is built once"))
    }
}

impl SharedMachine {
    /// A picture of the state, and the entry that it goes up to.
    pub fn view_at(&self) -> (Option<LogId>, View) {
        let state = self.state.lock();
        (state.applied, state.machine.view())
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
