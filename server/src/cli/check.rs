//! `tollgate check`: what is wrong with files, or what they hold.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::{check, ratelimit};

/// Prints a line for each file that is right and every issue of each that is not.
pub(super) fn run(files: &[PathBuf]) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for (path, result) in check(files, ratelimit::Options::default()) {
        match result {
            Ok(summary) => {
                for note in &summary.notes {
                    eprintln!("{note}");
                }
                println!("{}: ok, {summary}", path.display());
            }
            Err(report) => {
                eprintln!("{report}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}
