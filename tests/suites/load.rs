//! Steady load through an Envoy, of which no call may fail.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::ensure;
use tollgate_tests::envoy::Envoy;
use tollgate_tests::wait::{self, Probe};

/// Callers at the same time.
const CALLERS: usize = 4;

/// Bounds each caller's loop, far above what a test needs.
const CALLS_MAX: usize = 100_000;

/// For the answers that a test waits for.
const BOUND: Duration = Duration::from_secs(30);

/// What the callers saw.
pub(crate) struct Load<'a> {
    envoy: &'a Envoy,
    path: &'a str,
    over: Cell<bool>,
    statuses: RefCell<BTreeMap<u16, usize>>,
}

impl<'a> Load<'a> {
    pub(crate) fn new(envoy: &'a Envoy, path: &'a str) -> Self {
        Self { envoy, path, over: Cell::new(false), statuses: RefCell::default() }
    }

    /// Sends requests while `conduct` runs, and expects that every one of them was answered 200.
    /// With a failure mode that denies, a call that got no decision is a 500.
    pub(crate) async fn none_fails(
        &self,
        conduct: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<()> {
        let conducted = async {
            let conducted = conduct.await;
            self.over.set(true);
            conducted
        };
        let callers = async {
            let [one, two, three, four] = [(); CALLERS].map(|()| self.call());
            tokio::try_join!(one, two, three, four)
        };
        let (conducted, called) = tokio::join!(conducted, callers);
        conducted?;
        called?;
        let statuses = self.statuses.borrow();
        ensure!(statuses.keys().all(|status| *status == 200), "{statuses:?}");
        Ok(())
    }

    /// Waits for this many more answers.
    pub(crate) async fn answers(&self, count: usize) -> anyhow::Result<()> {
        let seen = || self.statuses.borrow().values().sum::<usize>();
        let before = seen();
        wait::until("more answers", BOUND, async || match seen() - before {
            more if more >= count => Probe::Holds(()),
            more => Probe::NotYet(format!("{more} of {count}")),
        })
        .await
    }

    async fn call(&self) -> anyhow::Result<()> {
        for _ in 0..CALLS_MAX {
            if self.over.get() {
                return Ok(());
            }
            let status = self.envoy.get(self.path, &[]).await?.status.as_u16();
            *self.statuses.borrow_mut().entry(status).or_default() += 1;
        }
        anyhow::bail!("{CALLS_MAX} calls were not enough")
    }
}
