//! `tollgate limits`: what a running node is configured with.

use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};

use super::client::Reach;
use super::table::{Table, cell, clean, span};
use crate::admin::encode;
use crate::admin::view::{LimitRow, Limits};

const AFTER_HELP: &str = "\
Examples:
  tollgate limits list                      every limit of the node on this machine
  tollgate limits list --domain edge        those of one domain
  tollgate limits show edge.path_/login     one limit in full; PATH is as `list` prints it
  tollgate limits list -o json | jq '.limits[] | select(.shadow)'";

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
    List {
        /// Only those of this domain
        #[arg(long)]
        domain: Option<String>,
    },
    /// Show one limit in full
    Show {
        /// Where it stands: domain.key_value.key, as `limits list` prints it
        path: String,
    },
}

impl LimitsArgs {
    /// Does what the command line says.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        match &self.command {
            LimitsCommand::List { domain } => {
                let target =
                    format!("/v1/limits?domain={}", encode(domain.as_deref().unwrap_or_default()));
                let body = self.reach.get(&target)?;
                self.reach.print(&body, |limits: Limits| list(&limits, domain.as_deref()))?;
            }
            LimitsCommand::Show { path } => {
                let target = format!("/v1/limits?path={}", encode(path));
                let body = self.reach.get(&target)?;
                if body.read::<Limits>()?.limits.is_empty() {
                    bail!("no limit at {path}; `tollgate limits list` shows those there are");
                }
                self.reach.print(&body, |limits: Limits| {
                    limits.limits.iter().map(show).collect::<Vec<_>>().join("\n")
                })?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn list(limits: &Limits, domain: Option<&str>) -> String {
    let mut table = Table::new(&["PATH", ">LIMIT", "PER", "ALGORITHM", "NAME", "MODE"]);
    for limit in &limits.limits {
        table.row([
            limit.path.clone(),
            limit.limit.map_or_else(|| "unlimited".to_owned(), |number| number.to_string()),
            cell(limit.window_seconds.map(span)),
            cell(limit.algorithm.clone()),
            cell(limit.name.clone()),
            mode(limit),
        ]);
    }
    match domain.filter(|domain| !domain.is_empty()) {
        Some(domain) => table.text(&format!(
            "no limits in domain `{}`; `tollgate limits list` shows those of all",
            clean(domain)
        )),
        None => table
            .text("no limits: every request passes; `tollgate serve --config FILE` brings some"),
    }
}

fn show(limit: &LimitRow) -> String {
    let mut text = format!("{}\n", clean(&limit.path));
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
        assert!(list(&none, None).starts_with("no limits: every request passes"));
        let text = list(&none, Some("nope"));
        assert!(text.starts_with("no limits in domain `nope`; "), "{text}");
        assert!(!text.contains("passes"), "{text}");
    }

    #[test]
    fn only_a_token_bucket_has_a_burst_of_its_own() {
        assert!(show(&row("token_bucket")).contains("burst"));
        for algorithm in ["fixed_window", "sliding_window"] {
            assert!(!show(&row(algorithm)).contains("burst"));
        }
    }
}
