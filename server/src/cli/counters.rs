//! `tollgate counters`: what a running node counts, and forgetting one of it.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

use super::client::Reach;
use super::table::{Table, cell, clean, span};
use crate::admin::view::{CounterRow, Counters, Reset};
use crate::admin::{encode, parse_key};

const AFTER_HELP: &str = "\
Examples:
  tollgate counters find alice              counters whose label holds `alice`
  tollgate counters find --over             those with nothing left: who is being denied
  tollgate counters top --by fill -n 5      the five nearest to their limit
  tollgate counters show KEY                one counter; KEY is as `find` prints it
  tollgate counters reset KEY --dry-run     what a reset would forget
  tollgate counters reset KEY --yes         forget it: its client starts anew";

/// Arguments of `tollgate counters`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct CountersArgs {
    #[command(subcommand)]
    command: CountersCommand,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Subcommand)]
enum CountersCommand {
    /// Find counters by what they stand for
    Find {
        /// A part of the label: `alice`, or `user=alice`
        text: Option<String>,
        /// Only those of this domain
        #[arg(long)]
        domain: Option<String>,
        /// Only those with nothing left
        #[arg(long)]
        over: bool,
        /// Rows at most
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// The key after which to go on, as the page before printed it
        #[arg(long, value_name = "KEY", value_parser = key)]
        after: Option<String>,
    },
    /// Show one counter
    Show {
        /// Its key: 32 hexadecimal digits
        #[arg(value_parser = key)]
        key: String,
    },
    /// Forget one counter, so that its client starts anew
    #[command(group = clap::ArgGroup::new("how").required(true).args(["yes", "dry_run"]))]
    Reset {
        /// Its key: 32 hexadecimal digits
        #[arg(value_parser = key)]
        key: String,
        /// Really do it
        #[arg(long)]
        yes: bool,
        /// Only print what would be forgotten
        #[arg(long)]
        dry_run: bool,
    },
    /// List the counters with the most hits, or nearest to their limit
    Top {
        /// What to order by
        #[arg(long, default_value = "hits")]
        by: By,
        /// Rows at most
        #[arg(short, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        n: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    /// Hits that count now
    Hits,
    /// The part of the limit that is spent
    Fill,
}

impl CountersArgs {
    /// Does what the command line says.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let reach = &self.reach;
        match &self.command {
            CountersCommand::Find { text, domain, over, limit, after } => {
                let part = |text: &Option<String>| encode(text.as_deref().unwrap_or_default());
                let target = format!(
                    "/v1/counters?contains={}&domain={}&over={over}&limit={limit}&after={}",
                    part(text),
                    part(domain),
                    part(after)
                );
                reach.print(&reach.get(&target)?, |page: Counters| list(&page))?;
            }
            CountersCommand::Show { key } => {
                let body = reach.get(&format!("/v1/counters/{key}"))?;
                reach.print(&body, |row: CounterRow| show(&row))?;
            }
            CountersCommand::Reset { key, dry_run: true, .. } => {
                let body = reach.delete(&format!("/v1/counters/{key}?dry_run=true"))?;
                reach.print(&body, |Reset { reset, .. }| {
                    format!(
                        "would forget (do it with --yes instead of --dry-run):\n{}",
                        show(&reset)
                    )
                })?;
            }
            CountersCommand::Reset { key, .. } => {
                let body = reach.delete(&format!("/v1/counters/{key}"))?;
                reach
                    .print(&body, |Reset { reset, .. }| format!("forgotten:\n{}", show(&reset)))?;
            }
            CountersCommand::Top { by, n } => {
                let by = match by {
                    By::Hits => "hits",
                    By::Fill => "fill",
                };
                let body = reach.get(&format!("/v1/counters/top?by={by}&n={n}"))?;
                reach.print(&body, |page: Counters| list(&page))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Why a counter stands there without a limit.
const NO_LIMIT: &str = "no configured limit leads to this counter: removed, changed, the caller's \
                        own, or its label was cut";

fn key(text: &str) -> Result<String, String> {
    match parse_key(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err("a key has 32 hexadecimal digits; `tollgate counters find` prints them".into()),
    }
}

fn list(page: &Counters) -> String {
    let mut table = Table::new(&["KEY", "LABEL", ">LIMIT", ">HITS", ">LEFT", ">RESET", ">FILL"]);
    for row in &page.counters {
        table.row([
            row.key.clone(),
            row.label.clone(),
            cell(row.limit.as_ref().and_then(|limit| limit.limit)),
            cell(row.hits),
            cell(row.remaining),
            cell(row.reset_after_seconds.map(span)),
            format!("{}%", row.fill_percent),
        ]);
    }
    let mut text = table.text("no counter fits");
    if page.counters.iter().any(|row| row.limit.is_none()) {
        text.push_str(&format!("a row without LIMIT: {NO_LIMIT}\n"));
    }
    if let Some(next) = &page.next {
        text.push_str(&format!("there are more: go on with --after {next}\n"));
    }
    text
}

fn show(row: &CounterRow) -> String {
    let mut text = format!("{}\n", row.key);
    let mut line = |name: &str, value: String| {
        text.push_str(&format!("  {name:<8}{}\n", clean(&value)));
    };
    line("label", row.label.clone());
    line("domain", cell(row.domain.clone()));
    match &row.limit {
        Some(limit) => {
            let window = limit.window_seconds.map(span).unwrap_or_default();
            line("limit", format!("{}, {} per {window}", limit.path, cell(limit.limit)));
        }
        None => line("limit", NO_LIMIT.to_owned()),
    }
    line("hits", cell(row.hits));
    line("left", cell(row.remaining));
    line(
        "reset",
        row.reset_after_seconds.map_or("-".to_owned(), |after| format!("in {}", span(after))),
    );
    line("fill", format!("{}%", row.fill_percent));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_without_a_limit_says_what_may_be_the_reason() {
        let row = CounterRow {
            key: "0".repeat(32),
            label: "d a=b".into(),
            domain: Some("d".into()),
            entries: None,
            limit: None,
            hits: None,
            remaining: None,
            reset_after_seconds: None,
            fill_percent: 10,
        };
        assert!(show(&row).contains("the caller's own, or its label was cut"));
        let page = |counters| Counters { counters, next: None };
        assert!(list(&page(vec![row])).contains("the caller's own, or its label was cut"));
        assert_eq!(list(&page(Vec::new())), "no counter fits\n");
    }
}
