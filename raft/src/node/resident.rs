//! This node as its peers meet it: a nobody at first, then a member with its groups.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, join_all};
use openraft::{Config, Raft};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tollgate_proto::peer as message;
use tonic::Status;

use super::options::{NotStarted, Options, Random};
use super::{Forwarded, Phase};
use crate::birth::Own;
use crate::group::{Committed, Group, GroupId, NotProposed};
use crate::log::{MemoryLog, Retention};
use crate::machine::{Machine, SharedMachine, StateMachine, Watcher, keep_trimmed};
use crate::meta::{ClusterId, META_GROUP, Spec};
use crate::network::{Factory, Forwarder, Host, Peers, not_for_us};
use crate::runtime::seeded;
use crate::snapshot::Work;
use crate::types::{Member, NodeId};
use tollgate_core::time::Clock;

/// Longest wait for a group's tasks to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// This node.
pub(super) struct Resident {
    pub(super) options: Options,
    pub(super) config: Arc<Config>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Random,
    pub(super) seed: Option<u64>,
    pub(super) work: Work,
    pub(super) watcher: Arc<dyn Fn(GroupId) -> Arc<dyn Watcher> + Send + Sync>,
    pub(super) peers: Arc<Peers>,
    pub(super) tasks: TaskTracker,
    pub(super) ended: CancellationToken,
    pub(super) phase: watch::Sender<Phase>,
    pub(super) forwarded: OnceLock<Arc<dyn Forwarded>>,
    pub(super) state: Mutex<State>,
    /// Held while a member is made.
    pub(super) becoming: tokio::sync::Mutex<()>,
}

pub(super) struct State {
    pub(super) id: NodeId,
    pub(super) running: Option<Arc<Running>>,
}

/// A member's groups.
pub(super) struct Running {
    pub(super) id: NodeId,
    pub(super) spec: Arc<Spec>,
    /// By their numbers.
    pub(super) groups: Vec<Arc<Group>>,
    pub(super) forwarder: Arc<Forwarder>,
    ended: CancellationToken,
}

/// An id that no other start has, but for one chance in 2⁶⁴.
pub(super) fn new_id(random: &Random) -> Result<NodeId, NotStarted> {
    loop {
        let mut bytes = [0; 8];
        random(&mut bytes)?;
        match u64::from_le_bytes(bytes) {
            0 => {}
            id => return Ok(id),
        }
    }
}

impl Resident {
    pub(super) fn own(&self) -> Own {
        let Options { name, peers, .. } = &self.options;
        Own { name: name.clone(), id: self.state.lock().id, peers: peers.clone() }
    }

    pub(super) fn running(&self) -> Option<Arc<Running>> {
        self.state.lock().running.clone()
    }

    /// Starts the groups of `spec`, once.
    pub(super) async fn become_member(&self, spec: Spec) -> Result<Arc<Running>, String> {
        let _becoming = self.becoming.lock().await;
        let (id, running) = {
            let state = self.state.lock();
            (state.id, state.running.clone())
        };
        match running {
            Some(running) if running.spec.cluster() == spec.cluster() => return Ok(running),
            Some(running) => return Err(format!("a member of {}", running.spec.cluster())),
            None if self.ended.is_cancelled() => return Err("ending".into()),
            None => {}
        }
        let spec = Arc::new(spec);
        let ended = self.ended.child_token();
        let mut groups = Vec::new();
        for group in META_GROUP..=spec.groups() {
            let started = self.start_group(id, &spec, group, &ended).await;
            groups.push(started.inspect_err(|_| ended.cancel())?);
        }
        let forwarder = Forwarder::new(
            Arc::clone(&self.peers),
            Arc::clone(&spec),
            id,
            self.tasks.clone(),
            ended.clone(),
        );
        let forwarder = Arc::new(forwarder);
        let running = Arc::new(Running { id, spec, groups, forwarder, ended });
        self.state.lock().running = Some(Arc::clone(&running));
        self.phase.send_replace(Phase::Founded);
        Ok(running)
    }

    async fn start_group(
        &self,
        id: NodeId,
        spec: &Spec,
        group: GroupId,
        ended: &CancellationToken,
    ) -> Result<Arc<Group>, String> {
        let machine = SharedMachine::new(Machine::of_group(group));
        let log = MemoryLog::new(Arc::clone(&self.clock), Machine::read_stamp(group));
        let store =
            StateMachine::new(machine.clone(), log.clone(), (self.watcher)(group), self.work);
        let factory = Factory {
            peers: Arc::clone(&self.peers),
            cluster: spec.cluster(),
            group,
            from: id,
            work: self.work,
        };
        let raft = Raft::new(id, Arc::clone(&self.config), factory, log.clone(), store);
        let raft = match self.seed {
            Some(seed) => seeded(seed.wrapping_add(u64::from(group)), raft).await,
            None => raft.await,
        };
        let raft = raft.map_err(|fatal| format!("group {group} does not start: {fatal}"))?;
        let trimmed = keep_trimmed(raft.clone(), log.clone(), Retention::default());
        let ended = ended.clone();
        self.tasks.spawn(async move { ended.run_until_cancelled(trimmed).await });
        Ok(Arc::new(Group::new(group, raft, machine, log, self.options.timers.election_max)))
    }

