//! A node, an Envoy that asks it, and an upstream that the Envoy protects.

use std::path::Path;

use anyhow::ensure;
use tollgate_tests::envoy::Envoy;
use tollgate_tests::envoy_bootstrap::Bootstrap;
use tollgate_tests::http::Answer;
use tollgate_tests::tollgate::Tollgate;
use tollgate_tests::upstream::Upstream;

/// The domain that Envoy asks in, unless a test says otherwise.
pub(crate) const DOMAIN: &str = "edge";

pub(crate) struct Fronted {
    pub(crate) envoy: Envoy,
    pub(crate) tollgate: Tollgate,
    pub(crate) upstream: Upstream,
}

impl Fronted {
    /// Starts all three; `arrange` adds to the bootstrap what the test needs.
    pub(crate) async fn start(
        envoy: &Path,
        limits: &str,
        arrange: impl FnOnce(Bootstrap) -> Bootstrap,
    ) -> anyhow::Result<Self> {
        let tollgate = Tollgate::builder().limits("edge.yaml", limits).start().await?;
        let upstream = Upstream::start().await?;
        let bootstrap = Bootstrap::new(tollgate.decide_addr(), upstream.address(), DOMAIN);
        let envoy = Envoy::start(envoy, &arrange(bootstrap)).await?;
        Ok(Self { envoy, tollgate, upstream })
    }

    /// Sends a request and expects this status; gives the answer for more.
    pub(crate) async fn expect(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        status: u16,
    ) -> anyhow::Result<Answer> {
        let answer = self.envoy.get(path, headers).await?;
        ensure!(answer.status == status, "{path} {headers:?}: not {status} but {answer:?}");
        Ok(answer)
    }

    /// Expects that this many requests have reached the upstream since it started.
    pub(crate) fn expect_arrived(&self, count: u64) -> anyhow::Result<()> {
        let arrived = self.upstream.arrived();
        ensure!(arrived == count, "{arrived} requests reached the upstream instead of {count}");
        Ok(())
    }
}
