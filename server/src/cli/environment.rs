//! The environment on the command line: `tollgate serve` without a file, and `tollgate check --env`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::output;
use super::table::Table;
use crate::environment::{self, Effect, Settings, Variable};
use crate::log;
use crate::node::{self, Greeting};
use crate::reload::Loaded;

/// Runs a node by the variables alone.
pub(super) fn serve() -> anyhow::Result<ExitCode> {
    let Settings { config, health } = match environment::read(value) {
        Ok(settings) => settings,
        Err(report) => {
            output::words(&report.to_string());
            output::words("nothing was started; `tollgate check --env` repeats this");
            return Ok(ExitCode::FAILURE);
        }
    };
    log::start(&config.telemetry);
    warn_of_ignored(&config.ratelimit_files);
    node::run(Loaded::environment(config, health), Greeting::Quiet)?;
    Ok(ExitCode::SUCCESS)
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
/// If standard output takes nothing more.
pub(super) fn check() -> anyhow::Result<ExitCode> {
    output::result(&text(value))?;
    match environment::read(value) {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(report) => {
            output::words(&report.to_string());
            Ok(ExitCode::FAILURE)
        }
    }
}

fn text(strings: impl Fn(&str) -> Option<String>) -> String {
    let mut table = Table::new(&["NAME", "VALUE", "HERE", "HOW, OR WHY NOT"]);
    for variable in environment::variables() {
        let (word, how) = match variable.effect {
            Effect::Honoured(how) => ("honoured", how),
            Effect::Ignored(why) => ("ignored", why),
        };
        let shown = shown(variable, strings(variable.name));
        table.row([variable.name.to_owned(), shown, word.to_owned(), how.to_owned()]);
    }
    table.text("no variables")
}

fn shown(variable: &Variable, value: Option<String>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if variable.is_secret() && !value.is_empty() => "(set)".to_owned(),
        Some(value) => format!("\"{value}\""),
    }
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
        let text = text(|name| match name {
            "PORT" => Some("80".to_owned()),
            "HOST" => Some(String::new()),
            "REDIS_AUTH" | "REDIS_URL" => Some("hunter2".to_owned()),
            _ => None,
        });
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
