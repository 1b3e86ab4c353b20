//! Every seed, every input of the corpora and every regression, through its target.
//!
//! What libFuzzer found interesting once runs on every machine and toolchain; what it found wrong
//! once stays found.

use std::fs;
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
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn replay(name: &str) {
    let (_, run): (&str, Target) = TARGETS.into_iter().find(|(at, _)| *at == name).unwrap();
    let mut inputs = files(&folder("seeds", name));
    assert!(!inputs.is_empty(), "no seeds");
    inputs.extend(files(&folder("corpus", name)));
    inputs.extend(files(&folder("regressions", name)));
    let breaks = |input: &Vec<u8>| catch_unwind(AssertUnwindSafe(|| run(input))).is_err();
    let broken: Vec<_> =
        inputs.iter().filter(|(_, input)| breaks(input)).map(|(path, _)| path).collect();
    assert!(broken.is_empty(), "of {} inputs these break a promise: {broken:?}", inputs.len());
}

#[test]
fn rls_holds_for_every_input_of_its_corpus() {
    replay("rls");
}

#[test]
fn json_holds_for_every_input_of_its_corpus() {
    replay("json");
}

#[test]
fn ratelimit_holds_for_every_input_of_its_corpus() {
    replay("ratelimit");
}

#[test]
fn config_holds_for_every_input_of_its_corpus() {
    replay("config");
}

#[test]
fn every_target_has_a_binary_and_a_small_corpus() {
    let manifest = fs::read_to_string(folder("run", "Cargo.toml")).unwrap();
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "fuzz/run has no {name}");
        let corpus = files(&folder("corpus", name));
        let bytes: usize = corpus.iter().map(|(_, input)| input.len()).sum();
        assert!(corpus.len() <= CORPUS_FILES_MAX, "{name}: {} files", corpus.len());
        assert!(bytes <= CORPUS_BYTES_MAX, "{name}: {bytes} bytes");
    }
}
