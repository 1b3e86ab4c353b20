//! The command line: words to actions. Results go to standard output, words about them to standard
//! error; 0 is success, 1 a failure, 2 a wrong call.

mod check;
mod client;
mod counters;
mod environment;
mod explain;
mod limits;
mod status;
mod table;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, schema};
use crate::log;
use crate::node::{self, Greeting};
use crate::reload::{self, Loaded};

const AFTER_HELP: &str = "\
Without a command, tollgate starts on embedded defaults: one demo limit, nothing to configure.

Examples:
  tollgate                                start and print what to try
  tollgate check tollgate.yaml limits/    say all that is wrong, as FILE:LINE:COLUMN
  tollgate serve --config tollgate.yaml   run a node
  tollgate serve                          run one by the variables of envoyproxy/ratelimit
  tollgate schema > tollgate.schema.json  let an editor complete the file
  tollgate status                         ask the running node how it is
  tollgate counters find --over           who is being denied right now?
  tollgate explain --domain d --entry user=alice    would this pass, and why?";

/// Decides, for every request that reaches an API: has its caller any quota left?
#[derive(Debug, Parser)]
#[command(name = "tollgate", version, about, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    addresses: AddressArgs,
}

/// Where the embedded defaults listen; a file has its own `listeners` section.
#[derive(Debug, Args)]
struct AddressArgs {
    /// gRPC address of a start without a command
    #[arg(long, value_name = "ADDRESS", env = "TOLLGATE_DECIDE_ADDRESS")]
    decide_address: Option<SocketAddr>,
    /// HTTP address of a start without a command
    #[arg(long, value_name = "ADDRESS", env = "TOLLGATE_HTTP_ADDRESS")]
    http_address: Option<SocketAddr>,
    /// Admin address of a start without a command
    #[arg(long, value_name = "ADDRESS", env = "TOLLGATE_ADMIN_ADDRESS")]
    admin_address: Option<SocketAddr>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node until SIGINT or SIGTERM, then drain
    Serve {
        /// The configuration (tollgate.yaml); `docs/config.example.yaml` shows every key. Without
        /// it, the variables of envoyproxy/ratelimit decide; `tollgate check --env` shows them
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Check tollgate.yaml and rate-limit files: every error at once, as FILE:LINE:COLUMN: KEY: WHY
    Check {
        /// Files to check; a folder stands for the rate-limit files in it
        #[arg(required_unless_present = "env", value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Show every variable of envoyproxy/ratelimit, what it does here, and what is wrong
        #[arg(long, conflicts_with = "files")]
        env: bool,
    },
    /// Print the JSON Schema of tollgate.yaml
    Schema,
    /// Show the limits of the node on this machine
    Limits(limits::LimitsArgs),
    /// Find, show and reset live counters of the node on this machine
    Counters(counters::CountersArgs),
    /// Say what a request would be told and why, spending nothing
    Explain(explain::ExplainArgs),
    /// Show the state of the node on this machine
    Status(status::StatusArgs),
}

/// Does what the command line says.
///
/// # Errors
/// What went wrong, for a person.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        None => bare(&cli.addresses),
        Some(Command::Serve { config: Some(config) }) => serve(&config),
        Some(Command::Serve { config: None }) => environment::serve(),
        Some(Command::Check { env: true, .. }) => Ok(environment::check()),
        Some(Command::Check { files, .. }) => Ok(check::run(&files)),
        Some(Command::Schema) => {
            print!("{}", schema());
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Limits(limits)) => limits.run(),
        Some(Command::Counters(counters)) => counters.run(),
        Some(Command::Explain(explain)) => explain.run(),
        Some(Command::Status(status)) => status.run(),
    }
}

fn bare(addresses: &AddressArgs) -> anyhow::Result<ExitCode> {
    let mut config = Config::embedded();
    let listeners = &mut config.listeners;
    listeners.decide = addresses.decide_address.unwrap_or(listeners.decide);
    listeners.http = addresses.http_address.unwrap_or(listeners.http);
    listeners.admin = addresses.admin_address.unwrap_or(listeners.admin);
    log::start(&config.telemetry);
    node::run(Loaded::embedded(config)?, Greeting::Banner)?;
    Ok(ExitCode::SUCCESS)
}

fn serve(file: &std::path::Path) -> anyhow::Result<ExitCode> {
    let loaded = match reload::load(file) {
        Ok(loaded) => loaded,
        Err(report) => {
            eprintln!("{report}");
            eprintln!("nothing was started; `tollgate check {}` repeats this", file.display());
            return Ok(ExitCode::FAILURE);
        }
    };
    log::start(&loaded.config.telemetry);
    environment::warn_of_overridden();
    node::run(loaded, Greeting::Quiet)?;
    Ok(ExitCode::SUCCESS)
}
