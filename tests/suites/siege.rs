//! A node under attack and an honest caller of it: what must hold during every attack.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use tollgate_tests::resident::resident_bytes;
use tollgate_tests::tollgate::Builder;

use crate::honest::Honest;

/// Honest calls after an attack has been made; what it holds, it still holds.
const CALLS_AFTER: usize = 10;

/// A node and its honest caller.
pub(crate) struct Siege {
    pub(crate) honest: Honest,
    resident_before: u64,
}

impl Siege {
    /// A node of `builder` that has answered once.
    pub(crate) async fn start(builder: Builder) -> anyhow::Result<Self> {
        let honest = Honest::start(builder).await?;
        let resident_before = resident_bytes(honest.pid())?;
        Ok(Self { honest, resident_before })
    }

    pub(crate) fn decide(&self) -> SocketAddr {
        self.honest.tollgate.decide_addr()
    }

    pub(crate) fn admin(&self) -> SocketAddr {
        self.honest.tollgate.admin_addr()
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
                self.honest.ask().await?;
                resident_bytes(self.honest.pid())
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
            self.honest.ask().await.context("after the attack")?;
        }
        most = most.max(resident_bytes(self.honest.pid())?);
        let grew = most.saturating_sub(self.resident_before);
        eprintln!("{calls} honest calls; resident memory grew by {} KiB", grew >> 10);
        ensure!(grew <= bytes_max, "grew by {grew} bytes, {bytes_max} allowed");
        outcome
    }
}
