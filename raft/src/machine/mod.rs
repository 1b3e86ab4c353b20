//! What a group's entries are applied to, and how openraft and everybody else on this node meet it.
//!
//! The state is one for each node and behind a lock that is held for one entry at a time. A snapshot
//! is a view of it: it costs a count for each shard, nothing is written down before somebody needs
//! it elsewhere, and the state goes on meanwhile. So "building" one for openraft is no more than a
//! note of how far it goes, and what a follower is sent is the state of the moment it is sent in.

mod counters;
mod parts;
mod store;
mod trim;

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tollgate_core::key::Key;
use tollgate_core::replica::{self, Replica};
use tollgate_core::time::Now;

pub(crate) use self::counters::add_forgotten;
pub(crate) use self::parts::{Assembly, Parts};
pub use self::store::StateMachine;
pub use self::trim::{TRIM_PERIOD, configure, keep_trimmed};
use crate::log::ReadStamp;
use crate::meta::{META_GROUP, Meta};
use crate::types::{LogId, Membership};

/// The state of a group.
#[derive(Clone, Debug)]
pub enum Machine {
    /// Group 0.
    Meta(Meta),
    /// A group of counters.
    Counters(Box<Replica>),
}

/// A picture of a [`Machine`] that later entries do not change.
#[derive(Clone, Debug)]
pub enum View {
    /// Of group 0.
    Meta(Meta),
    /// Of a group of counters.
    Counters(Box<replica::View>),
}

/// What is told of entries as they are applied: on the thread that applies them, in their order,
/// and before anybody hears of their answers. It must not wait.
pub trait Watcher: Send + Sync {
    /// The entry at `index` gave back or forgot what was spent of these keys, so what anybody
    /// remembers of them from before it does not hold any more.
    fn forgot(&self, index: u64, keys: &[Key]);

    /// The state is another now, that of `index`: nothing that was remembered holds any more.
    fn installed(&self, index: u64);

    /// The entry was executed, and this is the state after it.
    #[cfg(test)]
    fn applied(&self, _id: LogId, _data: &Bytes, _machine: &Machine) {}

    /// The number of a simulated node.
    #[cfg(test)]
    fn node(&self) -> u64 {
        0
    }
}

/// Is told and does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Watcher for Unwatched {
    fn forgot(&self, _index: u64, _keys: &[Key]) {}

    fn installed(&self, _index: u64) {}
}

/// A group's state on this node; its clones are the same state.
#[derive(Clone, Debug)]
pub struct SharedMachine {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    machine: Machine,
    applied: Option<LogId>,
    membership: Membership,
    /// Snapshots that were taken over.
    installed: u64,
}

impl SharedMachine {
    /// A state that nothing was applied to yet.
    pub fn new(machine: Machine) -> Self {
        let membership = Membership::default();
        let state = State { machine, applied: None, membership, installed: 0 };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Looks at the state. Entries wait meanwhile: take a copy of what is to be looked at for long.
    pub fn read<T>(&self, look: impl FnOnce(&Machine) -> T) -> T {
        look(&self.state.lock().machine)
    }

    /// A picture of the state.
    pub fn view(&self) -> View {
        self.read(Machine::view)
    }

    /// The last entry that was applied.
    pub fn applied(&self) -> Option<LogId> {
        self.state.lock().applied
    }

    /// Snapshots that were taken over, since the node's start.
    pub fn installed(&self) -> u64 {
        self.state.lock().installed
    }

    /// The time of the last entry that was applied.
    pub fn latest(&self) -> Now {
        self.read(Machine::latest)
    }
}

impl Machine {
    /// The state of this group before its first entry.
    pub fn of_group(group: u32) -> Self {
        match group {
            META_GROUP => Self::Meta(Meta::new()),
            _ => Self::Counters(Box::default()),
        }
    }

    /// Reads the time that entries of this group carry.
    pub fn read_stamp(group: u32) -> ReadStamp {
        match group {
            META_GROUP => |_| None,
            _ => tollgate_proto::log::stamp_of,
        }
    }

    /// The state of a group of counters; absent of group 0.
    pub fn counters(&self) -> Option<&Replica> {
        match self {
            Self::Meta(_) => None,
            Self::Counters(replica) => Some(replica),
        }
    }

    /// The state of group 0; absent of others.
    pub fn meta(&self) -> Option<&Meta> {
        match self {
            Self::Meta(meta) => Some(meta),
            Self::Counters(_) => None,
        }
    }

    /// Applies the data of an entry. Answers only if somebody waits for it; nothing, if the data
    /// makes no sense. Adds the keys that it gave back or forgot something of to `forgot`.
    fn apply(&mut self, data: &Bytes, is_awaited: bool, forgot: &mut Vec<Key>) -> Bytes {
        match self {
            Self::Meta(meta) => meta.apply(data),
            Self::Counters(replica) => counters::apply(replica, data, is_awaited, forgot),
        }
    }

    /// The time of the last entry that carried one.
    pub fn latest(&self) -> Now {
        self.counters().map(Replica::latest).unwrap_or_default()
    }

    /// A picture of it, which later entries do not change.
    pub fn view(&self) -> View {
        match self {
            Self::Meta(meta) => View::Meta(meta.clone()),
            Self::Counters(replica) => View::Counters(Box::new(replica.view())),
        }
    }

    /// The state that goes on from a picture.
    pub fn from_view(view: View) -> Self {
        match view {
            View::Meta(meta) => Self::Meta(meta),
            View::Counters(view) => Self::Counters(Box::new(Replica::from_view(*view))),
        }
    }
}

#[cfg(test)]
mod counters_tests;
#[cfg(test)]
mod group_tests;
#[cfg(test)]
mod rig;
