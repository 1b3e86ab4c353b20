//! From variables to a node's configuration, with everything that is wrong told at once.

use std::path::{Path, PathBuf};

use tollgate_core::limit::HeaderStyle;

use super::table::find;
use super::values::Values;
use super::{listeners, statistics};
use crate::config::{Config, Report, excerpt};
use crate::reload::HealthRule;
use crate::xds;

/// What the variables say.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The configuration.
    pub(crate) config: Config,
    /// When health checks are told that traffic may come.
    pub(crate) health: HealthRule,
    /// The server that has the limits, if they are in no files.
    pub(crate) xds: Option<xds::Settings>,
}

/// Reads all of them.
///
/// # Errors
/// Every value that is wrong, as `NAME: what is wrong`.
pub(crate) fn read(strings: impl Fn(&str) -> Option<String>) -> Result<Settings, Report> {
    let mut values = Values::new(strings);
    let mut config = Config::bare();
    listeners::read(&mut values, &mut config);
    telemetry(&mut values, &mut config);
    statistics::read(&mut values, &mut config);
    answers(&mut values, &mut config);
    let xds = source(&mut values, &mut config);
    let health = health(&mut values, xds.is_some());
    values.finish(Settings { config, health, xds })
}

fn telemetry<F: Fn(&str) -> Option<String>>(values: &mut Values<F>, config: &mut Config) {
    let says = &mut config.telemetry;
    says.log_level = values.log_level("LOG_LEVEL").unwrap_or(says.log_level);
    says.log_format = values.log_format("LOG_FORMAT").unwrap_or(says.log_format);
}

fn answers<F: Fn(&str) -> Option<String>>(values: &mut Values<F>, config: &mut Config) {
    let mut truth = |name| values.truth(name).unwrap_or(false);
    config.merge_domains = truth("MERGE_DOMAIN_CONFIG");
    let answers = &mut config.answers;
    answers.modes.shadow = truth("SHADOW_MODE");
    answers.modes.quota = truth("QUOTA_MODE");
    answers.dynamic_metadata = truth("RESPONSE_DYNAMIC_METADATA");
    if truth("LIMIT_RESPONSE_HEADERS_ENABLED") {
        answers.headers = HeaderStyle::RateLimit;
    }
    let names = &mut answers.header_names;
    for (name, variable) in [
        (&mut names.limit, "LIMIT_LIMIT_HEADER"),
        (&mut names.remaining, "LIMIT_REMAINING_HEADER"),
        (&mut names.reset, "LIMIT_RESET_HEADER"),
    ] {
        *name = values.header_name(variable).unwrap_or_else(|| name.clone());
    }
    answers.near_limit_ratio = values.ratio("NEAR_LIMIT_RATIO").unwrap_or(answers.near_limit_ratio);
}

/// The reference listens only after its server's first content, unless it is forced to; here, that
/// is told to health checks.
fn health<F: Fn(&str) -> Option<String>>(values: &mut Values<F>, is_xds: bool) -> HealthRule {
    let is_asked = values.truth("HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED") == Some(true);
    let is_forced = values.truth("FORCE_START_WITHOUT_INITIAL_CONFIG") == Some(true);
    if is_asked || (is_xds && !is_forced) { HealthRule::OnceLoaded } else { HealthRule::Always }
}

fn source<F: Fn(&str) -> Option<String>>(
    values: &mut Values<F>,
    config: &mut Config,
) -> Option<xds::Settings> {
    // Read for their errors: here, either value is the same.
    for name in ["RUNTIME_WATCH_ROOT", "RUNTIME_IGNOREDOTFILES"] {
        values.truth(name);
    }
    match values.text("CONFIG_TYPE").as_deref() {
        None | Some("FILE") => {}
        Some("GRPC_XDS_SOTW") => return super::xds::settings(values),
        Some(other) => {
            let found = excerpt(other);
            let message = format!("expected FILE or GRPC_XDS_SOTW, found \"{found}\"");
            values.refuse("CONFIG_TYPE", message, "FILE is the default");
        }
    }
    let text = |name: &str| {
        let default = || find(name).map_or("", |variable| variable.default).to_owned();
        values.text(name).unwrap_or_else(default)
    };
    let parts = ["RUNTIME_ROOT", "RUNTIME_SUBDIRECTORY", "RUNTIME_APPDIRECTORY"].map(text);
    config.ratelimit_files = vec![folder(&parts)];
    None
}

/// The parts below each other; as for Go, a later part never begins at the root.
fn folder([root, rest @ ..]: &[String; 3]) -> PathBuf {
    let mut folder = Path::new(if root.is_empty() { "." } else { root }).to_owned();
    let rest = rest.iter().map(|part| part.trim_matches('/')).filter(|part| !part.is_empty());
    folder.extend(rest);
    folder
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
