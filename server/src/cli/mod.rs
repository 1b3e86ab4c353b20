//! The command line: words to actions. Results go to standard output, words about them to standard
//! error; `exit.rs` has every exit code, `failure.rs` what is said with a bad one, `output/` every
//! form of a result, `reach/` the way to a node, `consent.rs` what a change needs.

mod admin;
mod check;
mod cluster;
mod completion;
mod consent;
mod counters;
mod environment;
mod exit;
mod explain;
mod failure;
mod length;
mod limits;
mod man;
mod output;
mod reach;
mod status;
mod variables;
mod version;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _, Parser, Subcommand};

use self::exit::Cause;
pub use self::exit::Exit;
pub use self::failure::Failure;
use self::failure::{Ended, next};
use self::output::{Output, clean};
use crate::access::TokensFileError;
use crate::config::{Config, schema};
use crate::log;
use crate::node::{self, Greeting};
use crate::openapi;
use crate::reload::{self, Loaded};
use crate::tls::MaterialError;

const ABOUT_EXAMPLES: &str = "\
Without a command, tollgate starts on embedded defaults: one demo limit, nothing to configure.

Started as `ratelimit` without arguments, it runs `tollgate serve`.

Examples:
  tollgate                                start and print what to try
  tollgate check tollgate.yaml limits/    say all that is wrong, as FILE:LINE:COLUMN
  tollgate serve --config tollgate.yaml   run a node
  tollgate serve                          run one by the variables of envoyproxy/ratelimit
  tollgate schema > tollgate.schema.json  let an editor complete the file
  tollgate status                         ask the running node how it is
  tollgate counters find --over           who is being denied right now?
  tollgate explain --domain d --entry user=alice    would this pass, and why?";

const SERVE_HELP: &str = "\
Examples:
  tollgate serve --config tollgate.yaml   by a file; edits to it are taken over as they are saved
  tollgate serve --config cluster.yaml --node b    as member `b` of the cluster that the file names
  tollgate serve                          by the variables of envoyproxy/ratelimit";

const CHECK_HELP: &str = "\
Examples:
  tollgate check tollgate.yaml            a configuration, with the files that it names
  tollgate check limits/ other.yaml       rate-limit files, each by itself or a folder as one set
  tollgate check tollgate.yaml -o json | jq '.files[].issues[]'
  tollgate check --env                    the variables of envoyproxy/ratelimit";

const SCHEMA_HELP: &str = "\
Examples:
  tollgate schema > tollgate.schema.json";

const OPENAPI_HELP: &str = "\
Examples:
  tollgate openapi > openapi.yaml";

/// What stands under the help of `tollgate` itself.
fn after_help() -> String {
    let mut text = format!("{ABOUT_EXAMPLES}\n\nExit codes:");
    for exit in Exit::ALL {
        text.push_str(&format!("\n  {:<4}{}", exit.code(), exit.meaning()));
    }
    text
}

/// Decides, for every request that reaches an API: has its caller any quota left?
#[derive(Debug, Parser)]
#[command(name = "tollgate", version, after_help = after_help())]
#[command(args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    addresses: AddressArgs,
}

