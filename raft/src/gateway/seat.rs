//! This node's place in the groups of a cluster, as the gateway meets it.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use tollgate_core::bucket::{Bucket, Outcome};
use tollgate_core::command::Charging;
use tollgate_core::descriptor::Charge;
use tollgate_core::key::Key;
use tollgate_core::replica::Replica;
use tollgate_core::time::{Monotonic, Now};

use super::denials::Denials;
use super::groups::{Committed, Forward, GroupId, Known, NotProposed, OneGroup};
use crate::group::Group;
use crate::machine::Watcher;
use crate::network::Forwarder;
use crate::types::NodeId;

/// A group of a cluster on this node.
pub struct Seat(pub Arc<Group>);

impl OneGroup for Seat {
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
        // An empty log tells zeros.
        Some(self.0.last_stamp()).filter(|(at, _)| *at != Now::default())
    }

    fn changed(&self) -> BoxFuture<'static, ()> {
        let group = Arc::clone(&self.0);
        let mut changed = async move { group.changed().await }.boxed();
        // The first poll is what notes who leads now.
        match (&mut changed).now_or_never() {
            Some(()) => Box::pin(std::future::ready(())),
            None => changed,
        }
    }

    fn known(&self) -> Known {
        self.0.machine().read(|machine| machine.counters().map(known)).unwrap_or_default()
    }

    fn look(&self, charges: &[Charging]) -> Vec<(Outcome, Outcome)> {
        let looked = |replica: &Replica| look(replica, charges);
        self.0.machine().read(|machine| machine.counters().map(looked)).unwrap_or_default()
    }
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Seat").field(&self.0.id()).finish()
    }
}

/// What a replica tells of itself.
pub(crate) fn known(replica: &Replica) -> Known {
    Known { is_bounded: replica.bounds().is_some(), holds_anything: replica.holds_anything() }
}

/// What charges find, and what each would be told by itself, at the latest time of a replica.
pub(crate) fn look(replica: &Replica, charges: &[Charging]) -> Vec<(Outcome, Outcome)> {
    let now = replica.latest();
    let one = |charging: &Charging| {
        let Charging { key, quota, charge, .. } = charging;
        let (held, bucket) = (replica.held(*key), replica.bucket(*key));
        let mut bucket = bucket.unwrap_or_else(|| Bucket::fresh(quota, now));
        let found = held.charge(&mut bucket.clone(), quota, Charge::Hits(0), now);
        (found, held.charge(&mut bucket, quota, *charge, now))
    };
    charges.iter().map(one).collect()
}

/// Tells denials of what a group's entries forget.
struct OfGroup {
    group: GroupId,
    denials: Arc<Denials>,
}

impl Watcher for OfGroup {
    fn forgot(&self, index: u64, keys: &[Key]) {
        self.denials.forgot(self.group, index, keys);
    }

    fn installed(&self, index: u64) {
        self.denials.installed(self.group, index);
    }
}

/// Who is told, for each group, of what its entries forget: see
/// [`Parts::watcher`](crate::node::Parts::watcher).
pub fn watcher(denials: &Arc<Denials>) -> Arc<dyn Fn(GroupId) -> Arc<dyn Watcher> + Send + Sync> {
    let denials = Arc::clone(denials);
    Arc::new(move |group| Arc::new(OfGroup { group, denials: Arc::clone(&denials) }))
}

impl Forward for Forwarder {
    fn forward(
        &self,
        to: NodeId,
        group: GroupId,
        batch: Bytes,
    ) -> BoxFuture<'static, Result<Committed, NotProposed>> {
        Self::forward(self, to, group, batch)
    }
}
