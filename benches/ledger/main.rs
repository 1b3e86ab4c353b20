//! What a key costs in the local ledger, beside the map that everybody would take: bytes of memory
//! and nanoseconds of CPU; and what a flood of keys does to a full ledger.
//!
//! Every case runs in a process of its own, so that its memory is its own. Nothing is sent anywhere.

mod cases;
mod flood;
mod peer;
mod report;

use std::process::Command;

use anyhow::{Context as _, bail};
use clap::{Parser, ValueEnum};
use mimalloc::MiMalloc;

use crate::report::Figures;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Measures the local ledger: bytes and nanoseconds a key, and a flood against its bound.
#[derive(Debug, Parser)]
struct Args {
    /// Keys of each case
    #[arg(long, default_value_t = 1_000_000)]
    keys: u32,
    /// Random keys of the flood, against a bound of --keys
    #[arg(long, default_value_t = 10_000_000)]
    flood: u32,
    /// Print one JSON object instead of the table
    #[arg(long)]
    json: bool,
    /// Run one case in this process and print its figures
    #[arg(long, hide = true)]
    case: Option<Case>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Case {
    /// Fixed windows in the ledger.
    FixedWindow,
    /// Token buckets in the ledger.
    TokenBucket,
    /// Sliding windows of a limit of ten, with one hit each.
    SlidingWindow,
    /// The same counters and texts in a `DashMap`.
    Dashmap,
    /// A flood of one domain against the bound.
    Flood,
}

const CASES: [Case; 5] =
    [Case::FixedWindow, Case::TokenBucket, Case::SlidingWindow, Case::Dashmap, Case::Flood];

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if let Some(case) = args.case {
        let figures = match case {
            Case::Dashmap => peer::run(args.keys)?,
            Case::Flood => flood::run(args.keys, args.flood)?,
            case => cases::run(case, args.keys)?,
        };
        println!("{}", serde_json::to_string(&figures)?);
        return Ok(());
    }
    let all = CASES.map(|case| child(case, &args));
    let all = all.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    report::print(&all, args.json)
}

/// Runs one case in a process of its own.
fn child(case: Case, args: &Args) -> anyhow::Result<Figures> {
    let name = case.to_possible_value().map(|value| value.get_name().to_owned());
    let name = name.context("every case has a name")?;
    eprintln!("{name} …");
    let output = Command::new(std::env::current_exe()?)
        .args(["--case", &name])
        .args(["--keys", &args.keys.to_string(), "--flood", &args.flood.to_string()])
        .output()?;
    if !output.status.success() {
        bail!("{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
