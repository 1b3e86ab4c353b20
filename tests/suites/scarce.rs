//! A machine that gives few file descriptors: callers may take their part, and no more.

use std::time::Duration;

use anyhow::ensure;
use tokio::net::TcpStream;
use tollgate_tests::rls::request;
use tollgate_tests::tollgate::Tollgate;
use tollgate_tests::wait::{self, Probe};

/// Fewer than the connections that are tried.
const FILES: usize = 200;

const TRIED: usize = 150;

const BOUND: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_node_that_callers_have_filled_still_tells_how_it_is() -> anyhow::Result<()> {
    let node = Tollgate::builder().workers(1).open_files(FILES).start().await?;
    let scarce = node.log().into_iter().find(|event| event["event"] == "files_scarce");
    ensure!(scarce.is_some_and(|event| event["files"] == FILES), "{:?}", node.log());
    let mut kept = Vec::new();
    for address in [node.decide_addr(), node.http_addr()] {
        for _ in 0..TRIED {
            kept.push(TcpStream::connect(address).await?);
        }
    }
    wait::until("full listeners", BOUND, async || {
        let metrics = match node.admin_get("/metrics").await {
            Ok(answer) => answer.text().to_string(),
            Err(error) => return Probe::NotYet(format!("{error:#}")),
        };
        let value = |name: &str| metrics.lines().find_map(|line| line.strip_prefix(name));
        let is_full = |listener: &str| {
            let open = value(&format!("tollgate_connections{{listener=\"{listener}\"}} "));
            let most = value(&format!("tollgate_connections_max{{listener=\"{listener}\"}} "));
            open.is_some() && open == most
        };
        let full = ["decide", "http"].map(is_full);
        if full == [true; 2] { Probe::Holds(()) } else { Probe::NotYet(format!("{full:?}")) }
    })
    .await?;
    for path in ["/livez", "/readyz"] {
        ensure!(node.admin_get(path).await?.status == 200, "{path}");
    }
    drop(kept);
    // What they held is there again.
    wait::until("room for a caller", BOUND, async || match node.rls().await {
        Ok(mut client) => match client.should_rate_limit(request("d", &[("a", "b")])).await {
            Ok(_) => Probe::Holds(()),
            Err(status) => Probe::NotYet(format!("{status:?}")),
        },
        Err(error) => Probe::NotYet(format!("{error:#}")),
    })
    .await
}
