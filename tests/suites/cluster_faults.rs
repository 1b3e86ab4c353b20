//! A cluster whose leader is lost or stands still under load: nothing over a limit, no answer lost,
//! nothing counted twice. The checks read what the callers saw, and one look at the counter.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tollgate_client::Check;
use tollgate_tests::cluster::Cluster;
use tollgate_tests::history::{History, Told};
use tollgate_tests::wait::{self, Probe};

use crate::cluster::{LIMITS, SECTIONS};
use crate::cluster_callers::Callers;

/// Far above an election and the calls before and after it.
const BOUND: Duration = Duration::from_secs(60);

/// What happens to a leader under load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Kill,
    StandStill,
}

/// Has every node's callers ask while one node after another loses the group of the watched key.
async fn under(
    fault: Fault,
    limit: &'static str,
    calls: usize,
) -> anyhow::Result<(Cluster, History)> {
    let mut cluster = Cluster::start(LIMITS, SECTIONS).await?;
    let check = move || Check::limit(limit).value("client", "everybody");
    let callers = Callers::of(&cluster, 3)?;
    let done = callers.done();
    let running = tokio::spawn(callers.run(check, calls));
    let reached = async |count: usize| {
        wait::until("calls", BOUND, async || match done.load(Ordering::Relaxed) {
            seen if seen >= count => Probe::Holds(()),
            seen => Probe::NotYet(format!("{seen} of {count}")),
        })
        .await
    };
    reached(calls).await?;
    match fault {
        Fault::Kill => {
            let leader = cluster.leader(1, "").await?;
            cluster.kill(&leader)?;
        }
        Fault::StandStill => {
            for group in [1, 2, 3] {
                let leader = cluster.leader(group, "").await?;
                cluster.node(&leader)?.pause()?;
                // Others are elected for what it led, while it does not know.
                cluster.leader(group, &leader).await?;
                let so_far = done.load(Ordering::Relaxed);
                reached((so_far + calls / 2).min(calls * 8)).await?;
                cluster.node(&leader)?.resume()?;
                cluster.wait_whole().await?;
            }
        }
    }
    let history = tokio::time::timeout(BOUND, running).await.context("callers")???;
    cluster.wait_whole().await?;
    Ok((cluster, history))
}

/// Hits that the watched key has by now.
fn hits(cluster: &Cluster, limit: &str) -> anyhow::Result<usize> {
    let node = cluster.nodes().first().context("no node")?;
    let found = node.asked(&["counters", "find", limit])?;
    let counters = found["counters"].as_array().context("no counters")?;
    ensure!(counters.len() == 1, "{found}");
    let hits = counters[0]["hits"].as_u64().context("no hits")?;
    Ok(usize::try_from(hits)?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_leader_takes_no_answered_call_with_it() -> anyhow::Result<()> {
    let (cluster, history) = under(Fault::Kill, "costly", 60).await?;
    history.expect_shared(1_000)?;
    history.expect_counted(hits(&cluster, "costly")?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_leader_opens_no_limit() -> anyhow::Result<()> {
    let (_cluster, history) = under(Fault::Kill, "shared", 80).await?;
    history.expect_shared(300)?;
    ensure!(history.count(Told::Denied) > 0, "the limit was never met");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_stood_still_neither_loses_nor_doubles_anything() -> anyhow::Result<()> {
    let (cluster, history) = under(Fault::StandStill, "costly", 60).await?;
    history.expect_shared(1_000)?;
    history.expect_counted(hits(&cluster, "costly")?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_is_never_over_while_leaders_stand_still() -> anyhow::Result<()> {
    let (_cluster, history) = under(Fault::StandStill, "slide", 120).await?;
    history.expect_no_window_over(100, Duration::from_secs(2))
}
