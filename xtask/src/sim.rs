//! `cargo xtask sim [--seeds N] [--from F] [--seed S]`: the cluster in simulation, seed after seed.
//!
//! The simulation is a test of tollgate-raft, so that it reaches inside of it; this builds it once and
//! runs it in two processes at a time. A broken seed prints what happened and how to run it again. It
//! does not decide what must hold: that is `raft/src/sim/invariants`.

use std::process::{Child, Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use crate::process::{self, cargo};
use crate::stopwatch::Stopwatch;
use crate::usage;
use crate::workspace::Workspace;

/// Seeds of a run that names no number: a minute's work.
const SEEDS: u64 = 200;
/// Seeds of `ci`: less than a minute on two cores.
const SEEDS_CI: u64 = 80;
/// More than a week's work.
const SEEDS_MAX: u64 = 1_000_000;

/// Runs at the same time. A run has one thread.
const PROCESSES: u64 = 2;

/// The test that runs the seeds that its environment names.
const TEST: &str = "sim::tests::seeds_break_nothing";

/// What was asked for.
#[derive(Debug, PartialEq)]
struct Wish {
    from: u64,
    seeds: u64,
    /// One seed, and everything that happened in it.
    is_alone: bool,
}

/// Runs the seeds that `args` name.
pub(crate) fn run(_workspace: &Workspace, args: &[String]) -> Result<ExitCode> {
    match wish(args) {
        Ok(wish) => seeds(&wish).map(|()| ExitCode::SUCCESS),
        Err(problem) => Ok(usage(&problem)),
    }
}

/// Runs the seeds that every change meets.
pub(crate) fn run_ci() -> Result<()> {
    seeds(&Wish { from: 1, seeds: SEEDS_CI, is_alone: false })
}

fn seeds(wish: &Wish) -> Result<()> {
    process::run(test().arg("--no-run"))?;
    let watch = Stopwatch::start();
    let mut running = Vec::new();
    for (from, seeds) in shares(wish) {
        running.push((from, seeds, start(from, seeds, wish.is_alone)?));
    }
    let mut broken = Vec::new();
    for (from, seeds, mut child) in running {
        if !child.wait().context("a simulation did not end")?.success() {
            broken.push(format!("{from} to {}", from + seeds - 1));
        }
    }
    let seconds = watch.read().as_secs_f64();
    let rate = wish.seeds as f64 / seconds.max(0.001);
    println!("xtask: {} seeds in {seconds:.1} s, {rate:.1} a second", wish.seeds);
    if !broken.is_empty() {
        let among = broken.join(", ");
        bail!("a seed of {among} is broken; what happened and how to run it again is above");
    }
    Ok(())
}

fn test() -> Command {
    let mut test = cargo();
    test.args(["test", "--package", "tollgate-raft", "--lib", "--locked"]);
    test
}

/// A part of the seeds for each process: where it begins, and how many.
fn shares(wish: &Wish) -> Vec<(u64, u64)> {
    let each = wish.seeds.div_ceil(PROCESSES);
    let starts = (0..PROCESSES).map(|process| process * each);
    let shares =
        starts.map(|start| (wish.from + start, each.min(wish.seeds.saturating_sub(start))));
    shares.filter(|(_, seeds)| *seeds > 0).collect()
}

fn start(from: u64, seeds: u64, is_alone: bool) -> Result<Child> {
    let mut test = test();
    test.args(["--quiet", "--", TEST, "--exact", "--nocapture"]);
    test.env("TOLLGATE_SIM_FROM", from.to_string()).env("TOLLGATE_SIM_SEEDS", seeds.to_string());
    if is_alone {
        test.env("TOLLGATE_SIM_EVENTS", "1");
    }
    test.spawn().context("cargo does not start")
}

fn wish(args: &[String]) -> Result<Wish, String> {
    let mut wish = Wish { from: 1, seeds: SEEDS, is_alone: false };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let number = || {
            let value = args.clone().next().ok_or(format!("{arg} needs a number"))?;
            value.parse::<u64>().map_err(|_| format!("{arg} needs a number, found `{value}`"))
        };
        match arg.as_str() {
            "--seeds" => wish.seeds = number()?,
            "--from" => wish.from = number()?,
            "--seed" => wish = Wish { from: number()?, seeds: 1, is_alone: true },
            other => return Err(format!("`sim` does not take `{other}`")),
        }
        args.next();
    }
    if !(1..=SEEDS_MAX).contains(&wish.seeds) || wish.from > u64::MAX - wish.seeds {
        return Err(format!("--seeds is a number from 1 to {SEEDS_MAX}, beginning at --from"));
    }
    Ok(wish)
}

#[cfg(test)]
mod tests {
    use super::{SEEDS, Wish, shares, wish};

    fn wished(line: &str) -> Result<Wish, String> {
        wish(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn says_which_seeds() {
        let all = |from, seeds, is_alone| Ok(Wish { from, seeds, is_alone });
        assert_eq!(wished(""), all(1, SEEDS, false));
        assert_eq!(wished("--seeds 10 --from 5"), all(5, 10, false));
        assert_eq!(wished("--seed 7"), all(7, 1, true));
        for wrong in ["--seeds", "--seeds x", "--seeds 0", "7", "--from 18446744073709551615"] {
            assert!(wished(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_seed_is_run_once() {
        for seeds in 1..10 {
            let shares = shares(&Wish { from: 3, seeds, is_alone: false });
            let all: Vec<_> = shares.iter().flat_map(|(from, count)| *from..from + count).collect();
            assert_eq!(all, (3..3 + seeds).collect::<Vec<_>>());
        }
    }
}
