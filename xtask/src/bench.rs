//! `cargo xtask bench NAME`: builds everything with `--release`, then runs one driver.
//!
//! The driver's own arguments are its business; so is what it prints.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::process::{self, cargo};
use crate::test::binary;
use crate::workspace::Workspace;
use crate::{EXIT_USAGE, usage};

/// The drivers there are, by the name after `bench`; each is the binary `bench-NAME`.
const DRIVERS: [&str; 3] = ["rls", "ledger", "client"];

/// Runs the driver that the first argument names with the arguments after it.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<ExitCode> {
    let Some((name, args)) = args.split_first() else {
        return Ok(usage("`bench` wants the name of a driver: rls, ledger or client"));
    };
    if !DRIVERS.contains(&name.as_str()) {
        return Ok(usage(&format!("there is no driver `{name}`, only rls, ledger and client")));
    }
    let driver = format!("bench-{name}");
    if !workspace.has_bin(&driver) {
        eprintln!("xtask: nothing exists yet for `bench {name}`: no binary {driver}. Nothing ran.");
        return Ok(ExitCode::from(EXIT_USAGE));
    }
    process::run(cargo().args(["build", "--release", "--workspace", "--bins", "--locked"]))?;
    let mut driver = Command::new(binary(workspace, "release", &driver));
    driver.args(args).env("TOLLGATE_BIN", binary(workspace, "release", "tollgate"));
    process::run(&mut driver)?;
    Ok(ExitCode::SUCCESS)
}
