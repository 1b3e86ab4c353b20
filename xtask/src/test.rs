//! `cargo xtask test`: what the tests need, then the tests themselves.
//!
//! The tests start real processes; they find them through the environment that is set here and
//! never search for them. Arguments go to `cargo test` as they are.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::process::{self, cargo};
use crate::workspace::Workspace;
use crate::{setup, skips};

/// Runs the tests and then says what they skipped.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<()> {
    skips::clear(workspace)?;
    let outcome = run_tests(workspace, args);
    skips::print(&skips::read(workspace)?);
    outcome
}

/// Runs the tests; the caller clears the log of skips before and reads it after.
pub(crate) fn run_tests(workspace: &Workspace, args: &[String]) -> Result<()> {
    let vectors = vectors()?;
    let envoy = setup::envoy(workspace)?;
    process::run(cargo().args(["build", "--workspace", "--bins", "--locked"]))?;
    let mut tests = cargo();
    tests.arg("test");
    if !picks_packages(args) {
        tests.arg("--workspace");
    }
    tests.arg("--locked").args(args);
    tests
        .env("TOLLGATE_ENVOY", envoy)
        .env("TOLLGATE_BIN", binary(workspace, "debug", "tollgate"))
        .env("TOLLGATE_SKIP_LOG", skips::log(workspace));
    if let Some(python) = setup::python(workspace) {
        tests.env("TOLLGATE_PYTHON", python);
    }
    if let Some(vectors) = vectors {
        tests.env("TOLLGATE_VECTORS", vectors);
    }
    process::run(&mut tests)
}

/// Where cargo leaves a binary of this workspace.
pub(crate) fn binary(workspace: &Workspace, profile: &str, name: &str) -> PathBuf {
    workspace.target.join(profile).join(name).with_extension(std::env::consts::EXE_EXTENSION)
}

/// A relative path would mean another folder to each test: cargo starts them in their package's.
fn vectors() -> Result<Option<PathBuf>> {
    let given = std::env::var_os("TOLLGATE_VECTORS").filter(|path| !path.is_empty());
    given.map(|path| absolute(Path::new(&path), "TOLLGATE_VECTORS")).transpose()
}

/// The absolute form of a path that a variable names and that must exist.
pub(crate) fn absolute(path: &Path, variable: &str) -> Result<PathBuf> {
    path.canonicalize().with_context(|| {
        format!("{variable} names {}, which is not there; correct or unset it", path.display())
    })
}

/// `-p` and `--workspace` contradict each other, and the narrower wish is the meant one.
fn picks_packages(args: &[String]) -> bool {
    let for_cargo = args.iter().take_while(|arg| *arg != "--");
    for_cargo.into_iter().any(|arg| arg.starts_with("-p") || arg.starts_with("--package"))
}

#[cfg(test)]
mod tests {
    use super::picks_packages;

    #[test]
    fn only_cargos_own_arguments_pick_packages() {
        let picks = |line: &str| {
            let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
            picks_packages(&args)
        };
        assert!(picks("-p tollgate-core"));
        assert!(picks("name --package=tollgate-core"));
        assert!(!picks("name -- -p"));
    }
}
