//! A node under attack and an honest caller of it: what must hold during every attack.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use tollgate_tests::resident::resident_bytes;
use tollgate_tests::rls::{admitted, request};
use tollgate_tests::tollgate::{Builder, Tollgate};

const LIMITS: &str = "
domain: honest
descriptors:
  - {key: client, rate_limit: {unit: year, requests_per_unit: 100000}}
";

/// Honest calls after an attack has been made; what it holds, it still holds.
const CALLS_AFTER: usize = 10;

/// A node and its honest caller.
pub(crate) struct Siege {
    pub(crate) tollgate: Tollgate,
    pid: u32,
    resident_before: u64,
    remaining: Option<u32>,
}

impl Siege {
    /// A node of `builder` that has answered once.
    pub(crate) async fn start(builder: Builder) -> anyhow::Result<Self> {
        let mut tollgate = builder.limits("honest.yaml", LIMITS).start().await?;
        let pid = tollgate.process().pid();
        let mut siege = Self { tollgate, pid, resident_before: 0, remaining: None };
        siege.ask().await?;
        siege.resident_before = resident_bytes(pid)?;
        Ok(siege)
    }

    pub(crate) fn decide(&self) -> SocketAddr {
        self.tollgate.decide_addr()
    }

    /// Runs an attack while the honest caller asks again and again, on new connections and each
    /// right after the last. Every answer must be right and in time, and the node's memory must at
    /// no time be more than `bytes_max` above the start.
    pub(crate) async fn under<T>(
        &mut self,
        bytes_max: u64,
        attack: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let mut attack = std::pin::pin!(attack);
        let (mut calls, mut most) = (0_u32, 0);
        let outcome = loop {
            let asked = async {
                self.ask().await?;
                resident_bytes(self.pid)
            };
            let mut asked = std::pin::pin!(asked);
            let mut outcome = None;
            let resident = loop {
                tokio::select! {
                    resident = &mut asked => break resident?,
                    ended = &mut attack, if outcome.is_none() => outcome = Some(ended),
                }
            };
            calls += 1;
            most = most.max(resident);
            if let Some(outcome) = outcome {
                break outcome;
            }
        };
        for _ in 0..CALLS_AFTER {
            self.ask().await.context("after the attack")?;
        }
        most = most.max(resident_bytes(self.pid)?);
        let grew = most.saturating_sub(self.resident_before);
        eprintln!("{calls} honest calls; resident memory grew by {} KiB", grew >> 10);
        ensure!(grew <= bytes_max, "grew by {grew} bytes, {bytes_max} allowed");
        outcome
    }

    /// An honest call on a new connection is admitted, and only honest calls have counted.
    async fn ask(&mut self) -> anyhow::Result<()> {
        let mut client = self.tollgate.rls().await?;
        let call = client.should_rate_limit(request("honest", &[("client", "honest")]));
        let answer = call.await.context("the honest call")?.into_inner();
        ensure!(admitted(&answer)?, "the honest call was denied: {answer:?}");
        let remaining = answer.statuses.first().context("no status")?.limit_remaining;
        if let Some(before) = self.remaining.replace(remaining) {
            ensure!(remaining + 1 == before, "from {before} to {remaining} by one hit");
        }
        ensure!(self.tollgate.process().exited()?.is_none(), "the process ended");
        Ok(())
    }
}
