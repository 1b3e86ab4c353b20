//! One run: a seed's nodes, faults and calls, and what was broken in it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::clock::pass;
use super::dice::Dice;
use super::faults::{self, LATENCY_MAX};
use super::history::{Broken, digest, name};
use super::invariants;
use super::planted::{self, Planted};
use super::workload::Caller;
use super::world::{GROUPS, Order, World};

/// The longest that nodes take to be a cluster.
const BIRTH_MAX: Duration = Duration::from_secs(15);

/// Once faults are over, every key is decided again within this.
const PROGRESS_MAX: Duration = Duration::from_secs(8);

/// The longest that a run takes.
const RUN_MAX: Duration = Duration::from_secs(90);

/// What came of a run.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) seed: u64,
    pub(super) broken: Vec<Broken>,
    pub(super) trace: u64,
    pub(super) events: Vec<(Duration, String)>,
    /// Calls, those that were answered, and entries.
    pub(super) figures: [usize; 3],
}

/// Runs a seed, with a defect or without.
pub(super) fn run(seed: u64, planted: Option<Planted>) -> Report {
    planted::plant(planted);
    let mut dice = Dice::new(seed);
    let nodes = if dice.percent(15) { 5 } else { 3 };
    let world = World::new(nodes, &mut dice);
    turn(&world, &mut dice);
    planted::plant(None);
    let mut history = world.history.lock();
    let mut broken = history.broken.clone();
    broken.extend(invariants::check(&history));
    let is_answered = |op: &&super::history::Op| matches!(op.told, Some((_, Ok(_))));
    let answered = history.ops.iter().filter(is_answered).count();
    let figures = [history.ops.len(), answered, history.logs.len()];
    let (trace, events) = (history.trace(), history.take_events());
    Report { seed, broken, trace, events, figures }
}

fn turn(world: &Arc<World>, dice: &mut Dice) {
    let mut sim = turmoil::Builder::new()
        .simulation_duration(RUN_MAX)
        .tick_duration(Duration::from_millis(1))
        .min_message_latency(Duration::from_micros(200))
        .max_message_latency(LATENCY_MAX)
        .rng_seed(dice.draw())
        .build();
    for host in 0..world.hosts.len() {
        let world = Arc::clone(world);
        sim.host(name(host), move || Arc::clone(&world).run(host));
    }
    let driven = drive(Arc::clone(world), dice.fork());
    sim.client("driver", async move {
        driven.await;
        Ok(())
    });
    loop {
        match sim.step() {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => return world.history.lock().broke("the run", error.to_string()),
        }
        look_for_the_dead(world);
        if !world.history.lock().broken.is_empty() {
            return;
        }
        for order in std::mem::take(&mut *world.orders.lock()) {
            match order {
                Order::Crash(host) => sim.crash(name(host)),
                Order::Bounce(host) => sim.bounce(name(host)),
                Order::Slow(a, b, most) => sim.set_link_max_message_latency(name(a), name(b), most),
            }
        }
    }
}

async fn drive(world: Arc<World>, mut dice: Dice) {
    let all: Vec<_> = (0..world.hosts.len()).collect();
    let is_born = || all.iter().all(|host| world.caller(*host).is_some());
    if !until(BIRTH_MAX, is_born).await {
        return world.history.lock().broke("progress", "no cluster is born".to_owned());
    }
    pass(Duration::from_millis(dice.between(0, 1_000))).await;
    let mut second = dice.fork();
    if dice.percent(40) {
        tokio::join!(faults::happen(&world, &mut dice), faults::happen(&world, &mut second));
    } else {
        faults::happen(&world, &mut dice).await;
    }
    world.is_calling.store(false, Ordering::Relaxed);
    let callers: Vec<_> = world.alive().into_iter().filter_map(|host| world.caller(host)).collect();
    let decided = callers.iter().map(|caller| {
        let mut dice = dice.fork();
        async move { caller.is_decided_again(PROGRESS_MAX, &mut dice).await }
    });
    let decided: Vec<_> = decided.collect();
    futures_util::future::join_all(decided).await;
    let probed = callers.into_iter().map(|caller| caller.exhaust_and_give_back(dice.fork()));
    let probed: Vec<_> = probed.collect();
    futures_util::future::join_all(probed).await;
    converge(&world).await;
}

/// All that live must come to the same entry, and be equal there.
async fn converge(world: &World) {
    let groups = || {
        let clusters = world.alive().into_iter().filter_map(|host| world.cluster(host));
        clusters.collect::<Vec<_>>()
    };
    let are_level = || {
        (1..=GROUPS).all(|group| {
            let applied =
                |cluster: &crate::node::Cluster| cluster.group(group)?.machine().applied();
            let mut applied = groups().iter().map(applied).collect::<Vec<_>>();
            applied.dedup();
            applied.len() == 1 && applied[0].is_some()
        })
    };
    if !until(PROGRESS_MAX, are_level).await {
        return world.history.lock().broke("progress", "replicas do not come together".to_owned());
    }
    for host in world.alive() {
        for group in 1..=GROUPS {
            let machine = world.cluster(host).and_then(|cluster| cluster.group(group));
            let Some(machine) = machine else { continue };
            let (Some(applied), view) = machine.machine().view_at() else { continue };
            world.history.lock().reached(host, group, applied.index, digest(view));
        }
    }
}

/// No start that is over ever runs again.
fn look_for_the_dead(world: &World) {
    for host in 0..world.hosts.len() {
        let Some(cluster) = world.cluster(host) else { continue };
        let id = cluster.id();
        let mut history = world.history.lock();
        if history.dead.contains(&id) && cluster.spec().is_some() {
            let how = format!("{} forgot its log and goes on as {id}", name(host));
            history.broke("forgotten logs", how);
        }
    }
}

async fn until(most: Duration, is_so: impl Fn() -> bool) -> bool {
    let begin = turmoil::sim_elapsed().unwrap();
    while !is_so() {
        if turmoil::sim_elapsed().unwrap() - begin > most {
            return false;
        }
        pass(Duration::from_millis(5)).await;
    }
    true
}

/// Keeps a caller's promise to end.
pub(super) async fn call(world: Arc<World>, caller: Caller, dice: Dice) {
    let calling = caller.call_on(dice);
    let ended = async {
        while world.is_calling.load(Ordering::Relaxed) {
            pass(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        biased;
        () = ended => {}
        () = calling => {}
    }
}
