//! What the process tells health checks about itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tollgate_runtime::drain::Draining;

/// Shared by everything that answers a health check.
#[derive(Clone, Debug)]
pub struct State {
    ready: Arc<AtomicBool>,
    held_back: Arc<AtomicBool>,
    draining: Draining,
}

impl State {
    /// Starting: alive, not ready.
    pub fn starting(draining: Draining) -> Self {
        Self { ready: Arc::default(), held_back: Arc::default(), draining }
    }

    /// Ready from now on; a latch, which nothing but the drain ends.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// Whether it is ready.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Tells `/healthcheck` to keep traffic away, or not any more.
    pub fn hold_back(&self, held_back: bool) {
        self.held_back.store(held_back, Ordering::Release);
    }

    /// Whether traffic is kept away.
    pub fn is_held_back(&self) -> bool {
        self.held_back.load(Ordering::Acquire)
    }

    /// Whether it takes no new work.
    pub fn is_draining(&self) -> bool {
        self.draining.has_started()
    }
}
