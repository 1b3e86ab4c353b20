//! What fuzzing needs and cargo does not bring: cargo-fuzz at one version, and a nightly toolchain.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::process::{self, cargo};
use crate::workspace::Workspace;

const CARGO_FUZZ: &str = "0.13.2";

/// The path of cargo-fuzz, installed if need be.
pub(super) fn cargo_fuzz(workspace: &Workspace) -> Result<PathBuf> {
    let nightly = process::output(on_nightly(Path::new("rustc")).arg("--version"));
    nightly.context(
        "fuzzing needs a nightly toolchain for its sanitizers: \
         `rustup toolchain install nightly --profile minimal`",
    )?;
    let root = workspace.target.join("tools");
    let binary = root.join("bin").join("cargo-fuzz");
    let version = process::output(Command::new(&binary).args(["fuzz", "--version"]));
    if version.is_ok_and(|version| version.trim().ends_with(CARGO_FUZZ)) {
        return Ok(binary);
    }
    let crate_version = format!("cargo-fuzz@{CARGO_FUZZ}");
    process::run(cargo().args(["install", "--locked", &crate_version, "--root"]).arg(&root))
        .with_context(|| format!("fuzzing needs {crate_version}; its build needs crates.io"))?;
    Ok(binary)
}

/// A program that finds nightly's cargo and rustc, not those that run us.
pub(super) fn on_nightly(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("RUSTUP_TOOLCHAIN", "nightly").env_remove("CARGO").env_remove("RUSTC");
    command
}
