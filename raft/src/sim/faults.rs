//! What goes wrong in a run.

use std::time::Duration;

use super::clock::pass;
use super::dice::Dice;
use super::history::name;
use super::world::{GROUPS, Order, World};

/// The time in which faults happen.
pub(super) const FAULTS: Duration = Duration::from_secs(6);

/// An hour in which all nodes stand still.
const STILL: Duration = Duration::from_secs(3_600);

/// The furthest that a wall clock is set.
const STEP_SECONDS_MAX: u64 = 7_200;

/// The time that a message takes at most without a fault.
pub(super) const LATENCY_MAX: Duration = Duration::from_millis(3);

/// Lets one fault after the other happen, for [`FAULTS`]; all are over at the end but for lost nodes.
pub(super) async fn happen(world: &World, dice: &mut Dice) {
    let begin = turmoil::sim_elapsed().unwrap();
    while turmoil::sim_elapsed().unwrap() - begin < FAULTS {
        pass_some(dice, 50, 700).await;
        one(world, dice).await;
    }
    heal(world);
}

/// Ends all faults that end.
pub(super) fn heal(world: &World) {
    for (a, b) in pairs(world.hosts.len()) {
        turmoil::repair(name(a), name(b));
        turmoil::release(name(a), name(b));
        world.orders.lock().push(Order::Slow(a, b, LATENCY_MAX));
    }
    world.event("healed".to_owned());
}

async fn one(world: &World, dice: &mut Dice) {
    let alive = world.alive();
    let (host, other) = two(&alive, dice);
    match dice.below(100) {
        0..10 => lose(world, host, dice).await,
        10..25 => cut(world, host, dice).await,
        25..35 => {
            world.event(format!("{} is not heard by {}", name(host), name(other)));
            turmoil::partition_oneway(name(host), name(other));
            pass_some(dice, 100, 1_500).await;
            turmoil::repair_oneway(name(host), name(other));
            world.event(format!("{} is heard by {}", name(host), name(other)));
        }
        35..45 => flicker(world, host, other, dice).await,
        45..55 => {
            world.event(format!("{} and {} wait for each other", name(host), name(other)));
            turmoil::hold(name(host), name(other));
            pass_some(dice, 20, 900).await;
            turmoil::release(name(host), name(other));
            world.event(format!("{} and {} go on", name(host), name(other)));
        }
        55..62 => {
            let time = Duration::from_millis(dice.between(5, 120));
            world.event(format!("{} and {} are {time:?} apart", name(host), name(other)));
            world.orders.lock().push(Order::Slow(host, other, time));
            pass_some(dice, 100, 1_500).await;
            world.orders.lock().push(Order::Slow(host, other, LATENCY_MAX));
        }
        62..72 => {
            let seconds = dice.between(0, 2 * STEP_SECONDS_MAX).cast_signed();
            let seconds = seconds - STEP_SECONDS_MAX.cast_signed();
            world.event(format!("{}'s wall clock is set by {seconds} s", name(host)));
            world.hosts[host].clock.step_wall(seconds * 1_000_000_000);
        }
        72..76 => stand_still(world, dice),
        76..88 => transfer(world, host, dice).await,
        _ => let_go(world, host, dice).await,
    }
}

/// A node's end; as many go on as make a majority. It may come back without its memory.
async fn lose(world: &World, host: usize, dice: &mut Dice) {
    if world.alive().len() - 1 <= world.hosts.len() / 2 {
        return;
    }
    world.lose(host);
    if dice.percent(60) {
        pass_some(dice, 0, 1_500).await;
        world.event(format!("{} comes back", name(host)));
        world.orders.lock().push(Order::Bounce(host));
    }
}

/// One node without all others.
async fn cut(world: &World, host: usize, dice: &mut Dice) {
    world.event(format!("{} is cut off", name(host)));
    let others = || (0..world.hosts.len()).filter(|other| *other != host);
    others().for_each(|other| turmoil::partition(name(host), name(other)));
    pass_some(dice, 100, 2_000).await;
    others().for_each(|other| turmoil::repair(name(host), name(other)));
    world.event(format!("{} is back", name(host)));
}

/// A link on which some messages are lost: a connection that loses one is broken.
async fn flicker(world: &World, host: usize, other: usize, dice: &mut Dice) {
    world.event(format!("{} and {} lose messages", name(host), name(other)));
    for _ in 0..dice.between(1, 8) {
        turmoil::partition(name(host), name(other));
        pass_some(dice, 1, 3).await;
        turmoil::repair(name(host), name(other));
        pass_some(dice, 10, 150).await;
    }
}

/// All nodes stand still for an hour. Their monotonic clocks count it, or do not.
fn stand_still(world: &World, dice: &mut Dice) {
    let is_counted = dice.percent(50);
    world.event(format!("all stand still, counted: {is_counted}"));
    world.truth.stand_still(STILL);
    let nanos = i64::try_from(STILL.as_nanos()).unwrap();
    for host in &world.hosts {
        if is_counted { host.clock.jump(STILL) } else { host.clock.step_wall(nanos) }
    }
}

/// A leader hands a group on.
async fn transfer(world: &World, host: usize, dice: &mut Dice) {
    let group = u32::try_from(dice.between(0, u64::from(GROUPS))).unwrap();
    let Some(group) = world.cluster(host).and_then(|cluster| cluster.group(group)) else { return };
    let leader = group.leader().and_then(|(leader, _)| world.host_of(leader));
    let Some(leader) = leader.filter(|leader| *leader != host) else { return };
    let Some(to) = world.cluster(host).map(|cluster| cluster.id()) else { return };
    let hands_on = world.cluster(leader).and_then(|cluster| cluster.group(group.id()));
    if let Some(hands_on) = hands_on {
        let (from, to_name) = (name(leader), name(host));
        world.event(format!("{from} hands group {} to {to_name}", group.id()));
        drop(hands_on.raft().trigger().transfer_leader(to).await);
    }
}

/// A node that is cut off for long enough that the others let go of the entries it needs.
async fn let_go(world: &World, host: usize, dice: &mut Dice) {
    world.event(format!("{} is cut off for a snapshot", name(host)));
    let others = || (0..world.hosts.len()).filter(|other| *other != host);
    others().for_each(|other| turmoil::partition(name(host), name(other)));
    pass_some(dice, 600, 1_200).await;
    for other in world.alive().into_iter().filter(|other| *other != host) {
        let Some(cluster) = world.cluster(other) else { continue };
        for group in (0..=GROUPS).filter_map(|group| cluster.group(group)) {
            let Some(applied) = group.machine().applied() else { continue };
            drop(group.raft().trigger().snapshot().await);
            // The note is made by another task.
            pass(Duration::from_millis(2)).await;
            drop(group.raft().trigger().purge_log(applied.index).await);
        }
    }
    pass_some(dice, 1, 100).await;
    others().for_each(|other| turmoil::repair(name(host), name(other)));
    world.event(format!("{} is back", name(host)));
}

async fn pass_some(dice: &mut Dice, first_millis: u64, last_millis: u64) {
    pass(Duration::from_millis(dice.between(first_millis, last_millis))).await;
}

fn two(alive: &[usize], dice: &mut Dice) -> (usize, usize) {
    let first = dice.place(alive.len());
    let second = (first + 1 + dice.place(alive.len() - 1)) % alive.len();
    (alive[first], alive[second])
}

pub(super) fn pairs(nodes: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..nodes).flat_map(move |a| (a + 1..nodes).map(move |b| (a, b)))
}
