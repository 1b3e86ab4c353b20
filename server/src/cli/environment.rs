//! The environment on the command line: `tollgate serve` without a file, and `tollgate check --env`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::check::IssueView;
use super::exit::{Cause, Exit};
use super::failure::{Ended, Failure, next};
use super::output::{self, Answered, Output, Style, Table};
use super::served;
use crate::environment::{self, Effect, Settings, Variable};
use crate::log;
use crate::node::{self, Greeting};
use crate::reload::Loaded;

/// The variables of the environment, and what is wrong with them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checked {
    /// In the order of docs/environment.md.
    pub(super) variables: Vec<VariableView>,
    /// What is wrong.
    pub(super) issues: Vec<IssueView>,
}

/// One variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct VariableView {
    /// Its name.
    pub(super) name: String,
    /// Its value, `(set)` for a secret; absent where it is not set.
    pub(super) value: Option<String>,
    /// `honoured` or `ignored`.
    pub(super) effect: String,
    /// How, or why not.
    pub(super) how: String,
}

/// Runs a node by the variables alone.
pub(super) fn serve() -> Ended {
    let Settings { config, health, xds } = match environment::read(value) {
        Ok(settings) => settings,
        Err(report) => {
            output::words(&report.to_string());
            let what = "nothing was started: a variable is wrong";
            return Err(Failure::new(Cause::Configuration, what, next::CHECK_ENVIRONMENT));
        }
    };
    log::start(&config.telemetry);
    warn_of_ignored(&config.ratelimit_files);
    let loaded = match xds {
        Some(settings) => Loaded::xds(config, settings, health),
        None => Loaded::environment(config, health),
    };
    served(node::run(loaded, Greeting::Quiet), next::CHECK_ENVIRONMENT)
}

/// Warns of variables that do nothing here, and of folders of files that do not count.
fn warn_of_ignored(files: &[PathBuf]) {
    let ignored = environment::ignored(&value);
    if !ignored.is_empty() {
        let names = ignored.join(", ");
        tracing::warn!(event = "environment_ignored", names, "they do nothing here");
    }
    for folder in files.iter().flat_map(|folder| environment::inner_folders(folder)) {
        let folder = folder.display();
        tracing::warn!(event = "folder_ignored", %folder, "files in it do not count: move them up");
    }
}

/// Warns of variables that do nothing because a file says it all.
pub(super) fn warn_of_overridden() {
    let overridden = environment::overridden(&value);
    if !overridden.is_empty() {
        let names = overridden.join(", ");
        tracing::warn!(event = "environment_overridden", names, "the file wins");
    }
}

/// Prints every variable and what is wrong with those that are set.
///
/// # Errors
/// If something is wrong with one, or standard output takes nothing more.
pub(super) fn check(output: Output) -> Ended {
    let report = environment::read(value).err();
    let issues = report.iter().flat_map(|report| report.issues()).map(IssueView::from).collect();
    let answered = Answered::of(&Checked { variables: views(value), issues })?;
    output.print(&answered, names, text)?;
    let Some(report) = report else { return Ok(Exit::Done) };
    if output.is_for_people() {
        output::words(&report.to_string());
    }
    let what = "a variable is wrong: set it anew or unset it, and check again";
    Err(Failure::new(Cause::Configuration, what, next::CHECK_ENVIRONMENT))
}

fn views(strings: impl Fn(&str) -> Option<String>) -> Vec<VariableView> {
    let views = environment::variables().map(|variable| {
        let (effect, how) = match variable.effect {
            Effect::Honoured(how) => ("honoured", how),
            Effect::Ignored(why) => ("ignored", why),
        };
        VariableView {
            name: variable.name.to_owned(),
            value: strings(variable.name).map(|value| shown(variable, value)),
            effect: effect.to_owned(),
            how: how.to_owned(),
        }
    });
    views.collect()
}

fn shown(variable: &Variable, value: String) -> String {
    if variable.is_secret() && !value.is_empty() { "(set)".to_owned() } else { value }
}

/// The variables that are set.
fn names(checked: &Checked) -> Vec<String> {
    let set = checked.variables.iter().filter(|variable| variable.value.is_some());
    set.map(|variable| variable.name.clone()).collect()
}

fn text(checked: &Checked, style: &Style) -> String {
    let mut table = Table::new(&["=NAME", "VALUE", "HERE", "HOW, OR WHY NOT"]);
    for VariableView { name, value, effect, how } in &checked.variables {
        let value = match value.as_deref() {
            None => "-".to_owned(),
            Some("(set)") => "(set)".to_owned(),
            Some(value) => format!("\"{value}\""),
        };
        table.row([name.clone(), value, effect.clone(), how.clone()]);
    }
    table.text(style, "no variables")
}

/// A variable of this process. What is no text is shown as well as it can be, and is wrong.
fn value(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_and_secrets_are_not() {
        let variables = views(|name| match name {
            "PORT" => Some("80".to_owned()),
            "HOST" => Some(String::new()),
            "REDIS_AUTH" | "REDIS_URL" => Some("hunter2".to_owned()),
            _ => None,
        });
        let checked = Checked { variables, issues: Vec::new() };
        assert_eq!(names(&checked), ["HOST", "PORT", "REDIS_URL", "REDIS_AUTH"].map(str::to_owned));
        let text = text(&checked, &Style::default());
        let line = |name: &str| {
            let line = text.lines().find(|line| line.split(' ').next() == Some(name));
            line.unwrap().split_whitespace().take(3).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(line("PORT"), "PORT \"80\" honoured");
        assert_eq!(line("HOST"), "HOST \"\" honoured");
        assert_eq!(line("GRPC_PORT"), "GRPC_PORT - honoured");
        assert_eq!(line("REDIS_AUTH"), "REDIS_AUTH (set) ignored");
        assert_eq!(line("GRPC_UDS"), "GRPC_UDS - honoured");
        assert!(!text.contains("hunter2"));
    }
}
