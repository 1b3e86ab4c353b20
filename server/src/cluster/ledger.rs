//! The counters of a cluster, as a decider asks for them.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tollgate_core::bucket::Bucket;
use tollgate_core::command::{Call, KeySlot};
use tollgate_core::key::{Key, KeySecret, ReservationId};
use tollgate_core::replica::{self, Replica};
use tollgate_core::store::Slot;
use tollgate_core::time::{Monotonic, Now};
use tollgate_raft::gateway::{Gateway, Unavailable};
use tollgate_raft::group::{Group, GroupId};
use tollgate_raft::machine::View;
use tollgate_raft::node::Cluster;
use tollgate_raft::status::ClusterStatus;

use super::{figures, show};
use crate::admin::ShowCluster;
use crate::decide::{Answered, NotAnswered, Replicated, Totals};

/// The counters that a cluster keeps, by way of this node.
pub(crate) struct ReplicatedLedger {
    cluster: Cluster,
    gateway: Arc<Gateway>,
    secret: KeySecret,
    /// Those of counters, from 1 on.
    groups: Vec<Arc<Group>>,
    voters: u32,
}

impl ReplicatedLedger {
    /// The counters of a cluster that this node is a member of; nothing before that.
    pub(super) fn new(cluster: Cluster, gateway: Arc<Gateway>) -> Option<Self> {
        let spec = cluster.spec()?;
        let groups = (1..=spec.groups()).map(|id| cluster.group(id)).collect::<Option<_>>()?;
        let voters = u32::try_from(spec.members().len()).ok()?;
        Some(Self { cluster, gateway, secret: spec.key_secret(), groups, voters })
    }

    /// Shows the cluster to operators.
    pub(crate) fn show(self: &Arc<Self>) -> ShowCluster {
        let ledger = Arc::clone(self);
        Arc::new(move || show::cluster(&ledger))
    }

    /// Brings the figures of the cluster up to date.
    pub(crate) fn measure(&self) {
        figures::measure(self);
    }

    pub(super) fn key_secret(&self) -> KeySecret {
        self.secret
    }

    pub(super) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    pub(super) fn status(&self) -> ClusterStatus {
        self.cluster.status()
    }

    /// What a group holds, as this node knows it.
    pub(super) fn totals_of(&self, id: GroupId) -> replica::Totals {
        let at = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
        let group = at.and_then(|at| self.groups.get(at));
        group.and_then(|group| look(group, Replica::totals)).unwrap_or_default()
    }

    /// What the first group that has it knows of a key.
    fn find<T>(&self, look_at: impl Fn(&Replica) -> Option<T>) -> Option<T> {
        self.groups.iter().find_map(|group| look(group, &look_at).flatten())
    }
}

fn look<T>(group: &Group, look: impl FnOnce(&Replica) -> T) -> Option<T> {
    group.machine().read(|machine| machine.counters().map(look))
}

impl Replicated for ReplicatedLedger {
    fn ask(
        &self,
        call: Call,
        deadline: Option<Monotonic>,
    ) -> BoxFuture<'static, Result<Answered, NotAnswered>> {
        let gateway = Arc::clone(&self.gateway);
        Box::pin(async move {
            let answered = gateway.ask(call, deadline).await.map_err(not_answered)?;
            Ok(Answered { answer: answered.answer, at: answered.at })
        })
    }

    fn reservation_id(&self, slots: &[KeySlot]) -> ReservationId {
        self.gateway.reservation_id(slots)
    }

    fn voters(&self) -> u32 {
        self.voters
    }

    fn now(&self) -> Now {
        let latest = self.groups.iter().map(|group| group.machine().latest());
        latest
            .reduce(|a, b| Now { log: a.log.max(b.log), epoch: a.epoch.max(b.epoch) })
            .unwrap_or_default()
    }

    fn totals(&self) -> Totals {
        let mut all = Totals::default();
        for group in &self.groups {
            all += look(group, Replica::totals).unwrap_or_default();
        }
        all
    }

    fn bucket(&self, key: Key) -> Option<Bucket> {
        self.find(|replica| replica.bucket(key))
    }

    fn held(&self, key: Key, _: Now) -> u64 {
        self.find(|replica| Some(replica.held(key).total()).filter(|held| *held > 0)).unwrap_or(0)
    }

    fn visit(&self, visit: &mut dyn FnMut(&Slot<'_>)) {
        for group in &self.groups {
            // Entries go on meanwhile.
            let View::Counters(view) = group.machine().view() else { continue };
            Replica::from_view(*view).slots().for_each(|slot| visit(&slot));
        }
    }
}

fn not_answered(unavailable: Unavailable) -> NotAnswered {
    match unavailable {
        Unavailable::Overloaded => NotAnswered::Overloaded,
        Unavailable::NoLeader | Unavailable::NotExecuted => NotAnswered::NoLeader,
        Unavailable::TimedOut => NotAnswered::TimedOut,
        Unavailable::NotDone(not_done) => NotAnswered::NotDone(not_done),
    }
}
