//! Nodes in one thread, with a network, time and clocks of one seed.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use parking_lot::Mutex;
use tollgate_core::command::Bounds;
use tollgate_core::key::KeySecret;

use super::clock::{NodeClock, Truth};
use super::dice::Dice;
use super::history::{Shared, name};
use super::keys::{Limited, limits};
use super::planted::{self, Planted};
use super::recording::{Noted, Recorder, Unsure};
use super::run::call;
use super::workload::{Caller, Known};
use crate::gateway::seat::Seat;
use crate::gateway::{self, DENIALS_MAX, Denials, Gateway};
use crate::network::Secret;
use crate::node::simulated::{PORT, SimDial, listening};
use crate::node::{Cluster, Options, Parts, Phase, Random, Timers};
use crate::snapshot::Work;
use crate::types::NodeId;

/// Groups of counters.
pub(super) const GROUPS: u32 = 2;

/// What a group holds: more than any run asks for, because what is pushed out may be let in again.
const BOUNDS: Bounds = Bounds { keys_max: 32_768, bytes_max: 16 << 20, reservations_max: 1_000 };

/// What is to be done to hosts, by whoever turns the simulation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    Crash(usize),
    Bounce(usize),
    /// The time that messages take between two nodes.
    Slow(usize, usize, Duration),
}

/// One host, over all of its starts.
pub(super) struct Host {
    pub(super) clock: Arc<NodeClock>,
    pub(super) state: Mutex<Start>,
}

/// The latest start of a host.
#[derive(Default)]
pub(super) struct Start {
    pub(super) cluster: Option<Cluster>,
    pub(super) caller: Option<Caller>,
    /// It was lost once: what runs here now is no member.
    pub(super) is_lost: bool,
    id: Option<NodeId>,
}

/// All that tasks of a run share.
pub(super) struct World {
    pub(super) hosts: Vec<Host>,
    pub(super) truth: Truth,
    pub(super) history: Shared,
    pub(super) orders: Mutex<Vec<Order>>,
    /// Whether callers ask.
    pub(super) is_calling: AtomicBool,
    limits: Arc<Vec<Limited>>,
    known: Arc<Mutex<Known>>,
    dice: Mutex<Dice>,
}

impl World {
    pub(super) fn new(nodes: usize, dice: &mut Dice) -> Arc<Self> {
        let host = |_| Host { clock: Arc::new(NodeClock::new(dice)), state: Mutex::default() };
        let hosts = (0..nodes).map(host).collect();
        Arc::new(Self {
            hosts,
            truth: Truth::default(),
            history: Shared::default(),
            orders: Mutex::default(),
            is_calling: AtomicBool::new(true),
            limits: Arc::new(limits(dice, u16::try_from(GROUPS).unwrap())),
            known: Arc::default(),
            dice: Mutex::new(dice.fork()),
        })
    }

    pub(super) fn event(&self, what: String) {
        self.history.lock().event(what);
    }

    /// Hosts whose first start still runs.
    pub(super) fn alive(&self) -> Vec<usize> {
        let is_alive = |host: &usize| !self.hosts[*host].state.lock().is_lost;
        (0..self.hosts.len()).filter(is_alive).collect()
    }

    pub(super) fn cluster(&self, host: usize) -> Option<Cluster> {
        self.hosts[host].state.lock().cluster.clone()
    }

    pub(super) fn caller(&self, host: usize) -> Option<Caller> {
        self.hosts[host].state.lock().caller.clone()
    }

    /// The host of a start.
    pub(super) fn host_of(&self, id: NodeId) -> Option<usize> {
        (0..self.hosts.len()).find(|host| self.hosts[*host].state.lock().id == Some(id))
    }

    /// Ends a node. What it knew is lost.
    pub(super) fn lose(&self, host: usize) {
        let mut state = self.hosts[host].state.lock();
        (state.cluster, state.caller, state.is_lost) = (None, None, true);
        self.history.lock().dead.extend(state.id);
        drop(state);
        self.event(format!("{} is lost", name(host)));
        self.orders.lock().push(Order::Crash(host));
    }

