//! `tollgate limits`: what a running node is configured with.

use clap::{Args, Subcommand};

use super::exit::{Cause, Exit};
use super::failure::{Ended, Failure, next};
use super::output::{Style, Table, Tone, cell, clean, span};
use super::reach::Reach;
use crate::admin::encode;
use crate::admin::view::{LimitRow, Limits};

const AFTER_HELP: &str = "\
Examples:
  tollgate limits list                      every limit of the node on this machine
  tollgate limits show edge.path_/login     one limit in full";

const LIST_HELP: &str = "\
Examples:
  tollgate limits list
  tollgate limits list --domain edge        those of one domain
  tollgate limits list -o wide              with burst, penalty and the counters' owner
  tollgate limits list -o json | jq '.limits[] | select(.shadow)'
  tollgate limits list -o name | xargs -n 1 tollgate limits show";

const SHOW_HELP: &str = "\
Examples:
  tollgate limits show edge.path_/login     PATH is as `tollgate limits list -o name` prints it
  tollgate limits show edge.path_/login -o yaml";

/// Arguments of `tollgate limits`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct LimitsArgs {
    #[command(subcommand)]
    command: LimitsCommand,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Subcommand)]
enum LimitsCommand {
    /// List the limits that decide now
    #[command(after_help = LIST_HELP)]
    List {
        /// Only those of this domain
        #[arg(long)]
        domain: Option<String>,
    },
    /// Show one limit in full
    #[command(after_help = SHOW_HELP)]
    Show {
        /// Where it stands: domain.key_value.key, as `limits list` prints it
        path: String,
    },
}

impl LimitsArgs {
    /// Does what the command line says.
    pub(super) fn run(&self) -> Ended {
        match &self.command {
            LimitsCommand::List { domain } => {
                let target =
                    format!("/v1/limits?domain={}", encode(domain.as_deref().unwrap_or_default()));
                let body = self.reach.get(&target)?;
                let table = |limits: &Limits, style: &Style| list(limits, domain.as_deref(), style);
                self.reach.print(&body, names, table)?;
            }
            LimitsCommand::Show { path } => {
                let target = format!("/v1/limits?path={}", encode(path));
                let body = self.reach.get(&target)?;
                if body.read::<Limits>()?.limits.is_empty() {
                    let what = format!("no limit at {}", clean(path));
                    return Err(Failure::new(Cause::Other, what, next::LIMITS));
                }
                self.reach.print(&body, names, |limits: &Limits, style| {
                    let shown = limits.limits.iter().map(|limit| show(limit, style));
                    shown.collect::<Vec<_>>().join("\n")
                })?;
            }
        }
        Ok(Exit::Done)
    }
}

fn names(limits: &Limits) -> Vec<String> {
    limits.limits.iter().map(|limit| limit.path.clone()).collect()
}

fn list(limits: &Limits, domain: Option<&str>, style: &Style) -> String {
    let mut table = Table::new(&[
        "=PATH",
        ">LIMIT",
        "PER",
        "ALGORITHM",
        "NAME",
        "MODE",
        "+UNIT",
        "+>BURST",
        "+PENALTY",
        "+COUNTS IN",
    ]);
    for limit in &limits.limits {
        table.row([
            limit.path.clone(),
            limit.limit.map_or_else(|| "unlimited".to_owned(), |number| number.to_string()),
            cell(limit.window_seconds.map(span)),
            cell(limit.algorithm.clone()),
            cell(limit.name.clone()),
            mode(limit),
            cell(limit.unit.clone()),
            cell(limit.burst),
            cell(limit.penalty_max_seconds.map(span)),
            cell(limit.named.clone()),
        ]);
    }
    let empty = match domain.filter(|domain| !domain.is_empty()) {
        Some(domain) => format!(
            "no limits in domain `{}`; `tollgate limits list` shows those of all",
            clean(domain)
        ),
        None => {
            "no limits: every request passes; `tollgate serve --config FILE` brings some".into()
        }
    };
    table.text(style, &empty)
}

fn show(limit: &LimitRow, style: &Style) -> String {
    let mut text = format!("{}\n", style.tone(Tone::Heading, clean(&limit.path)));
    let mut line = |name: &str, value: String| {
        text.push_str(&format!("  {name:<12}{}\n", clean(&value)));
    };
    line("domain", limit.domain.clone());
    line("name", cell(limit.name.clone()));
    match limit.limit {
        None => line("limit", "unlimited: everything passes, uncounted".to_owned()),
        Some(number) => {
            let window = limit.window_seconds.map(span).unwrap_or_default();
            line("limit", format!("{number} per {window}"));
            line("on the wire", format!("a {}", limit.unit.as_deref().unwrap_or("-")));
            line("algorithm", cell(limit.algorithm.clone()));
            // Only there is it a number of its own.
            if limit.algorithm.as_deref() == Some("token_bucket") {
                line("burst", cell(limit.burst));
            }
            line("penalty", limit.penalty_max_seconds.map_or("none".to_owned(), span));
        }
    }
    line("mode", mode(limit));
    if let Some(named) = &limit.named {
        line("counts in", format!("the named limit `{named}`"));
    }
    text
}

fn mode(limit: &LimitRow) -> String {
    match (limit.shadow, limit.quota_mode) {
        (false, false) => "enforced",
        (true, false) => "shadow",
        (false, true) => "quota",
        (true, true) => "shadow, quota",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(algorithm: &str) -> LimitRow {
        LimitRow {
            domain: "d".into(),
            path: "d.a".into(),
            name: None,
            algorithm: Some(algorithm.into()),
            limit: Some(5),
            window_seconds: Some(60.0),
            unit: Some("minute".into()),
            burst: Some(5),
            penalty_max_seconds: None,
            shadow: false,
            quota_mode: false,
            unlimited: false,
            named: None,
        }
    }

    #[test]
    fn an_empty_list_says_where_nothing_is() {
        let none = Limits { limits: Vec::new() };
        assert!(
            list(&none, None, &Style::default()).starts_with("no limits: every request passes")
        );
        let text = list(&none, Some("nope"), &Style::default());
        assert!(text.starts_with("no limits in domain `nope`; "), "{text}");
        assert!(!text.contains("passes"), "{text}");
    }

    #[test]
    fn only_a_token_bucket_has_a_burst_of_its_own() {
        assert!(show(&row("token_bucket"), &Style::default()).contains("burst"));
        for algorithm in ["fixed_window", "sliding_window"] {
            assert!(!show(&row(algorithm), &Style::default()).contains("burst"));
        }
    }
}
