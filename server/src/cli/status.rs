//! `tollgate status`: what a running node says of itself.

use std::process::ExitCode;

use clap::Args;

use super::client::Reach;
use super::table::{clean, span};
use crate::admin::view::Status;

const AFTER_HELP: &str = "\
Examples:
  tollgate status
  tollgate status -o json | jq .config.hash       compare nodes
  tollgate status --socket /run/tollgate.sock     a node with a socket of its own";

/// Arguments of `tollgate status`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    reach: Reach,
}

impl StatusArgs {
    /// Does what the command line says.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        self.reach.print(&self.reach.get("/v1/status")?, |status: Status| text(&status))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn text(status: &Status) -> String {
    let Status { config, ledger, .. } = status;
    let state = match (status.ready, status.draining) {
        (_, true) => "draining",
        (true, false) => "ready",
        (false, false) => "not ready",
    };
    let mut text = format!(
        "tollgate {} is {state}, for {} (process {})\n",
        clean(&status.version),
        span(status.uptime_seconds),
        status.pid
    );
    for listener in &status.listeners {
        let (name, address) = (clean(&listener.name), clean(&listener.address));
        text.push_str(&format!("  {name:<14}{address}  {} connections\n", listener.connections));
    }
    text.push_str(&format!(
        "config  {}: {} domains, {} limits, hash {}, since {}\n",
        clean(&config.source),
        config.domains,
        config.limits,
        clean(&config.hash),
        clean(config.loaded_at.as_deref().unwrap_or("never"))
    ));
    if let Some(failure) = &config.failure {
        let at = clean(config.failed_at.as_deref().unwrap_or("-"));
        let then = match config.loaded_at {
            Some(_) => "the older configuration goes on",
            None => "no call is answered until it is right",
        };
        text.push_str(&format!("  REFUSED at {at}, {then}:\n"));
        failure.lines().for_each(|line| text.push_str(&format!("  {}\n", clean(line))));
    }
    text.push_str(&format!(
        "ledger  {} of {} keys, {} of {} bytes; evicted {} live, {} over limit; refused {}\n",
        ledger.keys,
        ledger.keys_max,
        ledger.bytes,
        ledger.bytes_max,
        ledger.evicted,
        ledger.evicted_over_limit,
        ledger.refused
    ));
    text
}
