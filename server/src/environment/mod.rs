//! The environment variables of envoyproxy/ratelimit, so that a deployment of it starts Tollgate
//! with nothing changed but the image.
//!
//! A variable is honoured or ignored with a warning; `table` says which. A value that would leave the
//! node less safe than its operator believes is an error. Variables come as a function, so
//! nothing here reads the process's environment, and nothing is started.

mod folders;
mod listeners;
mod settings;
mod table;
mod values;

pub(crate) use self::folders::inner_folders;
pub(crate) use self::settings::{Settings, read};
pub(crate) use self::table::{Effect, Variable, variables};

/// The variables that are set to something and do nothing here.
pub(crate) fn ignored(strings: &impl Fn(&str) -> Option<String>) -> Vec<&'static str> {
    set(strings, |effect| matches!(effect, Effect::Ignored(_)))
}

/// The variables that are set to something and that a configuration in a file overrides.
pub(crate) fn overridden(strings: &impl Fn(&str) -> Option<String>) -> Vec<&'static str> {
    set(strings, |effect| !matches!(effect, Effect::Ignored(_)))
}

fn set(
    strings: &impl Fn(&str) -> Option<String>,
    is_wanted: impl Fn(Effect) -> bool,
) -> Vec<&'static str> {
    let is_set = |name: &str| strings(name).is_some_and(|value| !value.is_empty());
    variables()
        .filter(|variable| is_wanted(variable.effect) && is_set(variable.name))
        .map(|variable| variable.name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_stands_once_and_in_the_documentation() {
        let document = include_str!("../../../docs/environment.md");
        let names: Vec<_> = variables().map(|variable| variable.name).collect();
        for (index, variable) in variables().enumerate() {
            let Variable { name, default, effect } = variable;
            assert!(!names[..index].contains(name), "{name} twice");
            let (word, text) = match effect {
                Effect::Honoured(text) => ("honoured", text),
                Effect::Ignored(text) => ("ignored", text),
            };
            let default = if default.is_empty() { String::new() } else { format!("`{default}` ") };
            let line = format!("| `{name}` | {default}| {word} | {text} |");
            assert!(document.lines().any(|found| found == line), "no line {line}");
        }
        let documented = document.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(documented, names.len());
    }

    #[test]
    fn secrets_are_known_by_their_names() {
        let is_secret = |name| table::find(name).unwrap().is_secret();
        for name in ["REDIS_AUTH", "REDIS_PERSECOND_SENTINEL_AUTH", "REDIS_URL"] {
            assert!(is_secret(name), "{name}");
        }
        for name in
            ["LIMIT_RESPONSE_HEADERS_ENABLED", "RUNTIME_APPDIRECTORY", "HOST", "RUNTIME_ROOT"]
        {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn only_what_is_set_to_something_is_named() {
        let strings = |name: &str| match name {
            "REDIS_URL" => Some("redis:6379".to_owned()),
            "PORT" => Some("80".to_owned()),
            "GRPC_SERVER_USE_TLS" => Some("true".to_owned()),
            "REDIS_AUTH" | "GRPC_UDS" => Some(String::new()),
            _ => None,
        };
        assert_eq!(ignored(&strings), ["REDIS_URL"]);
        assert_eq!(overridden(&strings), ["PORT", "GRPC_SERVER_USE_TLS"]);
    }
}
