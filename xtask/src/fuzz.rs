//! `cargo xtask fuzz [TARGET…] [--minutes N]`: coverage-guided fuzzing of the targets in fuzz/run.
//!
//! Builds every target with cargo-fuzz on nightly (installed into the target folder at one pinned
//! version), runs each for its minutes from what is checked in, then keeps a small corpus of what
//! reaches the most code. An input that breaks a promise goes to fuzz/regressions, where an
//! ordinary test replays it. It does not decide what must hold: that is the package tollgate-fuzz.

mod corpus;
mod install;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use crate::process;
use crate::usage;
use crate::workspace::Workspace;

/// Minutes for each target, unless told otherwise.
const MINUTES: u64 = 10;
/// A day: what runs longer is a service.
const MINUTES_MAX: u64 = 1_440;

/// Seconds after which one input counts as a hang.
const INPUT_SECONDS_MAX: u64 = 10;
/// MiB of the whole process, sanitizer included.
const RSS_MIB_MAX: u64 = 1_024;
/// Bytes of an input: enough for every construct several times, small enough to try many.
const INPUT_BYTES_MAX: usize = 8 << 10;

/// What cargo-fuzz builds for: it passes this to cargo even where it is the machine's own.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// What was asked for.
#[derive(Debug, PartialEq)]
struct Wish {
    targets: Vec<String>,
    minutes: u64,
}

/// Fuzzes the targets that `args` name, all of them if it names none.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<ExitCode> {
    let folder = workspace.root.join("fuzz");
    let known = targets(&folder)?;
    let wish = match wish(args, &known) {
        Ok(wish) => wish,
        Err(problem) => return Ok(usage(&problem)),
    };
    let cargo_fuzz = install::cargo_fuzz(workspace)?;
    build(workspace, &folder, &cargo_fuzz)?;
    let mut broken = Vec::new();
    for target in &wish.targets {
        let one = One { folder: &folder, target, binary: binary(workspace, target) };
        let scratch = workspace.target.join("fuzz-corpus").join(target);
        if one.fuzz(&scratch, wish.minutes).is_err() {
            broken.push(target.as_str());
        }
        corpus::keep(&one, &scratch)?;
    }
    if !broken.is_empty() {
        let names = broken.join(", ");
        bail!("{names}: an input broke a promise; fuzz/regressions has it, and a test replays it");
    }
    Ok(ExitCode::SUCCESS)
}

/// One target that has been built.
struct One<'a> {
    /// The package's folder.
    folder: &'a Path,
    target: &'a str,
    binary: PathBuf,
}

impl One<'_> {
    /// A folder of this target's inputs.
    fn inputs(&self, kind: &str) -> PathBuf {
        self.folder.join(kind).join(self.target)
    }

    /// The folders of what is checked in, those that exist.
    fn checked_in(&self) -> Vec<PathBuf> {
        let all = ["seeds", "corpus", "regressions"].map(|kind| self.inputs(kind));
        all.into_iter().filter(|folder| folder.is_dir()).collect()
    }

    /// libFuzzer with its bounds.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
            .arg(format!("-rss_limit_mb={RSS_MIB_MAX}"))
            .arg(format!("-max_len={INPUT_BYTES_MAX}"));
        command
    }

    /// Runs for so many minutes; new inputs go to `scratch`, those that break to the regressions.
    fn fuzz(&self, scratch: &Path, minutes: u64) -> Result<()> {
        let regressions = self.inputs("regressions");
        for folder in [scratch, &regressions] {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let mut command = self.command();
        command
            .arg(format!("-max_total_time={}", minutes * 60))
            .arg("-print_final_stats=1")
            .arg(format!("-artifact_prefix={}/", regressions.display()));
        let dictionary = self.folder.join("dictionaries").join(format!("{}.dict", self.target));
        if dictionary.is_file() {
            command.arg(format!("-dict={}", dictionary.display()));
        }
        process::run(command.arg(scratch).args(self.checked_in()))
    }
}

fn build(workspace: &Workspace, folder: &Path, cargo_fuzz: &Path) -> Result<()> {
    let mut build = install::on_nightly(cargo_fuzz);
    build
        .args(["fuzz", "build", "--fuzz-dir"])
        .arg(folder.join("run"))
        .arg("--target-dir")
        .arg(workspace.target.join("fuzz"))
        // cargo-fuzz's own flags replace those of .cargo/config.toml.
        .env("RUSTFLAGS", "--cfg tokio_unstable");
    process::run(&mut build)
}

fn binary(workspace: &Workspace, target: &str) -> PathBuf {
    workspace.target.join("fuzz").join(TRIPLE).join("release").join(target)
}

/// The targets there are: the binaries of fuzz/run.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let run = Workspace::around(&folder.join("run").join("Cargo.toml"))?;
    let all = run.packages.into_iter().flat_map(|package| package.targets);
    Ok(all.map(|target| target.name).collect())
}

fn wish(args: &[String], known: &[String]) -> Result<Wish, String> {
    let mut wish = Wish { targets: Vec::new(), minutes: MINUTES };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--minutes" {
            let minutes = args.next().and_then(|number| number.parse().ok());
            wish.minutes = minutes
                .filter(|minutes| (1..=MINUTES_MAX).contains(minutes))
                .ok_or_else(|| format!("`--minutes` wants a number from 1 to {MINUTES_MAX}"))?;
        } else if known.contains(arg) {
            wish.targets.push(arg.clone());
        } else {
            return Err(format!("there is no fuzz target `{arg}`, only {}", known.join(", ")));
        }
    }
    if wish.targets.is_empty() {
        wish.targets = known.to_vec();
    }
    Ok(wish)
}

#[cfg(test)]
mod tests {
    use super::{MINUTES, Wish, wish};

    fn wished(line: &str) -> Result<Wish, String> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        wish(&args, &["rls".to_owned(), "json".to_owned()])
    }

    #[test]
    fn all_targets_unless_some_are_named() {
        let all = Wish { targets: vec!["rls".into(), "json".into()], minutes: MINUTES };
        assert_eq!(wished(""), Ok(all));
        let one = Wish { targets: vec!["json".into()], minutes: 3 };
        assert_eq!(wished("--minutes 3 json"), Ok(one));
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(wished("xml").unwrap_err(), "there is no fuzz target `xml`, only rls, json");
        for wrong in ["--minutes", "--minutes 0", "--minutes x", "--minutes 1441"] {
            assert!(wished(wrong).unwrap_err().contains("from 1 to 1440"), "{wrong}");
        }
    }
}
