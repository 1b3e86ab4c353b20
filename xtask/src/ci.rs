//! `cargo xtask ci`: everything that must hold before a change lands, in order of cost.
//!
//! It never writes to the source tree: formatting is checked, lock files are `--locked`, all that
//! is made goes to the target folder. A failing stage ends the run, but the table of minutes and
//! the list of what was left out are always printed, so no gap hides behind a green line.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::process::{self, cargo};
use crate::skips::{self, LeftOut};
use crate::stopwatch::Stopwatch;
use crate::workspace::Workspace;
use crate::{arrows, sim as simulation, test, tidy};

struct Stage {
    name: &'static str,
    about: &'static str,
    /// `Ok(Some(reason))` means that the stage could not be run here and was left out.
    run: fn(&Workspace) -> Result<Option<String>>,
}

const STAGES: [Stage; 7] = [
    Stage { name: "fmt", about: "formatting", run: fmt },
    Stage { name: "house", about: "house checks: arrows and tidy", run: house },
    Stage { name: "clippy", about: "lints, warnings are errors", run: clippy },
    Stage { name: "doc", about: "documentation, warnings are errors", run: doc },
    Stage { name: "deny", about: "licences, bans and sources of dependencies", run: deny },
    Stage { name: "test", about: "every test, doc tests included", run: test },
    Stage { name: "sim", about: "seeds of the cluster in simulation", run: sim },
];

const ADVISORIES: (&str, &str) =
    ("deny advisories", "their database is a git repository that cannot be fetched offline");

enum Outcome {
    Ok,
    Failed,
    LeftOut,
    NotRun,
}

struct Row {
    name: &'static str,
    minutes: Option<f64>,
    outcome: Outcome,
}

/// Runs the stages; fails with the first stage that fails.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    skips::clear(workspace)?;
    let mut rows = Vec::new();
    let mut left_out = vec![LeftOut { name: ADVISORIES.0.into(), reason: ADVISORIES.1.into() }];
    let mut failure = None;
    for (index, stage) in STAGES.iter().enumerate() {
        if failure.is_some() {
            rows.push(Row { name: stage.name, minutes: None, outcome: Outcome::NotRun });
            continue;
        }
        eprintln!("xtask: stage {}/{} {}: {}", index + 1, STAGES.len(), stage.name, stage.about);
        let watch = Stopwatch::start();
        let result = (stage.run)(workspace);
        let minutes = Some(minutes(watch.read()));
        let outcome = match result {
            Ok(None) => Outcome::Ok,
            Ok(Some(reason)) => {
                eprintln!("xtask: {} is left out: {reason}", stage.name);
                left_out.push(LeftOut { name: stage.name.into(), reason });
                Outcome::LeftOut
            }
            Err(error) => {
                eprintln!("xtask: stage {} failed: {error:#}", stage.name);
                failure = Some(error.context(format!("stage {} failed", stage.name)));
                Outcome::Failed
            }
        };
        rows.push(Row { name: stage.name, minutes, outcome });
    }
    left_out.extend(skips::read(workspace)?);
    print!("{}", table(&rows));
    skips::print(&left_out);
    failure.map_or(Ok(()), Err)
}

fn fmt(_workspace: &Workspace) -> Result<Option<String>> {
    process::run(cargo().args(["fmt", "--all", "--check"]))
        .context("not formatted, or not to be parsed; run cargo xtask fix")
        .map(|()| None)
}

/// Both checks run even when the first fails: their findings are cheap and independent.
fn house(workspace: &Workspace) -> Result<Option<String>> {
    match (arrows::run(workspace), tidy::run(workspace)) {
        (Ok(()), Ok(())) => Ok(None),
        (Err(arrows), Err(tidy)) => bail!("arrows: {arrows:#}; tidy: {tidy:#}"),
        (Err(error), Ok(())) | (Ok(()), Err(error)) => Err(error),
    }
}

/// `-D warnings` goes to clippy as an argument: in `RUSTFLAGS` it would replace the flags that
/// `.cargo/config.toml` sets, and the tests would then build everything a second time.
fn clippy(_workspace: &Workspace) -> Result<Option<String>> {
    let args = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    process::run(cargo().args(args)).map(|()| None)
}

fn doc(_workspace: &Workspace) -> Result<Option<String>> {
    let mut doc = cargo();
    doc.args(["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings");
    process::run(&mut doc).map(|()| None)
}

fn deny(_workspace: &Workspace) -> Result<Option<String>> {
    if process::output(Command::new("cargo-deny").arg("--version")).is_err() {
        return Ok(Some("cargo-deny is not on PATH; it reads deny.toml".into()));
    }
    process::run(cargo().args(["deny", "check", "licenses", "bans", "sources"])).map(|()| None)
}

fn test(workspace: &Workspace) -> Result<Option<String>> {
    test::run_tests(workspace, &[]).map(|()| None)
}

fn sim(_workspace: &Workspace) -> Result<Option<String>> {
    simulation::run_ci().map(|()| None)
}

fn minutes(duration: Duration) -> f64 {
    duration.as_secs_f64() / 60.0
}

fn table(rows: &[Row]) -> String {
    let mut table = format!("\n{:<8}{:>8}  result\n", "stage", "minutes");
    for Row { name, minutes, outcome } in rows {
        let minutes = minutes.map_or_else(|| "-".to_owned(), |minutes| format!("{minutes:.2}"));
        let outcome = match outcome {
            Outcome::Ok => "ok",
            Outcome::Failed => "FAILED",
            Outcome::LeftOut => "left out",
            Outcome::NotRun => "not run",
        };
        table.push_str(&format!("{name:<8}{minutes:>8}  {outcome}\n"));
    }
    let total: f64 = rows.iter().filter_map(|row| row.minutes).sum();
    table.push_str(&format!("{:<8}{total:>8.2}\n", "all"));
    table
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Row, table};

    #[test]
    fn the_table_has_a_line_for_each_stage_and_the_sum() {
        let rows = [
            Row { name: "fmt", minutes: Some(0.25), outcome: Outcome::Failed },
            Row { name: "test", minutes: None, outcome: Outcome::NotRun },
        ];
        let expected = "\nstage    minutes  result\nfmt         0.25  FAILED\n\
                        test           -  not run\nall         0.25\n";
        assert_eq!(table(&rows), expected);
    }
}
