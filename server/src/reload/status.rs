//! What the node says about its configuration: what runs, since when, and what was refused.
//!
//! One task writes, anybody reads; the metrics say the same. It holds no configuration, only words
//! about it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tollgate_core::time::Wall;

use crate::metrics;
use crate::statistics::Loads;

/// Bytes of a report that are kept: a person reads the first lines, the log of `tollgate check` has
/// the rest.
const REPORT_BYTES_MAX: usize = 16 * 1024;

/// The state of the configuration, shared; clones see the same.
#[derive(Clone, Debug)]
pub struct ConfigStatus {
    shared: Arc<ArcSwap<StatusSnapshot>>,
}

/// The state of the configuration at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusSnapshot {
    /// Where the configuration comes from: the path as it was given, `environment`, `xds HOST:PORT`,
    /// or `embedded defaults`.
    pub source: String,
    /// The content that decides: the same bytes in files of the same names have the same hash, on
    /// every node.
    pub hash: u64,
    /// When that content was taken over; none if no content was right yet.
    pub loaded_at: Option<Wall>,
    /// Contents taken over, the first one included.
    pub loads_ok: u64,
    /// Contents refused.
    pub loads_failed: u64,
    /// Why the newest content does not decide; none if it does.
    pub error: Option<FailedLoad>,
    /// The connection to the server that sends it; none without one.
    pub server: Option<ServerState>,
}

/// The connection to the server that sends the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerState {
    /// Whether there is one.
    pub is_connected: bool,
    /// Since when it is so; none before the first try has ended.
    pub since: Option<Wall>,
    /// Why the newest try or connection failed; none while there is a connection.
    pub failure: Option<String>,
}

/// A content that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedLoad {
    /// When.
    pub at: Wall,
    /// What is wrong with it, an issue a line; cut after 16 KiB.
    pub report: String,
}

impl StatusSnapshot {
    /// How many contents were taken over and refused.
    pub(crate) fn loads(&self) -> Loads {
        Loads { ok: self.loads_ok, failed: self.loads_failed }
    }
}

impl ConfigStatus {
    /// The state after the first load.
    pub fn new(source: impl Into<String>, hash: u64, loaded_at: Wall) -> Self {
        metrics::set_config_hash(hash);
        let first = StatusSnapshot {
            source: source.into(),
            hash,
            loaded_at: Some(loaded_at),
            loads_ok: 1,
            loads_failed: 0,
            error: None,
            server: None,
        };
        Self { shared: Arc::new(ArcSwap::from_pointee(first)) }
    }

    /// The state after a first load that failed.
    pub(super) fn unloaded(source: String, report: &str, at: Wall) -> Self {
        let first = StatusSnapshot {
            source,
            hash: 0,
            loaded_at: None,
            loads_ok: 0,
            loads_failed: 1,
            error: Some(FailedLoad { at, report: cut(report) }),
            server: None,
        };
        Self { shared: Arc::new(ArcSwap::from_pointee(first)) }
    }

    /// The state before a server has said anything.
    pub(super) fn waiting(source: String) -> Self {
        metrics::config_awaited();
        let first = StatusSnapshot {
            source,
            hash: 0,
            loaded_at: None,
            loads_ok: 0,
            loads_failed: 0,
            error: None,
            server: Some(ServerState::default()),
        };
        Self { shared: Arc::new(ArcSwap::from_pointee(first)) }
    }

    /// The state now; costs no lock and no copy.
    pub fn snapshot(&self) -> Arc<StatusSnapshot> {
        self.shared.load_full()
    }

    /// A content was taken over.
    pub(crate) fn accept(&self, hash: u64, at: Wall) {
        metrics::config_accepted(at);
        metrics::set_config_hash(hash);
        let before = self.snapshot();
        self.shared.store(Arc::new(StatusSnapshot {
            hash,
            loaded_at: Some(at),
            loads_ok: before.loads_ok + 1,
            error: None,
            ..StatusSnapshot::clone(&before)
        }));
    }

    /// A content was refused.
    pub(crate) fn reject(&self, report: &str, at: Wall) {
        metrics::config_rejected();
        let before = self.snapshot();
        self.shared.store(Arc::new(StatusSnapshot {
            loads_failed: before.loads_failed + 1,
            error: Some(FailedLoad { at, report: cut(report) }),
            ..StatusSnapshot::clone(&before)
        }));
    }

