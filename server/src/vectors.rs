//! Test data of other projects, which this repository does not hold.
//!
//! `TOLLGATE_VECTORS` names the folder; a test that lacks it says by name that it skipped.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::PathBuf;

/// The folder `name` of the test data, or `None` once `test` is reported as skipped.
pub(crate) fn folder(name: &str, test: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("TOLLGATE_VECTORS") else {
        skip(test, "TOLLGATE_VECTORS is not set");
        return None;
    };
    Some(PathBuf::from(root).join(name))
}

/// Says that a test did not run, where people and the runner's log can see it.
fn skip(test: &str, reason: &str) {
    // Straight to the stream: the test runner hides what the print macros write in a passing test.
    let _ = writeln!(io::stderr(), "SKIPPED: {test}: {reason}");
    let Some(log) = std::env::var_os("TOLLGATE_SKIP_LOG") else { return };
    let mut log = OpenOptions::new().create(true).append(true).open(log).unwrap();
    // One write per line: several tests append at the same time.
    log.write_all(format!("{test}: {reason}\n").as_bytes()).unwrap();
}
