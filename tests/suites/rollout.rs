//! Two nodes behind one Envoy that asks them for their health: one may end under load.

use anyhow::ensure;
use tollgate_tests::envoy::{self, Envoy};
use tollgate_tests::envoy_bootstrap::{Bootstrap, Route, generic_key};
use tollgate_tests::tollgate::Tollgate;
use tollgate_tests::upstream::Upstream;

use crate::load::Load;

const LIMITS: &str = "
domain: edge
descriptors:
  - {key: generic_key, value: many, rate_limit: {unit: year, requests_per_unit: 1000000}}
";

/// Answers of the load before and after what happens in it.
const STEADY: usize = 60;

/// As two health checks of Envoy take at most, on a machine that is busy.
const NOTICE: &str = "2s";

#[tokio::test]
async fn a_node_ends_and_comes_back_under_load_and_no_call_fails() -> anyhow::Result<()> {
    let name = "rollout::a_node_ends_and_comes_back_under_load_and_no_call_fails";
    let Some(binary) = envoy::binary_or_skip(name)? else { return Ok(()) };
    let node = || Tollgate::builder().limits("edge.yaml", LIMITS).drain_notice(NOTICE).start();
    let (mut first, mut second) = tokio::try_join!(node(), node())?;
    let upstream = Upstream::start().await?;
    let bootstrap = Bootstrap::new(first.decide_addr(), upstream.address(), "edge")
        .and(second.decide_addr())
        .failure_mode_deny()
        .route(Route::new("/").descriptor(&[generic_key("many")]));
    let envoy = Envoy::start(&binary, &bootstrap).await?;
    let load = Load::new(&envoy, "/");
    load.none_fails(async {
        load.answers(STEADY).await?;
        // One after the other, as an orchestrator replaces them.
        for node in [&mut first, &mut second] {
            node.stop().await?;
            load.answers(STEADY).await?;
            node.start_again().await?;
            healthy(&envoy, 2).await?;
            load.answers(STEADY).await?;
        }
        Ok(())
    })
    .await?;
    let decided = decisions(&first).await? + decisions(&second).await?;
    ensure!(decided > 0, "nobody decided");
    Ok(())
}

/// Waits until Envoy sees this many nodes that serve.
async fn healthy(envoy: &Envoy, nodes: u64) -> anyhow::Result<()> {
    use tollgate_tests::wait::{self, Probe};

    let bound = std::time::Duration::from_secs(20);
    wait::until("healthy nodes", bound, async || {
        match envoy.counter("cluster.tollgate.membership_healthy").await {
            Ok(seen) if seen == nodes => Probe::Holds(()),
            seen => Probe::NotYet(format!("{seen:?}")),
        }
    })
    .await
}

async fn decisions(node: &Tollgate) -> anyhow::Result<u64> {
    let metrics = node.admin_get("/metrics").await?.text().to_string();
    let lines = metrics.lines().filter(|line| line.starts_with("tollgate_decisions_total"));
    Ok(lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum())
}
