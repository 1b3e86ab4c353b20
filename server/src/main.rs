//! `tollgate`: parse, build, serve, drain.

use std::process::ExitCode;

use tollgate_server::cli::{Cli, run, tell};

/// Fewer cycles and less memory per call than the system's allocator: see docs/performance.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(Cli::from_process()) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            tell(&failure);
            failure.exit().into()
        }
    }
}
