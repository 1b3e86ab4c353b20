//! Groups in memory, for tests of what is built on a gateway: each is one real replica that all nodes
//! share, with a leader that the test chooses and faults that it orders.
//!
//! Nothing here is a network or a log. What a real group promises is kept: an entry is applied at
//! most once, in one order, and who is told that it surely was not proposed is told the truth.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;
use tollgate_core::bucket::Outcome;
use tollgate_core::command::{Bounds, Charging};
use tollgate_core::key::KeySecret;
use tollgate_core::replica::{Batch, Replica};
use tollgate_core::time::{Clock, Monotonic, NANOS_PER_SECOND, Now, Wall};
use tollgate_proto::log;

use crate::gateway::groups::{Committed, Forward, GroupId, Known, NotProposed, OneGroup};
use crate::gateway::{Denials, Gateway, Options, Parts, Running, seat};
use crate::machine::add_forgotten;
use crate::node::Forwarded as _;
use crate::types::NodeId;

/// A clock that moves with the runtime's time, which a test may pause.
#[derive(Clone, Copy, Debug)]
pub struct RuntimeClock {
    origin: tokio::time::Instant,
}

impl RuntimeClock {
    /// Its monotonic reading is zero now, its wall reading is one of 2023.
    #[expect(clippy::disallowed_methods, reason = "it is the runtime's time, not the machine's")]
    pub fn start() -> Self {
        Self { origin: tokio::time::Instant::now() }
    }
}

impl Clock for RuntimeClock {
    #[expect(clippy::disallowed_methods, reason = "it is the runtime's time, not the machine's")]
    fn monotonic(&self) -> Monotonic {
        Monotonic::default().plus(tokio::time::Instant::now() - self.origin)
    }

    fn wall(&self) -> Wall {
        let start = Wall::from_nanos(1_700_000_040 * NANOS_PER_SECOND);
        start.plus(self.monotonic().since(Monotonic::default()))
    }
}

/// What becomes of the next batch that a leader proposes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not in the log, and nobody knows.
    LoseEntry,
    /// It is in the log, and nobody knows.
    LoseAnswer,
    /// It is in the log before the next one, and nobody knows.
    Late,
    /// It is in the log before the next one, and the proposal never ends.
    Stall,
    /// It is surely not in the log.
    Refuse,
}

/// A group that all nodes of a test share.
pub struct MemoryGroup {
    id: GroupId,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    leader: watch::Sender<Option<(NodeId, u64)>>,
}

#[derive(Default)]
struct State {
    replica: Replica,
    term: u64,
    index: u64,
    stamp: Option<(Now, Monotonic)>,
    /// What the next proposals meet.
    faults: VecDeque<Fault>,
    /// What stands before the next entry.
    late: Vec<Bytes>,
    delay: Duration,
    /// Of all nodes.
    denials: Vec<Arc<Denials>>,
    /// Every batch that was applied; none, if they are not kept.
    log: Option<Vec<Batch>>,
}

impl MemoryGroup {
    /// Makes `leader` lead, in a new term; nobody, without one.
    pub fn lead(&self, leader: Option<NodeId>) {
        let mut state = self.state.lock();
        state.term += 1;
        let term = state.term;
        self.leader.send_replace(leader.map(|leader| (leader, term)));
    }

    /// Orders faults for the next proposals, one each.
    pub fn inject(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state.lock().faults.extend(faults);
    }

    /// How long an entry takes to be committed.
    pub fn delay(&self, delay: Duration) {
        self.state.lock().delay = delay;
    }

    /// Looks at the state.
    pub fn read<T>(&self, look: impl FnOnce(&Replica) -> T) -> T {
        look(&self.state.lock().replica)
    }

    /// Every batch that was applied, in order.
    pub fn log(&self) -> Vec<Batch> {
        self.state.lock().log.clone().unwrap_or_default()
    }

    /// Whether [`Self::log`] tells of batches; otherwise they cost no memory.
    pub fn keep_log(&self, keep: bool) {
        self.state.lock().log = keep.then(Vec::new);
    }

    fn propose(&self, me: NodeId, term: u64, data: Bytes) -> Proposed {
        let mut state = self.state.lock();
        if *self.leader.borrow() != Some((me, term)) {
            let leader = self.leader.borrow().map(|(leader, _)| leader);
            return Proposed::Now(Err(NotProposed::NotLeader(leader)));
        }
        match state.faults.pop_front() {
            None => Proposed::After(state.delay, self.append(&mut state, data)),
            Some(Fault::Refuse) => Proposed::Now(Err(NotProposed::NotLeader(None))),
            Some(Fault::LoseEntry) => Proposed::Now(Err(NotProposed::Unknown)),
            Some(Fault::LoseAnswer) => {
                self.append(&mut state, data);
                Proposed::Now(Err(NotProposed::Unknown))
            }
            Some(fault) => {
                state.late.push(data);
                let never = fault == Fault::Stall;
                if never { Proposed::Never } else { Proposed::Now(Err(NotProposed::Unknown)) }
            }
        }
    }

    fn append(&self, state: &mut State, data: Bytes) -> Committed {
        for late in std::mem::take(&mut state.late) {
            self.apply(state, late);
        }
        self.apply(state, data)
    }

    fn apply(&self, state: &mut State, data: Bytes) -> Committed {
        state.index += 1;
        let index = state.index;
        let Ok(batch) = log::decode_batch(data) else {
            return Committed { index, reply: Bytes::new() };
        };
        state.stamp = Some((batch.at, self.clock.monotonic()));
        let answers = state.replica.apply(&batch);
        let mut keys = Vec::new();
        add_forgotten(&batch, &answers, &mut keys);
        for denials in &state.denials {
            denials.forgot(self.id, index, &keys);
        }
        if let Some(log) = &mut state.log {
            log.push(batch);
        }
        Committed { index, reply: log::encode_answers(&answers) }
    }
}

