//! `bench-client`: what a decision costs through the client crate, on both sides of the wire.
//!
//! One Tollgate runs as a child process on loopback; the client is this process, on one thread. The
//! peer in each round is the rate-limit protocol, called through `tonic` as the client crate calls
//! the native one: what is above it is the price of the native API and of the crate.

mod cases;
mod report;

use std::fs;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Parser;
use clap::builder::PossibleValuesParser;
use mimalloc::MiMalloc;
use tollgate_benches::clock::Stopwatch;
use tollgate_benches::machine::Machine;
use tollgate_benches::node;
use tollgate_benches::process::ServerProcess;
use tollgate_benches::usage::cpu_time;

use crate::cases::{Case, Load};
use crate::report::{Reading, Report};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Keys that the checks are spread over.
pub(crate) const KEYS: u64 = 1_000;

/// Measures decisions through the client crate: calls, batches of 100, and a stream.
#[derive(Debug, Parser)]
struct Arguments {
    /// Readings of each case.
    #[arg(long, default_value = "7")]
    rounds: NonZeroU32,
    /// Decisions of each reading.
    #[arg(long, default_value = "200000")]
    decisions: NonZeroU32,
    /// Print one JSON object; the table goes to standard error.
    #[arg(long)]
    json: bool,
    /// Only this case; may be repeated.
    #[arg(long = "case", value_name = "NAME", value_parser = PossibleValuesParser::new(Case::NAMES))]
    cases: Vec<String>,
    /// Tollgate; default: the one built beside this program.
    #[arg(long, value_name = "PATH")]
    server_bin: Option<PathBuf>,
    /// Threads of the node that serve.
    #[arg(long, default_value = "1")]
    workers: NonZeroUsize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let report = tokio::select! {
        report = measure(&arguments) => report?,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
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
    let mut report = Report::new(Machine::read(), arguments.rounds.get(), arguments.decisions.get());
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("tollgate.yaml");
    fs::write(&config, configuration(arguments.workers))?;
    let built = std::env::current_exe().context("the path of this program")?;
    let binary = arguments.server_bin.clone();
    let binary = binary.unwrap_or_else(|| built.with_file_name("tollgate"));
    let node = node::start(&binary, &config)?;
    let wanted = |name: &str| arguments.cases.is_empty() || arguments.cases.iter().any(|c| c == name);
    let mut loads = Vec::new();
    for case in Case::ALL.into_iter().filter(|case| wanted(case.name())) {
        loads.push((case, Load::connect(case, node.address()).await?));
    }
    for (_, load) in &loads {
        load.run(u64::from(arguments.decisions.get()) / 10).await?;
    }
    for _ in 0..arguments.rounds.get() {
        for (case, load) in &loads {
            let reading = read(load, &node, u64::from(arguments.decisions.get())).await?;
            report.add(*case, reading);
        }
    }
    Ok(report)
}

async fn read(load: &Load, node: &ServerProcess, decisions: u64) -> anyhow::Result<Reading> {
    let both = || anyhow::Ok((cpu_time(std::process::id())?, cpu_time(node.pid())?));
    let (client, server) = both()?;
    let stopwatch = Stopwatch::start();
    let answered = load.run(decisions).await?;
    let passed = stopwatch.passed();
    let (client_after, server_after) = both()?;
    ensure!(answered >= decisions, "{answered} of {decisions} decisions");
    let each = |after: Duration, before: Duration| {
        after.saturating_sub(before).as_secs_f64() * 1e6 / answered as f64
    };
    Ok(Reading {
        decisions_per_second: answered as f64 / passed.as_secs_f64(),
        client_cpu_us: each(client_after, client),
        server_cpu_us: each(server_after, server),
    })
}

fn configuration(workers: NonZeroUsize) -> String {
    format!(
        "node: {{workers: {workers}}}\n\
         listeners:\n  \
           decide: {{address: \"127.0.0.1:0\"}}\n  \
           http: {{address: \"127.0.0.1:0\"}}\n  \
           admin: {{address: \"127.0.0.1:0\"}}\n\
         limits: {{{limit}: {{by: [client], limit: 1000000000, window: 365d}}}}\n\
         telemetry: {{log_format: json}}\n",
        limit = cases::LIMIT
    )
}
