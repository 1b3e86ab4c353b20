//! `tollgate check`: what is wrong with files, or what they hold.

use std::path::PathBuf;
use std::process::ExitCode;

use super::output;
use crate::config::{check, ratelimit};

/// Prints a line for each file that is right and every issue of each that is not.
///
/// # Errors
/// If standard output takes nothing more.
pub(super) fn run(files: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for (path, result) in check(files, ratelimit::Options::default()) {
        match result {
            Ok(summary) => {
                for note in &summary.notes {
                    output::words(&note.to_string());
                }
                output::result(&format!("{}: ok, {summary}\n", path.display()))?;
            }
            Err(report) => {
                output::words(&report.to_string());
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}
