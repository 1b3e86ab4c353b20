//! Certificates that are renewed while a node serves.
//!
//! The files are read every second: there are three of them, and they are small, so nothing has to
//! be watched, and a link that Kubernetes swaps is seen like any other change. New connections get
//! the new certificate, live ones go on with theirs. What is wrong keeps the old one.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::door::{Guard, Protocol};
use super::settings::{Served, Tls};
use crate::metrics;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Keeps one listener's certificate in step with its files.
#[derive(Debug)]
pub(crate) struct Renewal {
    guard: Arc<Guard>,
    tls: Tls,
    protocol: Protocol,
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
        served: u64,
        first: &Served,
    ) -> Self {
        announce(guard.listener, first);
        metrics::tls_loaded(guard.listener, first.not_after);
        Self { guard, tls, protocol, served, doubtful: None, refused: None }
    }

    /// Reads the files, and serves what they hold if that is new and right.
    fn look(&mut self) {
        let content = self.tls.fingerprint();
        if content == self.served {
            self.doubtful = None;
            if self.refused.take().is_some() {
                metrics::tls_recovered(self.guard.listener);
                tracing::info!(event = "tls_recovered", listener = self.guard.listener);
            }
            return;
        }
        if self.refused == Some(content) {
            return;
        }
        let error = match self.tls.load(self.protocol.name()) {
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
        self.refused = Some(content);
    }

    fn accept(&mut self, content: u64, served: &Served) {
        self.guard.current.store(Arc::clone(&served.config));
        (self.served, self.doubtful, self.refused) = (content, None, None);
        announce(self.guard.listener, served);
        metrics::tls_loaded(self.guard.listener, served.not_after);
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

fn announce(listener: &'static str, served: &Served) {
    let not_after = served.not_after;
    tracing::info!(event = "tls_loaded", listener, not_after);
}

#[cfg(test)]
#[path = "renewal_tests.rs"]
mod tests;
