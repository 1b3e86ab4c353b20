//! File descriptors: as many as the system gives, and each listener's share of them.
//!
//! A connection is a descriptor. Where callers could take them all, nothing could be read, nobody
//! could ask how the node is, and it would be restarted for being busy; so the listeners share what
//! there is, and the operators' part is theirs alone.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The most connections of the decide listener: proxies open a handful each.
const DECIDE_MAX: usize = 10_000;

/// The most connections of each of the others.
const HTTP_MAX: usize = 1_000;

/// Descriptors of a runtime: its poll, its wake-up and what signals need.
const OF_A_RUNTIME: usize = 8;

/// Descriptors of everything else: standard streams, listeners, the admin socket's own bound of
/// connections, watches, files that are being read, and those on their way to be refused.
const OF_THE_REST: usize = 112;

/// The least that a listener is given, however few there are.
const LEAST: usize = 4;

/// Connections that each listener may have open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shares {
    pub(super) decide: usize,
    pub(super) http: usize,
    pub(super) admin: usize,
}

impl Shares {
    /// Raises the soft limit to the hard one, for a process with `runtimes`, and shares it.
    pub(super) fn take(runtimes: usize) -> Self {
        let files = raise();
        let shares = Self::of(files, runtimes);
        let Self { decide, http, admin } = shares;
        if shares == Self::of(usize::MAX, runtimes) {
            tracing::info!(event = "files_shared", files, decide, http, admin);
        } else {
            let advice = "raise the hard limit of open files (ulimit -Hn) for more connections";
            tracing::warn!(event = "files_scarce", files, decide, http, admin, "{advice}");
        }
        shares
    }

    /// Of `files` descriptors, what is not needed otherwise: eight parts for decide, one for http
    /// and one for admin.
    fn of(files: usize, runtimes: usize) -> Self {
        let needed = OF_THE_REST.saturating_add(runtimes.saturating_mul(OF_A_RUNTIME));
        let tenth = files.saturating_sub(needed) / 10;
        Self {
            decide: tenth.saturating_mul(8).clamp(LEAST, DECIDE_MAX),
            http: tenth.clamp(LEAST, HTTP_MAX),
            admin: tenth.clamp(LEAST, HTTP_MAX),
        }
    }
}

/// Raises the soft limit of open files as far as it goes, and says how far that is.
fn raise() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let files = if raised.is_ok() { maximum } else { current };
    // Without a number there is no limit.
    files.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_there_is_plenty_the_listeners_have_their_bounds() {
        let plenty = Shares { decide: 10_000, http: 1_000, admin: 1_000 };
        assert_eq!(Shares::of(usize::MAX, 4), plenty);
        assert_eq!(Shares::of(1 << 20, 64), plenty);
    }

    #[test]
    fn no_more_is_shared_than_there_is_and_admin_always_has_its_part() {
        for (files, runtimes) in [(256, 4), (1_024, 5), (1_024, 36), (4_096, 8), (65_536, 68)] {
            let Shares { decide, http, admin } = Shares::of(files, runtimes);
            let needed = OF_THE_REST + runtimes * OF_A_RUNTIME;
            assert!(decide + http + admin + needed <= files, "{files}: {decide} {http} {admin}");
            assert!(admin >= LEAST);
        }
        assert_eq!(Shares::of(10, 4), Shares { decide: LEAST, http: LEAST, admin: LEAST });
    }
}
