//! A node and an honest caller of it, whose count is known: what an attack must not change.

use anyhow::{Context as _, ensure};
use tollgate_tests::rls::{admitted, request};
use tollgate_tests::tollgate::{Builder, Tollgate};

const LIMITS: &str = "
domain: honest
descriptors:
  - {key: client, rate_limit: {unit: year, requests_per_unit: 100000}}
";

/// Both.
pub(crate) struct Honest {
    pub(crate) tollgate: Tollgate,
    pid: u32,
    remaining: Option<u32>,
}

impl Honest {
    /// A node of `builder` that has answered once.
    pub(crate) async fn start(builder: Builder) -> anyhow::Result<Self> {
        let mut tollgate = builder.limits("honest.yaml", LIMITS).start().await?;
        let pid = tollgate.process().pid();
        let mut honest = Self { tollgate, pid, remaining: None };
        honest.ask().await?;
        Ok(honest)
    }

    /// The node's process.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// An honest call on a new connection is admitted, and only honest calls have counted.
    pub(crate) async fn ask(&mut self) -> anyhow::Result<()> {
        let mut client = self.tollgate.rls().await?;
        let call = client.should_rate_limit(request("honest", &[("client", "honest")]));
        let answer = call.await.context("the honest call")?.into_inner();
        ensure!(admitted(&answer)?, "the honest call was denied: {answer:?}");
        let remaining = answer.statuses.first().context("no status")?.limit_remaining;
        if let Some(before) = self.remaining.replace(remaining) {
            ensure!(remaining + 1 == before, "from {before} to {remaining} by one hit");
        }
        ensure!(self.tollgate.process().exited()?.is_none(), "the process ended");
        ensure!(self.tollgate.process().pid() == self.pid);
        Ok(())
    }
}
