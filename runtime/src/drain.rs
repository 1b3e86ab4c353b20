//! Drain: finish what is in flight, take nothing new, end within a bound.
//!
//! One [`Drain`] belongs to a process; parts of it hold a [`Draining`] and end when told. The first
//! signal starts the drain, a second one ends the process at once.

use std::future::Future;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Starts the drain.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    token: CancellationToken,
}

impl Drain {
    /// A drain that has not started.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts it. Repeating changes nothing.
    pub fn start(&self) {
        self.token.cancel();
    }

    /// What a part of the process holds.
    pub fn watch(&self) -> Draining {
        Draining { token: self.token.clone() }
    }
}

/// Tells a part of the process that the drain has started.
#[derive(Clone, Debug)]
pub struct Draining {
    token: CancellationToken,
}

impl Draining {
    /// Whether it has started.
    pub fn has_started(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Waits until it starts.
    pub fn started(&self) -> impl Future<Output = ()> + Send + use<> {
        self.token.clone().cancelled_owned()
    }
}

/// Waits for SIGINT or SIGTERM and returns its name.
///
/// # Errors
/// If the process cannot install a handler.
pub async fn signalled() -> std::io::Result<&'static str> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => Ok("SIGINT"),
        _ = terminate.recv() => Ok("SIGTERM"),
    }
}
