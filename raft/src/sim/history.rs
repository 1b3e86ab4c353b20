//! What happened in a run: calls and their answers, entries as nodes executed them, and the events
//! that a person reads when a run is broken.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::Hasher as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use siphasher::sip::SipHasher13;
use tollgate_core::command::Call;

use crate::gateway::{Answered, Unavailable};
use crate::group::GroupId;
use crate::machine::View;
use crate::types::{LogId, NodeId};

/// Events that are kept; the last ones tell most.
const EVENTS_MAX: usize = 20_000;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// The invariant.
    pub(super) what: &'static str,
    pub(super) how: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.how)
    }
}

/// A call, as its caller met it.
#[derive(Clone, Debug)]
pub(super) struct Op {
    pub(super) call: Call,
    /// True time.
    pub(super) invoked: Duration,
    /// True time, and what was told; absent while nobody was told anything.
    pub(super) told: Option<(Duration, Result<Answered, Unavailable>)>,
}

/// An entry, as the first node executed it.
#[derive(Clone, Debug)]
pub(super) struct Logged {
    pub(super) id: LogId,
    pub(super) data: Bytes,
    /// Who executed it first.
    pub(super) host: usize,
}

/// The state after an entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digest {
    pub(super) of: u64,
    /// Who had it first.
    pub(super) host: usize,
}

/// All that happened in a run.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) ops: Vec<Op>,
    /// By group and index.
    pub(super) logs: BTreeMap<(GroupId, u64), Logged>,
    /// States after some entries, by group and index.
    pub(super) digests: BTreeMap<(GroupId, u64), Digest>,
    /// When a leader stamped an entry, in true time, by group and data.
    pub(super) stamped: BTreeMap<(GroupId, Bytes), Duration>,
    /// Starts of nodes that are over: none of them may ever speak again.
    pub(super) dead: BTreeSet<NodeId>,
    /// What was seen to be broken while the run went on.
    pub(super) broken: Vec<Broken>,
    events: Vec<(Duration, String)>,
    trace: u64,
}

/// What all tasks of a run write into.
pub(super) type Shared = Arc<Mutex<History>>;

impl History {
    /// Notes an event for people, and for the comparison of two runs.
    pub(super) fn event(&mut self, what: String) {
        let at = turmoil::sim_elapsed().unwrap_or_default();
        let mut hasher = SipHasher13::new_with_keys(self.trace, 0);
        hasher.write_u128(at.as_nanos());
        hasher.write(what.as_bytes());
        self.trace = hasher.finish();
        if self.events.len() < EVENTS_MAX {
            self.events.push((at, what));
        }
    }

    pub(super) fn broke(&mut self, what: &'static str, how: String) {
        self.event(format!("BROKEN {what}: {how}"));
        self.broken.push(Broken { what, how });
    }

    /// A number that two runs share only if the same happened in them.
    pub(super) fn trace(&self) -> u64 {
        self.trace
    }

    pub(super) fn take_events(&mut self) -> Vec<(Duration, String)> {
        std::mem::take(&mut self.events)
    }

    /// A node executed an entry. Others must have executed the same.
    pub(super) fn applied(&mut self, host: usize, group: GroupId, id: LogId, data: &Bytes) {
        match self.logs.get(&(group, id.index)) {
            None => {
                self.event(format!("{} applies {group}/{id}", name(host)));
                self.logs.insert((group, id.index), Logged { id, data: data.clone(), host });
            }
            Some(logged) if logged.id == id && logged.data == *data => {}
            Some(logged) => {
                let first = name(logged.host);
                let how = format!(
                    "entry {} of group {group}: {} executed {id}, {first} executed {}",
                    id.index,
                    name(host),
                    logged.id
                );
                self.broke("one log", how);
            }
        }
    }

    /// A node has this state after an entry. Others must have the same.
    pub(super) fn reached(&mut self, host: usize, group: GroupId, index: u64, of: u64) {
        let first = *self.digests.entry((group, index)).or_insert(Digest { of, host });
        if first.of != of {
            let how = format!(
                "group {group} after entry {index}: {} is not as {}",
                name(host),
                name(first.host)
            );
            self.broke("equal replicas", how);
        }
    }
}

/// A number that two states share only if they are equal.
pub(super) fn digest(view: View) -> u64 {
    let mut hasher = SipHasher13::new();
    for part in view.into_parts() {
        hasher.write_usize(part.len());
        hasher.write(&part);
    }
    hasher.finish()
}

/// The name of a node.
pub(super) fn name(host: usize) -> &'static str {
    ["a", "b", "c", "d", "e"][host]
}
