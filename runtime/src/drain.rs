//! Drain: finish what is in flight, take nothing new, end within a bound.
//!
//! One [`Drain`] belongs to a process; parts of it hold a [`Draining`] and end when told. The first
//! signal starts the drain, a second one ends the process at once.

use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal};
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

/// The signals that ask for an end. Made before the first is waited for, so that none is missed.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// Who asks for an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// SIGINT: a person at a terminal.
    Interrupt,
    /// SIGTERM: an orchestrator.
    Terminate,
}

impl Signals {
    /// Listens for both.
    ///
    /// # Errors
    /// If the process cannot install a handler.
    pub fn listen() -> std::io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    /// The next one.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::Interrupt,
            _ = self.terminate.recv() => Asked::Terminate,
        }
    }
}

impl Asked {
    /// The signal's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        }
    }
}
