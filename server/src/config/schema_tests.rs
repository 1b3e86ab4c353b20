//! The schema, its committed copy, and the example that shows every key.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::*;
use crate::config::document::{self, Kind, Node, Resolved};
use crate::config::{Config, raw::RawConfig};

const COMMITTED: &str = include_str!("../../../docs/tollgate.schema.json");
const EXAMPLE: &str = include_str!("../../../docs/config.example.yaml");

fn schema_value() -> Value {
    serde_json::from_str(&schema()).unwrap()
}

/// The tree as JSON.
fn json(node: &Node) -> Value {
    match &node.kind {
        Kind::Sequence(elements) => elements.iter().map(json).collect(),
        Kind::Mapping(entries) => {
            let entries = entries.iter();
            let entries = entries.map(|(key, value)| (key.as_text().unwrap().into(), json(value)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
        Kind::Scalar(scalar) => match scalar.resolve() {
            Resolved::Null => Value::Null,
            Resolved::Boolean(value) => value.into(),
            Resolved::Integer(number) => json!(i64::try_from(number).unwrap()),
            Resolved::Float(number) => number.into(),
            Resolved::Text(text) => text.into(),
        },
    }
}

fn json_of(text: &str) -> Value {
    json(&document::parse("a.yaml", text).unwrap().root)
}

/// The path of every property, with `*` for a name that is free.
fn properties(schema: &Value, path: &str, all: &mut BTreeSet<String>) {
    let named = schema["properties"].as_object().into_iter().flatten();
    for (name, property) in named {
        let path = format!("{path}.{name}");
        properties(property, &path, all);
        all.insert(path);
    }
    if schema["additionalProperties"].is_object() {
        properties(&schema["additionalProperties"], &format!("{path}.*"), all);
    }
}

/// Whether the value has something at a path of [`properties`].
fn mentions(value: &Value, steps: &[&str]) -> bool {
    match steps.split_first() {
        None => true,
        Some((&"*", rest)) => {
            value.as_object().is_some_and(|map| map.values().any(|value| mentions(value, rest)))
        }
        Some((name, rest)) => value.get(name).is_some_and(|value| mentions(value, rest)),
    }
}

#[test]
fn the_committed_copy_is_current() {
    assert!(
        COMMITTED == schema(),
        "docs/tollgate.schema.json is stale: `cargo xtask fix` writes it anew"
    );
}

#[test]
fn every_object_is_closed_and_every_property_is_explained() {
    fn check(schema: &Value, path: &str) {
        if schema["type"] == "object" {
            assert!(!schema["additionalProperties"].is_null(), "{path} is open");
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            assert!(property["description"].is_string(), "{path} is not explained");
            check(property, &path);
        }
        if schema["additionalProperties"].is_object() {
            check(&schema["additionalProperties"], &format!("{path}.*"));
        }
    }
    let schema = schema_value();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["title"], "tollgate.yaml");
    check(&schema, "");
    let mut all = BTreeSet::new();
    properties(&schema, "", &mut all);
    assert!(
        all.contains(".limits.*.window") && all.contains(".listeners.admin.address"),
        "{all:?}"
    );
}

#[test]
fn the_example_is_valid_and_fits_the_schema() {
    let config = Config::parse("config.example.yaml", EXAMPLE, Path::new(""));
    let config = config.unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(config.limits.nodes().len(), 2);
    let validator = jsonschema::draft202012::new(&schema_value()).unwrap();
    let errors: Vec<_> =
        validator.iter_errors(&json_of(EXAMPLE)).map(|error| error.to_string()).collect();
    assert_eq!(errors, [""; 0]);
}

#[test]
fn the_example_mentions_every_property_with_its_default() {
    let example = json_of(EXAMPLE);
    let mut all = BTreeSet::new();
    properties(&schema_value(), "", &mut all);
    for path in &all {
        if let Some(key) = path.strip_prefix(".cluster.members.*.") {
            // Members need a secret, which no example has: it shows them in a comment.
            let (_, key) = key.rsplit_once('.').unwrap_or(("", key));
            assert!(EXAMPLE.contains(&format!("{key}: ")), "the example lacks `{path}`");
            continue;
        }
        let steps: Vec<_> = path.split('.').skip(1).collect();
        assert!(mentions(&example, &steps), "docs/config.example.yaml lacks `{path}`");
    }
    let mut defaults = serde_json::to_value(RawConfig::default()).unwrap();
    // A default of no limits would show nothing.
    defaults["limits"] = example["limits"].clone();
    assert_eq!(example, defaults);
}

#[test]
fn the_schema_refuses_what_the_loader_refuses() {
    let validator = jsonschema::draft202012::new(&schema_value()).unwrap();
    for text in [
        "nodes: {}",
        "node: {workers: 1025}",
        "node: {workers: -1}",
        "listeners: {http: {port: 80}}",
        "bounds: {entries_max: 0}",
        "ledger: {bytes_max: 1MB}",
        "ledger: {bytes_max: 5}",
        "telemetry: {log_level: loud}",
        "limits: {a: {by: []}}",
        "limits: {a: {limit: 4294967296, window: 1s}}",
        "limits: {a: {limit: 1, window: 60}}",
        "limits: {a: {limit: 1, window: 1w}}",
        "limits: {a: {limit: 1, window: 1s, algorithm: other}}",
        "limits: {a: {limit: 1}}",
        "limits: {a: {rate: 600}}",
        "limits: {a: {rate: 600/month}}",
        "limits: {a: {rate: 600/m, limit: 1}}",
        "limits: {a: {rate: 600/m, limit: 1, window: 1s}}",
        "limits: {a: {rate: 600/m, burst: 0}}",
        "limits: {a: {rate: 600/m, penalty: {}}}",
        "ratelimit: {near_limit_ratio: 0}",
        "ratelimit: {near_limit_ratio: 1.5}",
        "ratelimit: {response_headers: draft}",
    ] {
        assert!(Config::parse("a.yaml", text, Path::new("")).is_err(), "{text}");
        assert!(!validator.is_valid(&json_of(text)), "{text}");
    }
    for text in [
        "ledger: {bytes_max: 1GiB}",
        "limits: {a: {limit: 1, window: 1m30s}}",
        "limits: {a: {rate: 600/m, burst: 60}}",
        "limits: {a: {rate: 100/15s}}",
        "ratelimit: {near_limit_ratio: 1}",
        "{}",
    ] {
        assert!(validator.is_valid(&json_of(text)), "{text}");
    }
}