    /// What was refused is gone, and the files hold what runs.
    pub(crate) fn recover(&self) {
        metrics::config_recovered();
        let before = self.snapshot();
        let after = StatusSnapshot { error: None, ..StatusSnapshot::clone(&before) };
        self.shared.store(Arc::new(after));
    }

    /// There is a connection to the server.
    pub(crate) fn connected(&self, at: Wall) {
        metrics::set_xds_connected(true);
        self.set_server(ServerState { is_connected: true, since: Some(at), failure: None });
    }

    /// There is no connection to the server, or none any more. The time of the first of several
    /// failures in a row stays.
    pub(crate) fn disconnected(&self, failure: &str, at: Wall) {
        metrics::set_xds_connected(false);
        let before = self.snapshot();
        let since = match &before.server {
            Some(ServerState { is_connected: false, since: Some(since), .. }) => *since,
            _ => at,
        };
        let failure = Some(cut(failure));
        self.set_server(ServerState { is_connected: false, since: Some(since), failure });
    }

    fn set_server(&self, server: ServerState) {
        let before = self.snapshot();
        let after = StatusSnapshot { server: Some(server), ..StatusSnapshot::clone(&before) };
        self.shared.store(Arc::new(after));
    }
}

fn cut(report: &str) -> String {
    let end = report.floor_char_boundary(REPORT_BYTES_MAX);
    report[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Wall {
        Wall::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_refused_content_leaves_what_runs_and_the_next_good_one_clears_it() {
        let status = ConfigStatus::new("a.yaml", 1, at(1));
        let reader = status.clone();
        status.reject("a.yaml:1:1: wrong", at(2));
        let seen = reader.snapshot();
        assert_eq!(
            (seen.hash, seen.loaded_at, seen.loads_ok, seen.loads_failed),
            (1, Some(at(1)), 1, 1)
        );
        let error = FailedLoad { at: at(2), report: "a.yaml:1:1: wrong".into() };
        assert_eq!(seen.error, Some(error));

        status.accept(7, at(3));
        let seen = reader.snapshot();
        assert_eq!(
            (seen.hash, seen.loaded_at, seen.loads_ok, seen.loads_failed),
            (7, Some(at(3)), 2, 1)
        );
        assert_eq!((&*seen.source, &seen.error), ("a.yaml", &None));
    }

    #[test]
    fn going_back_to_what_runs_clears_the_error_and_counts_nothing() {
        let status = ConfigStatus::new("a.yaml", 1, at(1));
        status.reject("wrong", at(2));
        status.recover();
        let seen = status.snapshot();
        assert_eq!((seen.loads_ok, seen.loads_failed, &seen.error), (1, 1, &None));
    }

    #[test]
    fn the_first_of_several_lost_connections_says_since_when() {
        let status = ConfigStatus::waiting("xds a:1".into());
        assert_eq!(status.snapshot().server, Some(ServerState::default()));
        status.disconnected("refused", at(1));
        status.disconnected("no route", at(2));
        let server = status.snapshot().server.clone().unwrap();
        assert_eq!((server.is_connected, server.since), (false, Some(at(1))));
        assert_eq!(server.failure.as_deref(), Some("no route"));
        status.connected(at(3));
        status.accept(7, at(4));
        let server = status.snapshot().server.clone().unwrap();
        assert_eq!((server.is_connected, server.since, server.failure), (true, Some(at(3)), None));
        status.disconnected("gone", at(5));
        assert_eq!(status.snapshot().server.clone().unwrap().since, Some(at(5)));
    }

    #[test]
    fn a_long_report_is_cut_between_characters() {
        let status = ConfigStatus::new("a.yaml", 1, at(1));
        status.reject(&"ä".repeat(REPORT_BYTES_MAX), at(2));
        status.reject(&format!("x{}", "ä".repeat(REPORT_BYTES_MAX)), at(2));
        let report = status.snapshot().error.clone().unwrap().report;
        assert_eq!(report.len(), REPORT_BYTES_MAX - 1);
    }
}
