//! `tollgate counters`: what a running node counts, and forgetting one of it.

use clap::{Args, Subcommand, ValueEnum};

use super::consent::{Consent, Step};
use super::exit::Exit;
use super::failure::{Ended, Failure};
use super::output::{Cell, Style, Table, Tone, cell, clean, span};
use super::reach::{Reach, Watch};
use crate::admin::view::{CounterRow, Counters, Reset};
use crate::admin::{encode, parse_key};

const AFTER_HELP: &str = "\
Examples:
  tollgate counters find alice              counters whose label holds `alice`
  tollgate counters find --over             those with nothing left: who is being denied
  tollgate counters top --by fill -n 5      the five nearest to their limit
  tollgate counters show KEY                one counter; KEY is as `find` prints it
  tollgate counters reset KEY --dry-run     what a reset would forget";

const FIND_HELP: &str = "\
Examples:
  tollgate counters find user=alice         by a part of the label
  tollgate counters find --domain edge --over
  tollgate counters find --over --watch     who is being denied, again and again
  tollgate counters find alice -o name | xargs -n 1 tollgate counters reset --yes";

const SHOW_HELP: &str = "\
Examples:
  tollgate counters show KEY                KEY is as `tollgate counters find -o name` prints it
  tollgate counters show KEY -o json | jq .remaining";

const RESET_HELP: &str = "\
Examples:
  tollgate counters reset KEY --dry-run     what it would forget
  tollgate counters reset KEY               ask first, then forget it
  tollgate counters reset KEY --yes         forget it: its client starts anew";

const TOP_HELP: &str = "\
Examples:
  tollgate counters top                     the busiest
  tollgate counters top --by fill -n 5      the five nearest to their limit
  tollgate counters top --watch=1s          again and again";

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
    #[command(after_help = FIND_HELP)]
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
        #[command(flatten)]
        watch: Watch,
    },
    /// Show one counter
    #[command(after_help = SHOW_HELP)]
    Show {
        /// Its key: 32 hexadecimal digits
        #[arg(value_parser = key)]
        key: String,
    },
    /// Forget one counter, so that its client starts anew
    #[command(after_help = RESET_HELP)]
    Reset {
        /// Its key: 32 hexadecimal digits
        #[arg(value_parser = key)]
        key: String,
        #[command(flatten)]
        consent: Consent,
    },
    /// List the counters with the most hits, or nearest to their limit
    #[command(after_help = TOP_HELP)]
    Top {
        /// What to order by
        #[arg(long, default_value = "hits")]
        by: By,
        /// Rows at most
        #[arg(short, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        n: u32,
        #[command(flatten)]
        watch: Watch,
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
    pub(super) fn run(&self) -> Ended {
        let reach = &self.reach;
        match &self.command {
            CountersCommand::Find { text, domain, over, limit, after, watch } => {
                let part = |text: &Option<String>| encode(text.as_deref().unwrap_or_default());
                let target = format!(
                    "/v1/counters?contains={}&domain={}&over={over}&limit={limit}&after={}",
                    part(text),
                    part(domain),
                    part(after)
                );
                reach.show(*watch, &target, names, list)?;
            }
            CountersCommand::Show { key } => {
                let body = reach.get(&format!("/v1/counters/{key}"))?;
                reach.print(&body, name, show)?;
            }
            CountersCommand::Reset { key, consent } => self.reset(key, *consent)?,
            CountersCommand::Top { by, n, watch } => {
                let by = match by {
                    By::Hits => "hits",
                    By::Fill => "fill",
                };
                let target = format!("/v1/counters/top?by={by}&n={n}");
                reach.show(*watch, &target, names, list)?;
            }
        }
        Ok(Exit::Done)
    }

    fn reset(&self, key: &str, consent: Consent) -> Result<(), Failure> {
        let (reach, target) = (&self.reach, format!("/v1/counters/{key}"));
        let change = format!("forgets what the counter {key} has counted");
        let again = format!("tollgate counters reset {key}");
        let dry_run = consent.step(&change, key, &again)? == Step::Show;
        let target = format!("{target}?dry_run={dry_run}");
        let names = |Reset { reset, .. }: &Reset| name(reset);
        reach.print(&reach.delete(&target)?, names, reset_text)
    }
}

fn name(row: &CounterRow) -> Vec<String> {
    vec![row.key.clone()]
}

fn names(page: &Counters) -> Vec<String> {
    page.counters.iter().map(|row| row.key.clone()).collect()
}

/// What a reset changes, as the audit log has it: `-` where nobody knows the hits.
fn reset_text(Reset { reset, dry_run }: &Reset, style: &Style) -> String {
    let what = if *dry_run { "would forget (--yes does it):" } else { "forgotten:" };
    format!("{what}\n{}  before  {}\n  after   0\n", show(reset, style), cell(reset.hits))
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

fn list(page: &Counters, style: &Style) -> String {
    let mut table = Table::new(&[
        "=KEY", "LABEL", "+DOMAIN", "+PATH", ">LIMIT", "+>PER", ">HITS", "+>HELD", ">LEFT",
        ">RESET", ">FILL",
    ]);
    for row in &page.counters {
        let limit = row.limit.as_ref();
        let over = (row.remaining == Some(0)).then_some(Tone::Bad);
        table.row([
            Cell::from(row.key.clone()),
            row.label.clone().into(),
            cell(row.domain.clone()).into(),
            cell(limit.map(|limit| limit.path.clone())).into(),
            cell(limit.and_then(|limit| limit.limit)).into(),
            cell(limit.and_then(|limit| limit.window_seconds).map(span)).into(),
            cell(row.hits).into(),
            row.held.to_string().into(),
            Cell::toned(cell(row.remaining), over),
            cell(row.reset_after_seconds.map(span)).into(),
            Cell::toned(format!("{}%", row.fill_percent), over),
        ]);
    }
    let mut text = table.text(style, "no counter fits");
    if page.counters.iter().any(|row| row.limit.is_none()) {
        text.push_str(&format!("a row without LIMIT: {NO_LIMIT}\n"));
    }
    if let Some(next) = &page.next {
        text.push_str(&format!("there are more: go on with --after {}\n", clean(next)));
    }
    text
}

fn show(row: &CounterRow, style: &Style) -> String {
    let mut text = format!("{}\n", style.tone(Tone::Heading, clean(&row.key)));
    let mut line = |name: &str, value: String| {
        text.push_str(&format!("  {name:<8}{value}\n"));
    };
    line("label", clean(&row.label));
    line("domain", clean(&cell(row.domain.clone())));
    match &row.limit {
        Some(limit) => {
            let window = limit.window_seconds.map(span).unwrap_or_default();
            line("limit", format!("{}, {} per {window}", clean(&limit.path), cell(limit.limit)));
        }
        None => line("limit", NO_LIMIT.to_owned()),
    }
    line("hits", cell(row.hits));
    line("held", row.held.to_string());
    line(
        "left",
        match row.remaining {
            Some(0) => style.tone(Tone::Bad, 0),
            left => cell(left),
        },
    );
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
            held: 0,
            reset_after_seconds: None,
            fill_percent: 10,
        };
        assert!(show(&row, &Style::default()).contains("the caller's own, or its label was cut"));
        let page = |counters| Counters { counters, next: None };
        assert!(
            list(&page(vec![row]), &Style::default())
                .contains("the caller's own, or its label was cut")
        );
        assert_eq!(list(&page(Vec::new()), &Style::default()), "no counter fits\n");
    }
}
