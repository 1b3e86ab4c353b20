//! Three nodes count as one: a limit of N is N over all of them, for Envoy and for native callers.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use tollgate_client::{Check, Decide as _};
use tollgate_tests::cluster::{Cluster, NAMES};
use tollgate_tests::envoy::{self, Envoy};
use tollgate_tests::envoy_bootstrap::Bootstrap;
use tollgate_tests::envoy_route::{Route, generic_key};
use tollgate_tests::history::Told;
use tollgate_tests::rls::{admitted, request};
use tollgate_tests::upstream::Upstream;

use crate::cluster_callers::{Callers, client_of};

/// A year: a window that turns in the middle of a run admits twice.
pub(crate) const LIMITS: &str = "
domain: edge
descriptors:
  - {key: generic_key, value: shared, rate_limit: {unit: year, requests_per_unit: 50}}
  - {key: key, rate_limit: {unit: year, requests_per_unit: 200}}
";

/// The named limits of every test here.
pub(crate) const SECTIONS: &str = "
limits:
  shared: {by: [client], limit: 300, window: 365d}
  bucket: {by: [client], rate: 200/s, burst: 50}
  slide: {by: [client], limit: 100, window: 2s, algorithm: sliding_window}
  costly: {by: [client], limit: 1000, window: 365d}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn native_callers_of_all_nodes_share_one_limit_exactly() -> anyhow::Result<()> {
    let cluster = Cluster::start(LIMITS, SECTIONS).await?;
    let check = || Check::limit("shared").value("client", "everybody");
    let history = Callers::of(&cluster, 4)?.run(check, 50).await?;
    history.expect_shared(300)?;
    ensure!(history.count(Told::Allowed) == 300, "{}", history.count(Told::Allowed));
    ensure!(history.count(Told::Denied) == 300, "{}", history.count(Told::Denied));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn envoy_spreads_its_calls_over_the_nodes_and_meets_one_limit() -> anyhow::Result<()> {
    let name = "cluster::envoy_spreads_its_calls_over_the_nodes_and_meets_one_limit";
    let Some(binary) = envoy::binary_or_skip(name)? else { return Ok(()) };
    let cluster = Cluster::start(LIMITS, SECTIONS).await?;
    let upstream = Upstream::start().await?;
    let [a, b, c] = [0, 1, 2].map(|at| cluster.nodes()[at].addresses().decide);
    let route = Route::new("/").descriptor(&[generic_key("shared")]);
    let bootstrap = Bootstrap::new(a, upstream.address(), "edge").and(b).and(c);
    let envoy = Envoy::start(&binary, &bootstrap.failure_mode_deny().route(route)).await?;
    let (mut passed, mut refused) = (0, 0);
    for _ in 0..120 {
        match envoy.get("/", &[]).await?.status.as_u16() {
            200 => passed += 1,
            429 => refused += 1,
            other => anyhow::bail!("{other} after {passed} and {refused}"),
        }
    }
    ensure!((passed, refused) == (50, 70), "{passed} passed, {refused} were refused");
    ensure!(upstream.arrived() == 50, "{} arrived", upstream.arrived());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_of_the_rate_limit_service_share_every_key() -> anyhow::Result<()> {
    let cluster = Cluster::start(LIMITS, SECTIONS).await?;
    let mut clients = Vec::new();
    for node in cluster.nodes() {
        clients.push(node.rls().await?);
    }
    for key in ["one", "two", "three", "four", "five"] {
        let mut passed = 0;
        for at in 0..210 {
            let client = &mut clients[at % NAMES.len()];
            let answer = client.should_rate_limit(request("edge", &[("key", key)])).await?;
            passed += u32::from(admitted(answer.get_ref())?);
        }
        ensure!(passed == 200, "{passed} of {key}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_reserves_another_commits_and_a_third_gives_back() -> anyhow::Result<()> {
    let cluster = Cluster::start(LIMITS, SECTIONS).await?;
    let clients: Vec<_> = cluster.nodes().iter().map(client_of).collect::<Result<_, _>>()?;
    let check = || Check::limit("costly").value("client", "model");
    let reservation = clients[0].reserve(&check().hits(900)).await?;
    ensure!(reservation.decision().allowed(), "900 of 1000");
    let denied = clients[1].check(&check().hits(200)).await?;
    ensure!(!denied.allowed(), "900 are held");
    let ticket = reservation.ticket().context("no ticket")?.clone();
    let settled = clients[1].commit(&ticket, 100).await?;
    ensure!((settled.charged, settled.uncharged) == (100, 0), "{settled:?}");
    let peeked = clients[2].peek(&check()).await?;
    // A peek tells what its own hit would leave.
    ensure!(peeked.remaining() == Some(899), "{peeked:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_tells_the_same_of_the_cluster() -> anyhow::Result<()> {
    let cluster = Cluster::start(LIMITS, SECTIONS).await?;
    let mut leaders = Vec::new();
    for node in cluster.nodes() {
        let status = node.status()?;
        ensure!(status["node"] == node.name(), "{status}");
        ensure!(status["members"].as_array().is_some_and(|members| members.len() == 3), "{status}");
        let groups = status["groups"].as_array().context("no groups")?.clone();
        ensure!(groups.len() == 4, "{status}");
        let told = groups.iter().map(|group| group["leader"].to_string()).collect::<Vec<_>>();
        leaders.push(told);
    }
    ensure!(leaders.windows(2).all(|pair| pair[0] == pair[1]), "{leaders:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_and_buckets_hold_for_the_cluster_as_a_whole() -> anyhow::Result<()> {
    let cluster = Cluster::start(LIMITS, SECTIONS).await?;
    let bucket = || Check::limit("bucket").value("client", "c");
    let history = Callers::of(&cluster, 2)?.run(bucket, 300).await?;
    history.expect_no_burst_over(50, 200.0)?;
    let slide = || Check::limit("slide").value("client", "c");
    let history = Callers::of(&cluster, 2)?.run(slide, 200).await?;
    history.expect_no_window_over(100, Duration::from_secs(2))?;
    ensure!(history.count(Told::Unknown) == 0, "unanswered: {}", history.count(Told::Unknown));
    Ok(())
}