    /// Runs a host: a start of its node, and its callers.
    pub(super) async fn run(self: Arc<Self>, host: usize) -> turmoil::Result {
        let mut dice = self.dice.lock().fork();
        let denials = Arc::new(Denials::new(usize::try_from(GROUPS)?, DENIALS_MAX));
        let parts = self.parts(host, &denials, &mut dice).await;
        let cluster = Cluster::start(self.options(host), parts)?;
        let was_id = {
            let mut state = self.hosts[host].state.lock();
            state.cluster = Some(cluster.clone());
            state.id.replace(cluster.id())
        };
        self.event(format!("{} starts as {}", name(host), cluster.id()));
        if let Some(old) = was_id
            && planted::is(Planted::OldId)
        {
            self.go_on_as(old, &cluster).await;
        }
        let mut phase = cluster.phase();
        let told = phase.wait_for(|phase| matches!(phase, Phase::Member | Phase::LeftOut { .. }));
        let told = told.await?.clone();
        self.event(format!("{} is {told:?}", name(host)));
        if told != Phase::Member {
            return std::future::pending().await;
        }
        let (gateway, running) = self.gateway(host, &cluster, denials, &mut dice);
        cluster.set_forwarded(Arc::clone(&gateway) as Arc<_>);
        let caller = Caller {
            host,
            gateway,
            clock: Arc::clone(&self.hosts[host].clock),
            truth: self.truth.clone(),
            history: Arc::clone(&self.history),
            limits: Arc::clone(&self.limits),
            known: Arc::clone(&self.known),
        };
        {
            let mut state = self.hosts[host].state.lock();
            (state.caller, state.id) = (Some(caller.clone()), Some(cluster.id()));
        }
        tokio::join!(running.run(), call(Arc::clone(&self), caller, dice));
        Err("the gateway ended".into())
    }

    /// A defect: it takes the name of the start before, and its place.
    async fn go_on_as(&self, old: NodeId, cluster: &Cluster) {
        let known = self.alive().into_iter().find_map(|host| self.cluster(host)?.spec());
        if let Some(spec) = known {
            cluster.go_on_as(old, (*spec).clone()).await;
        }
    }

    fn options(&self, host: usize) -> Options {
        let address = |host| (name(host).to_owned(), format!("{}:{PORT}", name(host)));
        Options {
            name: name(host).into(),
            peers: (0..self.hosts.len()).map(address).collect(),
            secret: Secret::new(vec![1; 16]).unwrap(),
            groups: GROUPS,
            bounds: BOUNDS,
            timers: Timers {
                heartbeat: Duration::from_millis(50),
                election_min: Duration::from_millis(150),
                election_max: Duration::from_millis(300),
            },
        }
    }

    async fn parts(&self, host: usize, denials: &Arc<Denials>, dice: &mut Dice) -> Parts {
        let (history, denials) = (Arc::clone(&self.history), Arc::clone(denials));
        let bytes = Mutex::new(dice.fork());
        let random: Random = Arc::new(move |to| {
            to.fill_with(|| (bytes.lock().draw() >> 56) as u8);
            Ok(())
        });
        let watcher = move |group| {
            let (history, denials) = (Arc::clone(&history), Arc::clone(&denials));
            Arc::new(Recorder { host, group, history, denials }) as Arc<_>
        };
        Parts {
            clock: Arc::clone(&self.hosts[host].clock) as Arc<_>,
            dial: Arc::new(SimDial),
            incoming: listening().await,
            random,
            seed: Some(dice.draw()),
            work: Work::Here,
            watcher: Arc::new(watcher),
        }
    }

    fn gateway(
        &self,
        host: usize,
        cluster: &Cluster,
        denials: Arc<Denials>,
        dice: &mut Dice,
    ) -> (Arc<Gateway>, gateway::Running) {
        let noted = |group| {
            Arc::new(Noted {
                group: Arc::new(Seat(cluster.group(group).unwrap())),
                host,
                history: Arc::clone(&self.history),
                truth: self.truth.clone(),
            }) as Arc<_>
        };
        let forward = Unsure {
            way: cluster.forwarder().unwrap(),
            groups: (1..=GROUPS).map(noted).collect(),
            dice: Mutex::new(dice.fork()),
            twice_percent: 10,
            lost_percent: 3,
        };
        let parts = gateway::Parts {
            me: cluster.id(),
            groups: (1..=GROUPS).map(noted).collect(),
            forward: Arc::new(forward),
            clock: Arc::clone(&self.hosts[host].clock) as Arc<_>,
            bounds: BOUNDS,
            secret: KeySecret::new([7; 16]),
            denials,
        };
        Gateway::new(parts, gateway::Options::default())
    }
}
