//! Nodes in one thread with a simulated network and time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _};
use tollgate_core::command::Bounds;
use tollgate_core::time::{Clock, Monotonic, Wall, saturating_nanos};
use turmoil::net::{TcpListener, TcpStream};

use super::{Cluster, Options, Parts, Phase, Random, Timers};
use crate::group::Group;
use crate::machine::Unwatched;
use crate::network::{BoxIo, Dial, Incoming, Secret};
use crate::snapshot::Work;

pub(super) const NAMES: [&str; 3] = ["a", "b", "c"];
/// Where every host listens for its peers.
pub(crate) const PORT: u16 = 7_600;

/// Virtual time in which anything that is waited for must happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the simulation's clock says.
struct SimClock;

impl Clock for SimClock {
    fn monotonic(&self) -> Monotonic {
        let elapsed = turmoil::sim_elapsed().unwrap_or_default();
        Monotonic::from_nanos(saturating_nanos(elapsed))
    }

    fn wall(&self) -> Wall {
        Wall::from_nanos(saturating_nanos(turmoil::since_epoch().unwrap_or_default()))
    }
}

/// Connects over the simulated network.
pub(crate) struct SimDial;

impl Dial for SimDial {
    fn dial(&self, address: String) -> BoxFuture<'static, io::Result<BoxIo>> {
        Box::pin(async move { Ok(Box::new(TcpStream::connect(address).await?) as BoxIo) })
    }
}

/// The connections that come to this host.
pub(crate) async fn listening() -> Incoming {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await.unwrap();
    stream::unfold(listener, |listener| async {
        let accepted = listener.accept().await.map(|(stream, _)| Box::new(stream) as BoxIo);
        Some((accepted, listener))
    })
    .boxed()
}

/// Different bytes each time, the same for a seed.
fn bytes_of(seed: u64) -> Random {
    let drawn = AtomicU64::new(seed);
    Arc::new(move |bytes| {
        for byte in bytes {
            let drawn = drawn.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            *byte = (drawn.wrapping_mul(0xff51_afd7_ed55_8ccd) >> 56) as u8;
        }
        Ok(())
    })
}

pub(super) fn options(name: &str) -> Options {
    Options {
        name: name.into(),
        peers: NAMES.map(|name| (name.to_owned(), format!("{name}:{PORT}"))).into(),
        secret: Secret::new(vec![1; 16]).unwrap(),
        groups: 2,
        bounds: Bounds { keys_max: 1_000, bytes_max: 1 << 20, reservations_max: 10 },
        timers: Timers::default(),
    }
}

/// What is to be done to hosts, by whoever turns the simulation.
enum Order {
    Crash(&'static str),
    Bounce(&'static str),
}

/// The nodes, as a test sees them.
#[derive(Clone, Default)]
pub(super) struct Nodes {
    up: Rc<RefCell<BTreeMap<&'static str, Cluster>>>,
    orders: Rc<RefCell<Vec<Order>>>,
}

impl Nodes {
    pub(super) fn node(&self, name: &str) -> Cluster {
        self.up.borrow()[name].clone()
    }

    pub(super) fn group(&self, name: &str, group: u32) -> Arc<Group> {
        self.node(name).group(group).unwrap()
    }

    pub(super) fn phase(&self, name: &str) -> Option<Phase> {
        Some(self.up.borrow().get(name)?.phase().borrow().clone())
    }

    pub(super) fn crash(&self, name: &'static str) {
        self.up.borrow_mut().remove(name);
        self.orders.borrow_mut().push(Order::Crash(name));
    }

    pub(super) fn bounce(&self, name: &'static str) {
        self.orders.borrow_mut().push(Order::Bounce(name));
    }

    pub(super) fn name_of(&self, id: u64) -> Option<&'static str> {
        self.up.borrow().iter().find(|(_, node)| node.id() == id).map(|(name, _)| *name)
    }

    /// The leader that all of `names` know of in `group`, and its term.
    pub(super) fn leader(&self, names: &[&str], group: u32) -> Option<(&'static str, u64)> {
        let leader = |name: &&str| self.up.borrow().get(name)?.group(group)?.leader();
        let mut leaders = names.iter().map(leader);
        let first = leaders.next()??;
        let (id, term) = leaders.all(|other| other == Some(first)).then_some(first)?;
        Some((self.name_of(id)?, term))
    }

    /// Waits until each of `names` is a member and every group has a leader that all know of.
    pub(super) async fn are_members(&self, names: &[&str]) {
        until("a cluster with leaders", || {
            let are_members = names.iter().all(|name| self.phase(name) == Some(Phase::Member));
            are_members && (0..=2).all(|group| self.leader(names, group).is_some())
        })
        .await;
    }
}

/// Waits in virtual time.
pub(super) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = turmoil::sim_elapsed().unwrap();
    while !is_so() {
        assert!(turmoil::sim_elapsed().unwrap() - begin < PATIENCE, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await; // tidy: virtual time
    }
}

/// Lets this much virtual time go by.
pub(super) async fn pass(time: Duration) {
    tokio::time::sleep(time).await; // tidy: virtual time
}

/// Runs three nodes with what each is told, and `test` beside them.
pub(super) fn simulate<F>(
    seed: u64,
    told: impl Fn(&str) -> Options + Clone + 'static,
    test: impl FnOnce(Nodes) -> F,
) where
    F: Future<Output = ()> + 'static,
{
    let mut sim = turmoil::Builder::new()
        .simulation_duration(Duration::from_secs(600))
        .tick_duration(Duration::from_millis(1))
        .min_message_latency(Duration::from_micros(200))
        .max_message_latency(Duration::from_millis(2))
        .rng_seed(seed)
        .build();
    let nodes = Nodes::default();
    let starts = Rc::new(RefCell::new(0_u64));
    for name in NAMES {
        let (nodes, told, starts) = (nodes.clone(), told.clone(), Rc::clone(&starts));
        sim.host(name, move || {
            let options = told(name);
            let nodes = nodes.clone();
            *starts.borrow_mut() += 1;
            let seed = seed.wrapping_mul(1_000).wrapping_add(*starts.borrow());
            async move {
                let parts = Parts {
                    clock: Arc::new(SimClock),
                    dial: Arc::new(SimDial),
                    incoming: listening().await,
                    random: bytes_of(seed),
                    seed: Some(seed),
                    work: Work::Here,
                    watcher: Arc::new(|_| Arc::new(Unwatched)),
                };
                let cluster = Cluster::start(options, parts)?;
                nodes.up.borrow_mut().insert(name, cluster);
                std::future::pending().await
            }
        });
    }
    let test = test(nodes.clone());
    sim.client("test", async move {
        test.await;
        Ok(())
    });
    while !sim.step().unwrap() {
        for order in nodes.orders.take() {
            match order {
                Order::Crash(name) => sim.crash(name),
                Order::Bounce(name) => sim.bounce(name),
            }
        }
    }
}
