//! The gateway of a node that is a member: its groups, its peers, its denials.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tollgate_core::bucket::Outcome;
use tollgate_core::command::{Charging, Rule};
use tollgate_core::key::Key;
use tollgate_core::replica::Replica;
use tollgate_core::store::{Preview, preview};
use tollgate_core::time::{Clock, Monotonic, Now};

use super::groups::{Committed, GroupId, Known, NotProposed, OneGroup};
use super::{Denials, Gateway, Options, Parts, Running};
use crate::group::Group;
use crate::machine::Watcher;
use crate::node::Cluster;
use crate::types::NodeId;

impl Gateway {
    /// The gateway of a node that is a member of its cluster, which takes the batches of other nodes
    /// from now on; nothing before it is one. `denials` are those that the node's watchers tell.
    pub fn of_cluster(
        cluster: &Cluster,
        clock: Arc<dyn Clock>,
        denials: Arc<Denials>,
        options: Options,
    ) -> Option<(Arc<Self>, Running)> {
        let spec = cluster.spec()?;
        let group = |id| Some(Arc::new(Counters(cluster.group(id)?)) as Arc<dyn OneGroup>);
        let parts = Parts {
            me: cluster.id(),
            groups: (1..=spec.groups()).map(group).collect::<Option<_>>()?,
            forward: cluster.forwarder()?,
            clock,
            bounds: spec.bounds(),
            secret: spec.key_secret(),
            denials,
        };
        let (gateway, running) = Self::new(parts, options);
        cluster.set_forwarded(Arc::clone(&gateway) as _);
        Some((gateway, running))
    }
}

/// A group of counters on this node.
struct Counters(Arc<Group>);

impl Counters {
    fn read<T>(&self, look: impl FnOnce(&Replica) -> T) -> Option<T> {
        self.0.machine().read(|machine| machine.counters().map(look))
    }
}

impl OneGroup for Counters {
    fn id(&self) -> GroupId {
        self.0.id()
    }

    fn leader(&self) -> Option<(NodeId, u64)> {
        self.0.leader()
    }

    fn leads(&self) -> Option<u64> {
        self.0.is_leader()
    }

    fn propose(
        &self,
        term: u64,
        data: Bytes,
    ) -> BoxFuture<'static, Result<Committed, NotProposed>> {
        let group = Arc::clone(&self.0);
        Box::pin(async move { group.propose(term, data).await })
    }

    fn last_stamp(&self) -> Option<(Now, Monotonic)> {
        Some(self.0.last_stamp()).filter(|(at, _)| *at != Now::default())
    }

    fn changed(&self) -> BoxFuture<'static, ()> {
        let group = Arc::clone(&self.0);
        Box::pin(async move { group.changed().await })
    }

    fn known(&self) -> Known {
        let known = self.read(|replica| {
            let totals = replica.totals();
            Known {
                is_bounded: replica.bounds().is_some(),
                holds_anything: totals.keys + totals.reservations + totals.once_keys > 0,
                latest: replica.latest(),
            }
        });
        known.unwrap_or(Known { is_bounded: false, holds_anything: false, latest: Now::default() })
    }

    fn look(&self, charges: &[Charging], rule: &Rule) -> Option<(Vec<Outcome>, Vec<Outcome>)> {
        self.read(|replica| {
            let see = |key| (replica.bucket(key), replica.held(key));
            let passes = |outcomes: &[Outcome]| match rule {
                Rule::AllOrNone(combining) => combining.passes(charges, outcomes),
                Rule::Each | Rule::All => true,
            };
            let Preview { found, outcomes } = preview(charges, replica.latest(), see, passes);
            (found, outcomes)
        })
    }
}

/// Tells a memory of denials what a group forgets.
struct Watching {
    denials: Arc<Denials>,
    group: GroupId,
}

impl Denials {
    /// What a group's machine tells.
    pub fn watching(self: &Arc<Self>, group: GroupId) -> impl Watcher + 'static {
        Watching { denials: Arc::clone(self), group }
    }
}

impl Watcher for Watching {
    fn forgot(&self, index: u64, keys: &[Key]) {
        self.denials.forgot(self.group, index, keys);
    }

    fn installed(&self, index: u64) {
        self.denials.installed(self.group, index);
    }
}