enum Proposed {
    Now(Result<Committed, NotProposed>),
    After(Duration, Committed),
    Never,
}

/// A group as one node meets it.
struct Chair {
    me: NodeId,
    group: Arc<MemoryGroup>,
}

impl OneGroup for Chair {
    fn id(&self) -> GroupId {
        self.group.id
    }

    fn leader(&self) -> Option<(NodeId, u64)> {
        *self.group.leader.borrow()
    }

    fn leads(&self) -> Option<u64> {
        self.leader().filter(|(leader, _)| *leader == self.me).map(|(_, term)| term)
    }

    fn propose(
        &self,
        term: u64,
        data: Bytes,
    ) -> BoxFuture<'static, Result<Committed, NotProposed>> {
        let proposed = self.group.propose(self.me, term, data);
        Box::pin(async move {
            match proposed {
                Proposed::Now(told) => told,
                Proposed::Never => std::future::pending().await,
                Proposed::After(delay, committed) => {
                    if !delay.is_zero() {
                        tokio::time::sleep(delay).await;
                    }
                    Ok(committed)
                }
            }
        })
    }

    fn last_stamp(&self) -> Option<(Now, Monotonic)> {
        self.group.state.lock().stamp
    }

    fn changed(&self) -> BoxFuture<'static, ()> {
        let mut leader = self.group.leader.subscribe();
        Box::pin(async move {
            if leader.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }

    fn known(&self) -> Known {
        self.group.read(seat::known)
    }

    fn look(&self, charges: &[Charging]) -> Vec<(Outcome, Outcome)> {
        self.group.read(|replica| seat::look(replica, charges))
    }
}

/// Nodes that share groups in memory.
pub struct MemoryCluster {
    groups: Vec<Arc<MemoryGroup>>,
    nodes: Mutex<BTreeMap<NodeId, Arc<Gateway>>>,
    cut_off: Mutex<BTreeSet<NodeId>>,
}

/// What the groups of a test hold at most.
pub const BOUNDS: Bounds =
    Bounds { keys_max: 100_000, bytes_max: 64 << 20, reservations_max: 1_000 };

impl MemoryCluster {
    /// Nodes 1 to `nodes` and groups 1 to `groups`, whose leaders are the nodes in turn. Each node's
    /// tasks are to be run by the caller.
    pub fn start(
        nodes: u64,
        groups: GroupId,
        clock: &Arc<dyn Clock>,
        options: Options,
    ) -> (Arc<Self>, Vec<(Arc<Gateway>, Running)>) {
        let group = |id: GroupId| {
            let leader = (1 + u64::from(id - 1) % nodes.max(1), 1);
            let state = Mutex::new(State { term: 1, log: Some(Vec::new()), ..State::default() });
            let leader = watch::Sender::new(Some(leader));
            Arc::new(MemoryGroup { id, clock: Arc::clone(clock), state, leader })
        };
        let groups: Vec<_> = (1..=groups).map(group).collect();
        let (nodes_of, cut_off) = (Mutex::default(), Mutex::default());
        let cluster = Arc::new(Self { groups, nodes: nodes_of, cut_off });
        let started = (1..=nodes).map(|me| cluster.node(me, clock, options)).collect();
        (cluster, started)
    }

    fn node(
        self: &Arc<Self>,
        me: NodeId,
        clock: &Arc<dyn Clock>,
        options: Options,
    ) -> (Arc<Gateway>, Running) {
        let denials = Arc::new(Denials::new(self.groups.len(), options.denials_max));
        let seat = |group: &Arc<MemoryGroup>| {
            group.state.lock().denials.push(Arc::clone(&denials));
            Arc::new(Chair { me, group: Arc::clone(group) }) as Arc<dyn OneGroup>
        };
        let parts = Parts {
            me,
            groups: self.groups.iter().map(seat).collect(),
            forward: Arc::new(Wire { from: me, cluster: Arc::downgrade(self) }),
            clock: Arc::clone(clock),
            bounds: BOUNDS,
            secret: KeySecret::new([7; 16]),
            denials,
        };
        let (gateway, running) = Gateway::new(parts, options);
        self.nodes.lock().insert(me, Arc::clone(&gateway));
        (gateway, running)
    }

    /// A group, by its name.
    ///
    /// # Panics
    /// If there is none of this name.
    #[expect(
        clippy::expect_used,
        reason = "it serves tests only, which name groups that they made"
    )]
    pub fn group(&self, id: GroupId) -> &Arc<MemoryGroup> {
        self.groups.get(id as usize - 1).expect("a group of the test")
    }

    /// Cuts a node off from others, or connects it again.
    pub fn cut_off(&self, node: NodeId, is_cut_off: bool) {
        let mut cut_off = self.cut_off.lock();
        if is_cut_off {
            cut_off.insert(node)
        } else {
            cut_off.remove(&node)
        };
    }
}

/// The way from one node to others.
struct Wire {
    from: NodeId,
    cluster: Weak<MemoryCluster>,
}

impl Forward for Wire {
    fn forward(
        &self,
        to: NodeId,
        group: GroupId,
        batch: Bytes,
    ) -> BoxFuture<'static, Result<Committed, NotProposed>> {
        let reached = self.cluster.upgrade().and_then(|cluster| {
            let cut_off = cluster.cut_off.lock();
            let is_open = !cut_off.contains(&to) && !cut_off.contains(&self.from);
            is_open.then(|| cluster.nodes.lock().get(&to).cloned()).flatten()
        });
        match reached {
            Some(node) => node.forwarded(self.from, group, batch),
            None => Box::pin(async { Err(NotProposed::NotLeader(None)) }),
        }
    }
}
