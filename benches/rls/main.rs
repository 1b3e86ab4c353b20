//! `bench-rls`: what a rate-limit decision costs, as a multiple of a server that decides nothing.
//!
//! Both servers run as child processes on loopback, in one run, interleaved. It prints a table,
//! or with `--json` one object on standard output and the table on standard error. It does not
//! keep results and does not say whether they are good.

mod balance;
mod cases;
mod extent;
mod in_process;
mod memory;
mod report;
mod rounds;
mod servers;

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Parser;
use clap::builder::PossibleValuesParser;
use mimalloc::MiMalloc;
use tokio::signal::unix::{SignalKind, signal};
use tollgate_benches::drive::Length;
use tollgate_benches::machine::Machine;

use crate::cases::{Case, NAMES};
use crate::extent::{Extent, SHAPES};
use crate::report::Report;
use crate::servers::Starter;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Balance means nothing on fewer.
const CORES_MIN: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

/// Below, connecting outweighs the calls; above, a slow spell fits into one reading.
const READING_TIME: RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(60);

/// Measures rate-limit decisions of Tollgate beside those of a server that decides nothing.
#[derive(Debug, Parser)]
struct Arguments {
    /// Readings of each server, case and connection shape.
    #[arg(long, default_value = "9")]
    rounds: NonZeroU32,
    /// Seconds of each reading.
    #[arg(long, default_value = "0.5", value_parser = seconds)]
    seconds: Duration,
    /// Calls of each reading, however long they take.
    #[arg(long, conflicts_with = "seconds")]
    calls: Option<NonZeroU64>,
    /// Print one JSON object; the table goes to standard error.
    #[arg(long)]
    json: bool,
    /// Only this case; may be repeated.
    #[arg(long = "case", value_name = "NAME", value_parser = PossibleValuesParser::new(names()))]
    cases: Vec<String>,
    /// Only with this many connections; may be repeated.
    #[arg(long, value_name = "NUMBER", value_parser = connections)]
    connections: Vec<usize>,
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
    let extent = arguments.extent();
    let (floor, tollgate) = (arguments.floor_bin.as_deref(), arguments.server_bin.as_deref());
    let starter = Starter::new(floor, tollgate, arguments.workers)?;
    let mut report = Report::new(machine, extent.clone());
    for name in NAMES.into_iter().filter(|name| arguments.wants(name)) {
        let case = Case::named(name).with_context(|| format!("no case {name}"))?;
        report.rows.extend(rounds::measure(&case, &starter, &extent).await?);
    }
    if arguments.wants(in_process::NAME) {
        // As in a node, whose counters are real ones.
        tollgate_server::metrics::install();
        for name in NAMES {
            report.in_process.push(in_process::measure(name)?);
        }
    }
    if arguments.wants(balance::NAME) {
        let case = Case::named(NAMES[0]).context("no case")?;
        let cores = std::thread::available_parallelism()?.max(CORES_MIN);
        let starter = Starter::new(floor, tollgate, cores)?;
        report.balances = balance::measure(&case, &starter, cores, &extent).await?;
    }
    if arguments.wants(memory::NAME) {
        for rule in ["remote_address", "bucket", "sliding"] {
            report.memories.push(memory::measure(rule, &starter).await?);
        }
    }
    Ok(report)
}

impl Arguments {
    fn extent(&self) -> Extent {
        let length = self.calls.map_or(Length::Time(self.seconds), |n| Length::Calls(n.get()));
        let wanted = |n| self.connections.is_empty() || self.connections.contains(&n);
        Extent {
            rounds: self.rounds.get(),
            length,
            workers: self.workers.get(),
            shapes: SHAPES.into_iter().filter(|shape| wanted(shape.connections)).collect(),
        }
    }

    fn wants(&self, case: &str) -> bool {
        self.cases.is_empty() || self.cases.iter().any(|wanted| wanted == case)
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter().chain([in_process::NAME, balance::NAME, memory::NAME])
}

fn seconds(text: &str) -> anyhow::Result<Duration> {
    let time = Duration::try_from_secs_f64(text.parse()?)?;
    ensure!(READING_TIME.contains(&time), "not between 0.05 and 60 seconds");
    Ok(time)
}

fn connections(text: &str) -> anyhow::Result<usize> {
    let number = text.parse()?;
    ensure!(SHAPES.iter().any(|shape| shape.connections == number), "there are 2, 4, 8 and 64");
    Ok(number)
}
