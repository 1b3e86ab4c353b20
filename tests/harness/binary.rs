//! The binary under test: where it lies and with which environment it runs.
//!
//! The tests never build it: a test that built would hold cargo's lock and hide what was built.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// The variable that names the binary to test.
const BINARY_VARIABLE: &str = "TOLLGATE_BIN";

/// What a child gets of the test's own environment: a variable of the machine that Tollgate reads
/// would make a test's outcome depend on the machine.
const KEPT_VARIABLES: [&str; 3] = ["PATH", "RUST_BACKTRACE", "LLVM_PROFILE_FILE"];

/// A command for the binary under test, without arguments and with a bare environment.
///
/// # Errors
/// When the binary is not there.
pub fn command() -> anyhow::Result<Command> {
    let mut command = Command::new(binary()?);
    command.env_clear();
    for name in KEPT_VARIABLES {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    Ok(command)
}

/// As [`command`], for a process that may not open more files than this.
///
/// # Errors
/// When the binary is not there.
pub fn command_with_open_files(most: usize) -> anyhow::Result<Command> {
    let binary = binary()?;
    let mut command = Command::new("sh");
    command.env_clear();
    for name in KEPT_VARIABLES {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    // The shell becomes the process: its pid stays.
    command.args(["-c", "ulimit -n \"$1\" && shift && exec \"$@\"", "sh"]);
    command.arg(most.to_string()).arg(binary);
    Ok(command)
}

/// The one named, else the one that cargo builds beside the tests.
fn binary() -> anyhow::Result<PathBuf> {
    let path = match std::env::var_os(BINARY_VARIABLE) {
        Some(given) => PathBuf::from(given),
        None => profile_folder()?.join(format!("tollgate{}", std::env::consts::EXE_SUFFIX)),
    };
    ensure!(
        path.is_file(),
        "no tollgate binary at {}: run `cargo xtask test`, which builds it first",
        path.display()
    );
    Ok(path)
}

/// The folder of this build profile: test executables lie in its `deps`.
///
/// # Errors
/// When this executable lies in no target folder.
pub fn profile_folder() -> anyhow::Result<PathBuf> {
    let executable = std::env::current_exe()?;
    let folder = executable.parent().and_then(Path::parent);
    Ok(folder.with_context(|| format!("{} is in no target folder", executable.display()))?.into())
}