/// Where the embedded defaults listen; a file has its own `listeners` section.
#[derive(Debug, Args)]
struct AddressArgs {
    /// gRPC address of a start without a command [env: TOLLGATE_DECIDE_ADDRESS]
    #[arg(long, value_name = "ADDRESS")]
    decide_address: Option<SocketAddr>,
    /// HTTP address of a start without a command [env: TOLLGATE_HTTP_ADDRESS]
    #[arg(long, value_name = "ADDRESS")]
    http_address: Option<SocketAddr>,
    /// Admin address of a start without a command [env: TOLLGATE_ADMIN_ADDRESS]
    #[arg(long, value_name = "ADDRESS")]
    admin_address: Option<SocketAddr>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node until SIGINT or SIGTERM, then drain
    #[command(after_help = SERVE_HELP)]
    Serve {
        /// The configuration (tollgate.yaml), a regular file; `docs/config.example.yaml` shows every
        /// key. Without it, the variables of envoyproxy/ratelimit decide; `tollgate check --env`
        /// shows them
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Which member of `cluster.members` this node is [env: TOLLGATE_NODE]
        #[arg(long, value_name = "NAME", requires = "config")]
        node: Option<String>,
    },
    /// Check tollgate.yaml and rate-limit files: every error at once, as FILE:LINE:COLUMN: KEY: WHY
    #[command(after_help = CHECK_HELP)]
    Check {
        /// Files to check; a folder stands for the rate-limit files in it
        #[arg(required_unless_present = "env", value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Show every variable of envoyproxy/ratelimit, what it does here, and what is wrong
        #[arg(long, conflicts_with = "files")]
        env: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Print the JSON Schema of tollgate.yaml
    #[command(after_help = SCHEMA_HELP)]
    Schema,
    /// Print the OpenAPI document of what a node serves over HTTP
    #[command(after_help = OPENAPI_HELP)]
    Openapi,
    /// Show the limits of the node on this machine
    Limits(limits::LimitsArgs),
    /// Find, show and reset live counters of the node on this machine
    Counters(counters::CountersArgs),
    /// Say what a request would be told and why, spending nothing
    Explain(explain::ExplainArgs),
    /// Show the state of the node on this machine
    Status(status::StatusArgs),
    /// Show the cluster that the node of this machine is a member of
    Cluster(cluster::ClusterArgs),
    /// Make and revoke tokens, and say who one is taken for
    Admin(admin::AdminArgs),
    /// Print what bash, zsh, fish, PowerShell or elvish completes command lines by
    Completion(completion::CompletionArgs),
    /// Print a page of the manual, or write all of them
    Man(man::ManArgs),
    /// Print what this binary is
    Version(version::VersionArgs),
}

impl Cli {
    /// What the command line says; ends the process where it is wrong or asks for help.
    pub fn from_process() -> Self {
        let mut arguments = std::env::args_os();
        let own = arguments.next().unwrap_or_default();
        if arguments.next().is_none() && is_reference(Path::new(&own)) {
            let command = Some(Command::Serve { config: None, node: None });
            let addresses =
                AddressArgs { decide_address: None, http_address: None, admin_address: None };
            return Self { command, addresses };
        }
        Self::try_parse().unwrap_or_else(|error| wrong_call(&error))
    }
}

/// Ends the process of a call that is not understood, or asks for help.
fn wrong_call(error: &clap::Error) -> ! {
    // Where standard error is closed, the exit code has to do.
    drop(error.print());
    if error.use_stderr() {
        let words = std::env::args_os().skip(1);
        output::words(&format!("next: {} --help", command_of(&mut Cli::command(), words)));
    }
    std::process::exit(error.exit_code())
}

/// The command that a call is for, as far as its words name one.
fn command_of(root: &mut clap::Command, words: impl Iterator<Item = OsString>) -> String {
    root.build();
    let (mut command, mut text) = (&*root, "tollgate".to_owned());
    for word in words {
        if let Some(found) = command.find_subcommand(&word) {
            text.push_str(&format!(" {}", found.get_name()));
            command = found;
        }
    }
    text
}

/// Whether this process was started as envoyproxy/ratelimit is, whose deployments call a binary of
/// that name without arguments: a link to this one serves by the environment.
fn is_reference(own: &Path) -> bool {
    own.file_name().is_some_and(|name| name == "ratelimit")
}

/// Tells on standard error what went wrong, and what to try.
pub fn tell(failure: &Failure) {
    output::words(&failure.to_string());
}

/// Does what the command line says.
///
/// # Errors
/// What went wrong, for a person.
pub fn run(cli: Cli) -> Result<Exit, Failure> {
    match cli.command {
        None => bare(&cli.addresses),
        Some(Command::Serve { config: Some(config), node }) => serve(&config, node),
        Some(Command::Serve { config: None, .. }) => environment::serve(),
        Some(Command::Check { env: true, output, .. }) => environment::check(output),
        Some(Command::Check { files, output, .. }) => check::run(&files, output),
        Some(Command::Schema) => {
            output::result(&schema())?;
            Ok(Exit::Done)
        }
        Some(Command::Openapi) => openapi(),
        Some(Command::Limits(limits)) => limits.run(),
        Some(Command::Counters(counters)) => counters.run(),
        Some(Command::Explain(explain)) => explain.run(),
        Some(Command::Status(status)) => status.run(),
        Some(Command::Cluster(cluster)) => cluster.run(),
        Some(Command::Admin(admin)) => admin.run(),
        Some(Command::Completion(completion)) => completion.run(),
        Some(Command::Man(man)) => man.run(),
        Some(Command::Version(version)) => version.run(),
    }
}

fn openapi() -> Ended {
    let text = openapi::yaml();
    let text = text.map_err(|error| Failure::new(Cause::Other, error.to_string(), next::STATUS))?;
    output::result(&text)?;
    Ok(Exit::Done)
}

fn bare(addresses: &AddressArgs) -> Ended {
    let mut config = Config::embedded();
    let listeners = &mut config.listeners;
    for (listener, flag, variable) in [
        (&mut listeners.decide, addresses.decide_address, "TOLLGATE_DECIDE_ADDRESS"),
        (&mut listeners.http, addresses.http_address, "TOLLGATE_HTTP_ADDRESS"),
        (&mut listeners.admin, addresses.admin_address, "TOLLGATE_ADMIN_ADDRESS"),
    ] {
        match variables::address(flag, variable, |name| std::env::var_os(name)) {
            Ok(address) => *listener = address.unwrap_or(*listener),
            Err(message) => return Err(Failure::new(Cause::Usage, message, "tollgate --help")),
        }
    }
    log::start(&config.telemetry);
    let loaded = Loaded::embedded(config);
    let loaded = loaded.map_err(|report| Failure::new(Cause::Other, report, next::STATUS))?;
    served(node::run(loaded, Greeting::Banner), next::STATUS)
}

/// What to try where a node does not know which member it is.
const SERVE_NEXT: &str = "tollgate serve --config FILE --node NAME";

fn serve(file: &Path, node: Option<String>) -> Ended {
    let again = clean(&format!("tollgate check {}", file.display()));
    let loaded = match reload::load(file) {
        Ok(loaded) => loaded,
        Err(report) => {
            output::words(&report.to_string());
            let what = "nothing was started: the configuration is wrong";
            return Err(Failure::new(Cause::Configuration, what, again));
        }
    };
    let node = node.or_else(|| variables::text("TOLLGATE_NODE", |name| std::env::var_os(name)));
    let loaded = match loaded.as_member(node) {
        Ok(loaded) => loaded,
        Err(error) => return Err(Failure::new(Cause::Usage, error.to_string(), SERVE_NEXT)),
    };
    log::start(&loaded.config.telemetry);
    environment::warn_of_overridden();
    served(node::run(loaded, Greeting::Quiet), again)
}

/// How a node ended that was to serve; `check` says what is wrong with its configuration.
fn served(ended: anyhow::Result<()>, check: impl Into<std::borrow::Cow<'static, str>>) -> Ended {
    let error = match ended {
        Ok(()) => return Ok(Exit::Done),
        Err(error) => error,
    };
    // `check` does not read the tokens.
    let tokens = error.chain().find_map(|cause| cause.downcast_ref::<TokensFileError>());
    let look = tokens.map(|tokens| format!("ls -l {}", clean(&tokens.path().to_string_lossy())));
    match (error, look) {
        (error, Some(look)) => Err(Failure::because(Cause::Configuration, &error, look)),
        // A certificate is a part of the configuration.
        (error, None) if error.chain().any(|cause| cause.is::<MaterialError>()) => {
            Err(Failure::because(Cause::Configuration, &error, check))
        }
        (error, None) => Err(Failure::because(Cause::Other, &error, next::STATUS)),
    }
}

#[cfg(test)]
mod shapes_tests;
#[cfg(test)]
mod tree_tests;

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn flags_of_the_bare_start_are_refused_with_a_command() {
        let flags = ["tollgate", "--decide-address", "127.0.0.1:0"];
        assert!(Cli::try_parse_from(flags).is_ok());
        for command in [&["schema"][..], &["serve", "-c", "a.yaml"], &["limits", "list"]] {
            let error = Cli::try_parse_from(flags.iter().chain(command)).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{error}");
        }
    }

