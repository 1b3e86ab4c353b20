//! `bench-rls`: what a rate-limit decision costs, as a multiple of a server that decides nothing.
//!
//! Both servers run as child processes on loopback, in one run, interleaved. It prints a table,
//! or with `--json` one object on standard output and the table on standard error. It does not
//! keep results and does not say whether they are good.

mod cases;
mod report;
mod rounds;
mod servers;

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;
use clap::builder::PossibleValuesParser;
use mimalloc::MiMalloc;
use tokio::signal::unix::{SignalKind, signal};
use tollgate_benches::machine::Machine;

use crate::cases::{Case, NAMES};
use crate::report::Report;
use crate::rounds::Extent;
use crate::servers::Starter;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Measures rate-limit decisions of Tollgate beside those of a server that decides nothing.
#[derive(Debug, Parser)]
struct Arguments {
    /// Readings of each server, case and connection shape.
    #[arg(long, default_value = "5")]
    rounds: NonZeroU32,
    /// Calls in each reading.
    #[arg(long, default_value = "100000")]
    calls: NonZeroU64,
    /// Print one JSON object; the table goes to standard error.
    #[arg(long)]
    json: bool,
    /// Only this case; may be repeated.
    #[arg(long = "case", value_name = "NAME", value_parser = PossibleValuesParser::new(NAMES))]
    cases: Vec<String>,
    /// Tollgate; default: the one built beside this program.
    #[arg(long, value_name = "PATH")]
    server_bin: Option<PathBuf>,
    /// The server that decides nothing; default: the one built beside this program.
    #[arg(long, value_name = "PATH")]
    floor_bin: Option<PathBuf>,
    /// Threads of each server that serve.
    #[arg(long, default_value = "1")]
    workers: NonZeroUsize,
    /// Seconds after which the whole run fails.
    #[arg(long, default_value = "900", value_name = "SECONDS")]
    timeout: NonZeroU64,
}

// One thread: the driver is one core's load, whatever the machine.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut terminated = signal(SignalKind::terminate())?;
    let time_max = Duration::from_secs(arguments.timeout.get());
    // Whichever comes first, leaving here drops the servers and so ends them.
    let report = tokio::select! {
        report = measure(&arguments) => report?,
        () = tokio::time::sleep(time_max) => bail!("not done after {time_max:?}"),
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        _ = terminated.recv() => bail!("terminated"),
    };
    if arguments.json {
        eprint!("{report}");
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{report}");
    }
    Ok(())
}

async fn measure(arguments: &Arguments) -> anyhow::Result<Report> {
    if cfg!(debug_assertions) {
        eprintln!("a debug build: good for trying this out, not for figures");
    }
    // Read first: afterwards the load average tells of this run itself.
    let machine = Machine::read();
    let workers = arguments.workers;
    let extent = Extent::new(arguments.rounds, arguments.calls.get(), workers.get());
    let floor = arguments.floor_bin.clone();
    let starter = Starter::new(floor, arguments.server_bin.clone(), workers)?;
    let mut rows = Vec::new();
    for name in NAMES {
        if !arguments.cases.is_empty() && !arguments.cases.iter().any(|wanted| wanted == name) {
            continue;
        }
        let case = Case::named(name).with_context(|| format!("no case {name}"))?;
        rows.extend(rounds::measure(&case, &starter, extent).await?);
    }
    Ok(Report { machine, extent, rows })
}
