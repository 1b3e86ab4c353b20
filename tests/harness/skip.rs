//! Skipping a test by name, so that a run says aloud what it did not check.
//!
//! A skipped test passes in the eyes of the test runner: only this record tells it from a checked
//! one. It decides nothing about when to skip.

use std::fs::OpenOptions;
use std::io::{self, Write as _};

/// Names the file that collects the skipped tests of a run, one `name: reason` a line.
const LOG_VARIABLE: &str = "TOLLGATE_SKIP_LOG";

/// Records that the test `name` did not run, and why.
pub fn skip(name: &str, reason: &str) {
    // Straight to the stream: the test runner hides what the print macros write in a passing test.
    let _ = writeln!(io::stderr(), "SKIPPED: {name}: {reason}");
    let Some(path) = std::env::var_os(LOG_VARIABLE) else {
        return;
    };
    // One write per line: several tests append at the same time.
    let written = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut log| log.write_all(format!("{name}: {reason}\n").as_bytes()));
    if let Err(error) = written {
        let path = path.display();
        let _ = writeln!(io::stderr(), "cannot append to {path} ({LOG_VARIABLE}): {error}");
    }
}