    #[test]
    fn a_wrong_call_is_sent_to_the_help_of_its_command() {
        for (call, expected) in [
            (&["status", "--no"][..], "tollgate status"),
            (&["admin", "token", "create"], "tollgate admin token create"),
            (&["-o", "json", "admin", "whoami", "x"], "tollgate admin whoami"),
            (&["nothing"], "tollgate"),
            (&[], "tollgate"),
        ] {
            let words = call.iter().map(OsString::from);
            assert_eq!(command_of(&mut Cli::command(), words), expected);
        }
    }

    #[test]
    fn the_references_name_is_known_in_any_folder_and_no_other_is() {
        for (own, expected) in [
            ("/bin/ratelimit", true),
            ("ratelimit", true),
            ("/bin/tollgate", false),
            ("/ratelimit/tollgate", false),
            ("ratelimit2", false),
            ("", false),
        ] {
            assert_eq!(is_reference(Path::new(own)), expected, "{own}");
        }
    }

    #[test]
    fn no_variable_is_read_while_the_command_line_is() {
        fn variables(command: &clap::Command) -> Vec<String> {
            let own = command.get_arguments().filter(|argument| argument.get_env().is_some());
            let own = own.map(ToString::to_string);
            own.chain(command.get_subcommands().flat_map(variables)).collect()
        }
        assert_eq!(variables(&Cli::command()), [""; 0]);
    }

    #[test]
    fn the_help_begins_with_what_tollgate_does() {
        let help = Cli::command().render_help().to_string();
        assert!(help.starts_with("Decides, for every request"), "{help}");
    }
}
