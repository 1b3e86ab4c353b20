//! Every seed, every input of the corpora and every regression, through its target.
//!
//! What libFuzzer found interesting once runs on every machine and toolchain; what it found wrong
//! once stays found.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use tollgate_fuzz::{TARGETS, Target};

/// As `cargo xtask fuzz` keeps them, so that replaying stays a matter of seconds.
const CORPUS_FILES_MAX: usize = 300;
const CORPUS_BYTES_MAX: usize = 1 << 20;

fn folder(kind: &str, target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(kind).join(target)
}

/// The files of a folder with their contents, by name; a folder that is not there has none.
fn files(folder: &Path) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut files = Vec::new();
    if folder.is_dir() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            files.push((path.clone(), fs::read(path)?));
        }
    }
    files.sort();
    Ok(files)
}

fn replay(name: &str, run: Target) -> io::Result<()> {
    let mut inputs = files(&folder("seeds", name))?;
    assert!(!inputs.is_empty(), "no seeds");
    inputs.extend(files(&folder("corpus", name))?);
    inputs.extend(files(&folder("regressions", name))?);
    let breaks = |input: &Vec<u8>| catch_unwind(AssertUnwindSafe(|| run(input))).is_err();
    let broken: Vec<_> =
        inputs.iter().filter(|(_, input)| breaks(input)).map(|(path, _)| path).collect();
    assert!(broken.is_empty(), "of {} inputs these break a promise: {broken:?}", inputs.len());
    Ok(())
}

#[test]
fn rls_holds_for_every_input_of_its_corpus() -> io::Result<()> {
    replay("rls", tollgate_fuzz::rls)
}

#[test]
fn json_holds_for_every_input_of_its_corpus() -> io::Result<()> {
    replay("json", tollgate_fuzz::json)
}

#[test]
fn ratelimit_holds_for_every_input_of_its_corpus() -> io::Result<()> {
    replay("ratelimit", tollgate_fuzz::ratelimit)
}

#[test]
fn config_holds_for_every_input_of_its_corpus() -> io::Result<()> {
    replay("config", tollgate_fuzz::config)
}

#[test]
fn xds_holds_for_every_input_of_its_corpus() -> io::Result<()> {
    replay("xds", tollgate_fuzz::xds)
}

#[test]
fn native_holds_for_every_input_of_its_corpus() -> io::Result<()> {
    replay("native", tollgate_fuzz::native)
}

#[test]
fn native_json_holds_for_every_input_of_its_corpus() -> io::Result<()> {
    replay("native_json", tollgate_fuzz::native_json)
}

#[test]
fn every_target_has_a_binary_and_a_small_corpus() -> io::Result<()> {
    let manifest = fs::read_to_string(folder("run", "Cargo.toml"))?;
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "fuzz/run has no {name}");
        let corpus = files(&folder("corpus", name))?;
        let bytes: usize = corpus.iter().map(|(_, input)| input.len()).sum();
        assert!(corpus.len() <= CORPUS_FILES_MAX, "{name}: {} files", corpus.len());
        assert!(bytes <= CORPUS_BYTES_MAX, "{name}: {bytes} bytes");
    }
    Ok(())
}
