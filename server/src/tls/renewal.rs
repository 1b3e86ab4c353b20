//! Certificates that are renewed while a node serves.
//!
//! The files are read every second: there are three of them, and they are small, so nothing has to
//! be watched, and a link that Kubernetes swaps is seen like any other change. New connections get
//! the new certificate, live ones go on with theirs. What is wrong keeps the old one.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tollgate_core::time::{Clock, NANOS_PER_SECOND};

use super::door::{Guard, Protocol};
use super::settings::{Served, Tls};
use super::shown::Shown;
use crate::metrics;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

const DAY_SECONDS: i64 = 86_400;

/// Keeps one listener's certificate in step with its files.
pub(crate) struct Renewal {
    guard: Arc<Guard>,
    tls: Tls,
    protocol: Protocol,
    /// For what is told of a certificate's end; nothing else depends on it.
    clock: Arc<dyn Clock>,
    shown: Shown,
    /// The content that is served.
    served: u64,
    /// A content that was wrong at the last look: somebody may still be writing it.
    doubtful: Option<u64>,
    /// A content that was wrong at two looks.
    refused: Option<u64>,
}

impl Renewal {
    pub(super) fn new(
        guard: Arc<Guard>,
        tls: Tls,
        protocol: Protocol,
        clock: Arc<dyn Clock>,
        served: u64,
        first: &Served,
    ) -> Self {
        let shown = Shown::new(first.not_after);
        let new =
            Self { guard, tls, protocol, clock, shown, served, doubtful: None, refused: None };
        new.announce(first);
        new
    }

    /// Whose certificate it is.
    pub(crate) fn listener(&self) -> &'static str {
        self.guard.listener
    }

    /// What operators see of the certificate.
    pub(crate) fn shown(&self) -> Shown {
        self.shown.clone()
    }

    /// Reads the files, and serves what they hold if that is new and right.
    fn look(&mut self) {
        let content = self.tls.fingerprint();
        if content == self.served {
            self.doubtful = None;
            if self.refused.take().is_some() {
                metrics::tls_recovered(self.guard.listener);
                self.shown.recover();
                tracing::info!(event = "tls_recovered", listener = self.guard.listener);
            }
            return;
        }
        if self.refused == Some(content) {
            return;
        }
        let error = match self.tls.load(self.protocol.names()) {
            Ok(served) => return self.accept(content, &served),
            Err(error) => error,
        };
        if self.doubtful != Some(content) {
            self.doubtful = Some(content);
            return;
        }
        let listener = self.guard.listener;
        tracing::error!(event = "tls_rejected", listener, %error, "the old certificate stays");
        metrics::tls_rejected(listener);
        self.shown.refuse(error.to_string());
        self.refused = Some(content);
    }

    fn accept(&mut self, content: u64, served: &Served) {
        self.guard.current.store(Arc::clone(&served.config));
        (self.served, self.doubtful, self.refused) = (content, None, None);
        self.shown.serve(served.not_after);
        self.announce(served);
    }

    /// Tells what is served now. One that has ended is served all the same: not every peer looks,
    /// and a clock may be wrong.
    fn announce(&self, served: &Served) {
        let (listener, not_after) = (self.guard.listener, served.not_after);
        metrics::tls_loaded(listener, not_after);
        let now = i64::try_from(self.clock.wall().as_nanos() / NANOS_PER_SECOND);
        let seconds_left = not_after.saturating_sub(now.unwrap_or(i64::MAX));
        let days_left = seconds_left / DAY_SECONDS;
        tracing::info!(event = "tls_loaded", listener, not_after, days_left);
        if seconds_left <= 0 {
            let advice = "the served certificate has ended: peers that verify it refuse it";
            tracing::error!(event = "tls_expired", listener, not_after, days_left, "{advice}");
        }
    }
}

/// Renews all of them for as long as it is polled; never ends. SIGHUP leads to a look at once.
///
/// # Errors
/// If the process cannot install a handler for SIGHUP, or a look panics.
pub(crate) async fn run(mut all: Vec<Renewal>) -> anyhow::Result<()> {
    if all.is_empty() {
        return std::future::pending().await;
    }
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            Some(()) = hangup.recv() => {}
        }
        // A file system that hangs holds up this, and nobody else.
        let looked = tokio::task::spawn_blocking(move || {
            all.iter_mut().for_each(Renewal::look);
            all
        });
        all = looked.await?;
    }
}

#[cfg(test)]
#[path = "renewal_tests.rs"]
mod tests;