    /// Forgets a membership that never came to anything. That is as safe as the end of the process:
    /// the id is never used again.
    pub(super) async fn give_up(&self, running: &Running) -> Result<(), NotStarted> {
        let _becoming = self.becoming.lock().await;
        let id = new_id(&self.random)?;
        running.stop().await;
        let mut state = self.state.lock();
        state.running = None;
        state.id = id;
        Ok(())
    }

    fn running_for(&self, route: &message::Route) -> Result<Arc<Running>, Status> {
        let running = self.running().ok_or_else(|| not_for_us("a member of no cluster"))?;
        if ClusterId::from_bytes(&route.cluster) != Some(running.spec.cluster()) {
            return Err(not_for_us("another cluster"));
        }
        if route.to != running.id {
            return Err(not_for_us("another start of this node"));
        }
        match running.spec.member(route.from) {
            Some(_) => Ok(running),
            None => Err(not_for_us("not from a member")),
        }
    }

    /// Judges a founding that somebody else proposes.
    fn accept(&self, request: message::FoundRequest) -> Result<Spec, String> {
        let own = self.own();
        let spec = request.spec.ok_or("no spec")?;
        let spec = Spec::from_message(spec).map_err(|bad| bad.to_string())?;
        let founder = spec.members().first().map(|founder| founder.id);
        if founder != Some(request.from) {
            return Err("the founder is not the node of the smallest name".into());
        }
        if spec.member(own.id).is_none_or(|member| member.name != own.name) {
            return Err("this start is not among the members".into());
        }
        let names = spec.members().iter().map(|founder| &founder.member.name);
        if !names.eq(own.peers.keys()) {
            return Err("the members are not the nodes that this one was told of".into());
        }
        Ok(spec)
    }
}

impl Running {
    /// As openraft takes them.
    pub(super) fn members(&self) -> BTreeMap<NodeId, Member> {
        let members = self.spec.members().iter();
        members.map(|founder| (founder.id, founder.member.clone())).collect()
    }

    /// Ends the groups.
    pub(super) async fn stop(&self) {
        self.ended.cancel();
        let stopped = join_all(self.groups.iter().map(|group| group.raft().shutdown()));
        if tokio::time::timeout(STOP_TIMEOUT, stopped).await.is_err() {
            tracing::warn!(event = "groups_not_stopped");
        }
    }
}

/// [`Resident`] as the peer service needs it.
pub(super) struct Reached(pub(super) Arc<Resident>);

impl Host for Reached {
    fn group(&self, route: &message::Route) -> Result<Arc<Group>, Status> {
        let running = self.0.running_for(route)?;
        let group = usize::try_from(route.group).ok().and_then(|group| running.groups.get(group));
        group.cloned().ok_or_else(|| not_for_us("no such group"))
    }

    fn is_for_us(&self, route: &message::Route) -> Result<(), Status> {
        self.0.running_for(route).map(drop)
    }

    fn hello(&self, request: message::HelloRequest) -> message::HelloResponse {
        let own = self.0.own();
        if request.expects != own.name {
            tracing::warn!(event = "peer_expects_another_name", name = own.name);
        }
        let running = self.0.running();
        let spec = running.as_ref().map(|running| &running.spec);
        message::HelloResponse {
            name: own.name,
            id: own.id,
            names: own.peers.into_keys().collect(),
            cluster: spec.map_or_else(Bytes::new, |spec| spec.cluster().to_bytes().to_vec().into()),
            members: spec.iter().flat_map(|spec| spec.members()).map(|member| member.id).collect(),
            ever_initialised: spec.is_some(),
        }
    }

    fn found(&self, request: message::FoundRequest) -> BoxFuture<'static, message::FoundResponse> {
        let resident = Arc::clone(&self.0);
        Box::pin(async move {
            let became = match resident.accept(request) {
                Ok(spec) => resident.become_member(spec).await.map(drop),
                Err(reason) => Err(reason),
            };
            message::FoundResponse { refused: became.err().unwrap_or_default() }
        })
    }

    fn forwarded(
        &self,
        from: NodeId,
        group: u32,
        batch: Bytes,
    ) -> BoxFuture<'static, Result<Committed, NotProposed>> {
        match self.0.forwarded.get() {
            Some(forwarded) => forwarded.forwarded(from, group, batch),
            None => Box::pin(async { Err(NotProposed::NotLeader(None)) }),
        }
    }
}
