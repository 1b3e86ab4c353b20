//! What operators see of a listener's certificate: when it ends, and why a newer one is refused.

use std::sync::Arc;

use parking_lot::Mutex;

/// The state of one listener's certificate; clones see the same.
#[derive(Clone, Debug)]
pub(crate) struct Shown(Arc<Mutex<Certificate>>);

/// That state at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// When the served one ends, in seconds since the UNIX epoch.
    pub(crate) not_after: i64,
    /// Why what stands in the files is not served; none if it is.
    pub(crate) refused: Option<String>,
}

impl Shown {
    pub(super) fn new(not_after: i64) -> Self {
        Self(Arc::new(Mutex::new(Certificate { not_after, refused: None })))
    }

    pub(super) fn serve(&self, not_after: i64) {
        *self.0.lock() = Certificate { not_after, refused: None };
    }

    pub(super) fn refuse(&self, why: String) {
        self.0.lock().refused = Some(why);
    }

    pub(super) fn recover(&self) {
        self.0.lock().refused = None;
    }

    /// The state now.
    pub(crate) fn now(&self) -> Certificate {
        self.0.lock().clone()
    }
}
