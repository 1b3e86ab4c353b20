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

/// Replaces the target's corpus with the fewest inputs of it and of `scratch` that reach the same
/// code; where there are too many, with a sample of them.
pub(super) fn keep(one: &One<'_>, scratch: &Path) -> Result<()> {
    let merged = scratch.with_extension("merged");
    if merged.exists() {
        fs::remove_dir_all(&merged)?;
    }
    fs::create_dir_all(&merged).with_context(|| format!("cannot make {}", merged.display()))?;
    let corpus = one.inputs("corpus");
    let mut merge = one.command();
    merge.arg("-set_cover_merge=1").arg(&merged).arg(one.inputs("seeds"));
    merge.args([&corpus, scratch].into_iter().filter(|folder| folder.is_dir()));
    process::run(&mut merge)?;
    let kept = sample(&merged)?;
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

/// Files of a folder within the bounds, with their lengths: all of them, or an even sample of every
/// length.
fn sample(folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        all.push((entry.metadata()?.len(), entry.path()));
    }
    all.sort();
    let count = all.len().min(FILES_MAX);
    let chosen = (0..count).filter_map(|index| all.get(index * all.len() / count).cloned());
    let mut bytes = 0;
    let within = chosen.take_while(|(length, _)| {
        bytes += length;
        bytes <= BYTES_MAX
    });
    Ok(within.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_small_and_has_every_length() {
        let folder = std::env::temp_dir().join(format!("xtask-corpus-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for length in 0..(2 * FILES_MAX) {
            fs::write(folder.join(format!("{length}")), vec![b'x'; length]).unwrap();
        }
        let lengths: Vec<u64> =
            sample(&folder).unwrap().into_iter().map(|(length, _)| length).collect();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(lengths, (0..FILES_MAX as u64).map(|index| 2 * index).collect::<Vec<_>>());
    }
}
