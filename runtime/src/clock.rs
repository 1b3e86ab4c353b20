//! The one place that reads real clocks; everywhere else time is an argument.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tollgate_core::time::{Clock, Monotonic, Wall, saturating_nanos};

/// The machine's clocks. Monotonic readings count from this value's creation, so two values that
/// are to be compared must come from clones of one clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock whose monotonic reading is zero now.
    #[expect(clippy::disallowed_methods, reason = "this is the one real clock")]
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one real clock")]
    fn monotonic(&self) -> Monotonic {
        Monotonic::from_nanos(saturating_nanos(self.origin.elapsed()))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one real clock")]
    fn wall(&self) -> Wall {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Wall::from_nanos(saturating_nanos(since_epoch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_never_go_back() {
        let clock = SystemClock::start();
        let first = clock.monotonic();
        assert!(clock.monotonic() >= first);
        assert!(clock.wall() > Wall::default());
    }
}
