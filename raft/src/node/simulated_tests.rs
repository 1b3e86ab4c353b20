//! Three nodes are born, lose a leader, a link or their memory.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;

use super::Phase;
use super::simulated::{NAMES, Nodes, options, pass, simulate, until};
use crate::network::Secret;

/// Appends of one entry after the other by whoever leads.
async fn write(nodes: &Nodes, names: &[&'static str], group: u32, entries: usize) {
    let (leader, term) = nodes.leader(names, group).unwrap();
    let leader = nodes.group(leader, group);
    let proposals = (0..entries).map(|_| leader.propose(term, Bytes::from_static(&[0; 100])));
    for written in futures_util::future::join_all(proposals).await {
        written.unwrap();
    }
}

fn others(than: &str) -> [&'static str; 2] {
    let others: Vec<_> = NAMES.into_iter().filter(|name| *name != than).collect();
    others.try_into().unwrap()
}

fn last(nodes: &Nodes, name: &str, group: u32) -> u64 {
    nodes.group(name, group).status().applied.unwrap_or(0)
}

#[test]
fn three_nodes_are_born_and_survive_their_leader() {
    for seed in 1..=3 {
        simulate(seed, options, |nodes| async move {
            nodes.are_members(&NAMES).await;
            let spec = nodes.node("a").spec().unwrap();
            for name in NAMES {
                let own = nodes.node(name).spec().unwrap();
                assert_eq!(own, spec);
                assert_eq!(spec.member(nodes.node(name).id()).unwrap().name, name);
            }
            write(&nodes, &NAMES, 1, 10).await;
            let (leader, term) = nodes.leader(&NAMES, 1).unwrap();
            let survivors = others(leader);
            nodes.crash(leader);
            until("another leader", || {
                nodes.leader(&survivors, 1).is_some_and(|(_, newer)| newer > term)
            })
            .await;
            write(&nodes, &survivors, 1, 10).await;
        });
    }
}

#[test]
fn a_node_that_comes_back_without_its_memory_is_left_out_and_disturbs_nobody() {
    simulate(4, options, |nodes| async move {
        nodes.are_members(&NAMES).await;
        let lost = "b";
        let old = nodes.node(lost).id();
        let cluster = nodes.node("a").spec().unwrap().cluster();
        nodes.crash(lost);
        let survivors = others(lost);
        until("leaders among the survivors", || {
            (0..=2).all(|group| nodes.leader(&survivors, group).is_some())
        })
        .await;
        let terms = [0, 1, 2].map(|group| nodes.leader(&survivors, group));
        nodes.bounce(lost);
        until("the node is told", || {
            matches!(nodes.phase(lost), Some(Phase::LeftOut { cluster: told, .. }) if told == cluster)
        })
        .await;
        assert_ne!(nodes.node(lost).id(), old);
        assert!(nodes.node(lost).spec().is_none());
        pass(Duration::from_secs(5)).await;
        assert!(matches!(nodes.phase(lost), Some(Phase::LeftOut { .. })));
        assert_eq!([0, 1, 2].map(|group| nodes.leader(&survivors, group)), terms);
    });
}

#[test]
fn nothing_is_founded_while_a_node_is_missing() {
    simulate(5, options, |nodes| async move {
        pass(Duration::from_millis(1)).await;
        nodes.crash("c");
        pass(Duration::from_secs(5)).await;
        for name in ["a", "b"] {
            assert!(nodes.node(name).spec().is_none());
        }
        assert_eq!(nodes.phase("a"), Some(Phase::Waiting { missing: vec!["c".into()] }));
        nodes.bounce("c");
        nodes.are_members(&NAMES).await;
    });
}

#[test]
fn a_follower_that_was_cut_off_raises_no_term_and_catches_up_by_entries() {
    simulate(6, options, |nodes| async move {
        nodes.are_members(&NAMES).await;
        let (leader, term) = nodes.leader(&NAMES, 1).unwrap();
        let [cut, _] = others(leader);
        let rest = others(cut);
        for name in rest {
            turmoil::partition(cut, name);
        }
        until("the others go on", || nodes.leader(&rest, 1).is_some()).await;
        write(&nodes, &rest, 1, 3_000).await;
        pass(Duration::from_secs(5)).await;
        let status = nodes.group(cut, 1).status();
        assert_eq!(status.term, term, "it raised its term alone");
        let behind = last(&nodes, leader, 1) - last(&nodes, cut, 1);
        assert!(behind >= 3_000, "{behind}");
        for name in rest {
            turmoil::repair(cut, name);
        }
        until("it catches up", || last(&nodes, cut, 1) == last(&nodes, leader, 1)).await;
        assert_eq!(nodes.leader(&NAMES, 1), Some((leader, term)));
        for name in NAMES {
            assert_eq!(nodes.group(name, 1).status().snapshots_installed, 0);
        }
    });
}

/// What two nodes try in ten seconds, with some writes, when the third is gone.
async fn a_dead_follower_costs_little(nodes: &Nodes, dead: &'static str) {
    let alive = others(dead);
    until("leaders among the others", || {
        (0..=2).all(|group| nodes.leader(&alive, group).is_some())
    })
    .await;
    let tries = |name: &str| {
        let tries = std::sync::Arc::clone(&nodes.node(name).resident.peers.tries);
        (tries.wanted.load(Ordering::Relaxed), tries.dialed.load(Ordering::Relaxed))
    };
    let before = alive.map(tries);
    for _ in 0..10 {
        write(nodes, &alive, 0, 10).await;
        pass(Duration::from_secs(1)).await;
    }
    for (name, (wanted, dialed)) in alive.into_iter().zip(before) {
        let (wanted, dialed) = (tries(name).0 - wanted, tries(name).1 - dialed);
        // Two connections to one peer, 250 ms apart once it is known to be gone.
        assert!(dialed <= 10 * 2 * 5, "{name} dialed {dialed} times in 10 s");
        // Three groups' heartbeats each 30 ms, and streams a few times a second.
        assert!(wanted <= 10 * 3 * (34 + 10), "{name} tried {wanted} times in 10 s");
    }
}

#[test]
fn a_dead_follower_costs_a_few_dials_a_second() {
    simulate(7, options, |nodes| async move {
        nodes.are_members(&NAMES).await;
        let (leader, _) = nodes.leader(&NAMES, 0).unwrap();
        let [dead, _] = others(leader);
        nodes.crash(dead);
        a_dead_follower_costs_little(&nodes, dead).await;
    });
    simulate(7, options, |nodes| async move {
        nodes.are_members(&NAMES).await;
        let (leader, _) = nodes.leader(&NAMES, 0).unwrap();
        let [dead, _] = others(leader);
        // Its host is there and refuses connections.
        nodes.node(dead).shutdown().await;
        a_dead_follower_costs_little(&nodes, dead).await;
    });
}

#[test]
fn a_follower_that_was_away_for_longer_than_the_log_is_sent_the_state() {
    simulate(10, options, |nodes| async move {
        nodes.are_members(&NAMES).await;
        let (leader, _) = nodes.leader(&NAMES, 0).unwrap();
        let [cut, _] = others(leader);
        let rest = others(cut);
        for name in rest {
            turmoil::partition(cut, name);
        }
        until("the others go on", || nodes.leader(&rest, 0).is_some()).await;
        write(&nodes, &rest, 0, 100).await;
        // Entries older than a minute go.
        pass(Duration::from_secs(70)).await;
        write(&nodes, &rest, 0, 1).await;
        for name in rest {
            turmoil::repair(cut, name);
        }
        until("it is as far as the leader", || last(&nodes, cut, 0) == last(&nodes, leader, 0))
            .await;
        let state = |name| nodes.group(name, 0).machine().read(|machine| machine.meta().cloned());
        assert!(state(cut).unwrap().spec().is_some());
        assert_eq!(state(cut), state(leader));
        assert_eq!(nodes.group(cut, 0).status().snapshots_installed, 1);
    });
}

#[test]
fn nodes_with_another_secret_or_list_do_not_meet() {
    let other_secret = |name: &str| {
        let mut options = options(name);
        if name == "c" {
            options.secret = Secret::new(vec![2; 16]).unwrap();
        }
        options
    };
    simulate(8, other_secret, |nodes| async move {
        pass(Duration::from_secs(5)).await;
        for name in NAMES {
            assert!(nodes.node(name).spec().is_none(), "{name}");
        }
        assert_eq!(nodes.phase("a"), Some(Phase::Waiting { missing: vec!["c".into()] }));
    });
    let exchanged = |name: &str| {
        let mut options = options(name);
        if name == "a" {
            options.peers.insert("b".into(), "c:7600".into());
            options.peers.insert("c".into(), "b:7600".into());
        }
        options
    };
    simulate(9, exchanged, |nodes| async move {
        until("the mistake is seen", || matches!(nodes.phase("a"), Some(Phase::Refused(_)))).await;
        pass(Duration::from_secs(3)).await;
        for name in NAMES {
            assert!(nodes.node(name).spec().is_none(), "{name}");
        }
    });
}
