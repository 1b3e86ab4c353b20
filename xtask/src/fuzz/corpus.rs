//! The corpus that is checked in: few and small inputs that reach what all of them reach.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::One;
use crate::process;

/// Files of one target. Their replay is an ordinary test, which takes seconds.
const FILES_MAX: usize = 300;
/// Bytes of all files of one target.
const BYTES_MAX: u64 = 1 << 20;

/// Replaces the target's corpus with the smallest inputs of it and of `scratch` that reach the same
/// code. Where there are too many, the smallest stay.
pub(super) fn keep(one: &One<'_>, scratch: &Path) -> Result<()> {
    let merged = scratch.with_extension("merged");
    if merged.exists() {
        fs::remove_dir_all(&merged)?;
    }
    fs::create_dir_all(&merged).with_context(|| format!("cannot make {}", merged.display()))?;
    let corpus = one.inputs("corpus");
    let mut merge = one.command();
    merge.arg("-merge=1").arg(&merged).arg(one.inputs("seeds"));
    merge.args([&corpus, scratch].into_iter().filter(|folder| folder.is_dir()));
    process::run(&mut merge)?;
    // What the seeds reach alone needs no second copy: libFuzzer names inputs by their hash.
    let kept = smallest(&merged)?;
    let count = kept.len();
    if corpus.exists() {
        fs::remove_dir_all(&corpus)?;
    }
    fs::create_dir_all(&corpus)?;
    let mut bytes = 0;
    for (length, path) in kept {
        let name = path.file_name().unwrap_or_default();
        fs::copy(&path, corpus.join(name))
            .with_context(|| format!("cannot copy {}", path.display()))?;
        bytes += length;
    }
    eprintln!("xtask: {}: the corpus has {count} files, {bytes} bytes", one.target);
    // A folder that nothing was found for says nothing.
    let _ = fs::remove_dir(one.inputs("regressions"));
    Ok(())
}

/// The smallest files of a folder within the bounds, with their lengths.
fn smallest(folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        all.push((entry.metadata()?.len(), entry.path()));
    }
    all.sort();
    let mut bytes = 0;
    all.truncate(FILES_MAX);
    all.retain(|(length, _)| {
        bytes += length;
        bytes <= BYTES_MAX
    });
    Ok(all)
}
