//! The log executed once more, by a replica that no fault can reach: what it answers and what it
//! comes to is what every node must have answered and come to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tollgate_core::replica::{Answered, Batch, Replica, Session};
use tollgate_core::time::Now;
use tollgate_proto::log::decode_batch;

use super::super::history::{Broken, History, digest};
use super::broke;
use crate::group::GroupId;
use crate::machine::View;

/// An entry of a group of counters.
pub(super) struct Entry {
    pub(super) group: GroupId,
    pub(super) index: u64,
    pub(super) batch: Batch,
    pub(super) answers: Arc<[Answered]>,
    /// When it was executed, in the ledger's time.
    pub(super) at: Now,
    /// When its leader stamped it, in true time.
    pub(super) stamped: Duration,
    /// Its batch did not come before.
    pub(super) is_first: bool,
}

pub(super) struct Replayed {
    /// By group and index.
    pub(super) entries: BTreeMap<(GroupId, u64), Entry>,
    /// The first entry of each batch.
    pub(super) firsts: BTreeMap<(GroupId, Session), u64>,
}

impl Replayed {
    pub(super) fn new(history: &History, broken: &mut Vec<Broken>) -> Self {
        let mut all = Self { entries: BTreeMap::new(), firsts: BTreeMap::new() };
        let groups: BTreeSet<_> = history.logs.keys().map(|(group, _)| *group).collect();
        for group in groups.into_iter().filter(|group| *group > 0) {
            all.replay(group, history, broken);
        }
        all
    }

    fn replay(&mut self, group: GroupId, history: &History, broken: &mut Vec<Broken>) {
        let mut replica = Replica::new();
        let mut next = None;
        for (&(_, index), logged) in history.logs.range((group, 0)..=(group, u64::MAX)) {
            if next.is_some_and(|next| next != index) {
                broke(broken, "one log", format!("group {group} has no entry before {index}"));
            }
            next = Some(index + 1);
            if let Ok(batch) = decode_batch(logged.data.clone()) {
                let answers = replica.apply(&batch);
                let at = replica.latest();
                let is_first = batch.session.is_none_or(|session| {
                    let first = self.firsts.entry((group, session)).or_insert(index);
                    *first == index
                });
                let stamped = history.stamped.get(&(group, logged.data.clone())).copied();
                let Some(stamped) = stamped else {
                    broke(broken, "one log", format!("nobody proposed {index} of {group}"));
                    continue;
                };
                let entry = Entry { group, index, batch, answers, at, stamped, is_first };
                self.entries.insert((group, index), entry);
            }
            if let Some(reached) = history.digests.get(&(group, index))
                && reached.of != digest(View::Counters(Box::new(replica.view())))
            {
                let who = super::super::history::name(reached.host);
                let how = format!("group {group}: {who} is not what its log makes at {index}");
                broke(broken, "equal replicas", how);
                return;
            }
        }
    }
}
