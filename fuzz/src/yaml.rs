//! A resource as the file that says the same.

use std::fmt::Write as _;

use tollgate_proto::xds::{
    Kind, RateLimitConfig, RateLimitDescriptor, RateLimitPolicy, RateLimitUnit, Struct, Value,
};

/// The file, in one line.
pub(crate) fn of(config: &RateLimitConfig) -> String {
    let descriptors = list(&config.descriptors, descriptor);
    format!("{{domain: {}, descriptors: {descriptors}}}\n", text(&config.domain))
}

fn descriptor(node: &RateLimitDescriptor) -> String {
    let mut entries = vec![format!("key: {}", text(&node.key))];
    if !node.value.is_empty() {
        entries.push(format!("value: {}", text(&node.value)));
    }
    entries.extend(node.rate_limit.as_ref().map(|limit| format!("rate_limit: {}", policy(limit))));
    for (name, is_set) in [
        ("shadow_mode", node.shadow_mode),
        ("detailed_metric", node.detailed_metric),
        ("quota_mode", node.quota_mode),
    ] {
        entries.push(format!("{name}: {is_set}"));
    }
    entries.extend(node.metadata.as_ref().map(|fields| format!("metadata: {}", map(fields))));
    if !node.descriptors.is_empty() {
        entries.push(format!("descriptors: {}", list(&node.descriptors, descriptor)));
    }
    format!("{{{}}}", entries.join(", "))
}

fn policy(limit: &RateLimitPolicy) -> String {
    let mut entries = vec![
        format!("unit: {}", text(&RateLimitUnit::name_of(limit.unit))),
        format!("requests_per_unit: {}", limit.requests_per_unit),
        format!("unlimited: {}", limit.unlimited),
    ];
    if !limit.name.is_empty() {
        entries.push(format!("name: {}", text(&limit.name)));
    }
    if !limit.replaces.is_empty() {
        let replaces = list(&limit.replaces, |one| format!("{{name: {}}}", text(&one.name)));
        entries.push(format!("replaces: {replaces}"));
    }
    format!("{{{}}}", entries.join(", "))
}

fn map(fields: &Struct) -> String {
    let mut entries: Vec<_> = fields.fields.iter().collect();
    entries.sort_by_key(|(name, _)| *name);
    let entry = |(name, item): (&String, &Value)| format!("{}: {}", text(name), value(item));
    format!("{{{}}}", entries.into_iter().map(entry).collect::<Vec<_>>().join(", "))
}

fn value(item: &Value) -> String {
    match &item.kind {
        None | Some(Kind::NullValue(_)) => "null".to_owned(),
        Some(Kind::NumberValue(number)) if number.is_nan() => ".nan".to_owned(),
        Some(Kind::NumberValue(number)) if number.is_infinite() => {
            if *number > 0.0 {
                ".inf".to_owned()
            } else {
                "-.inf".to_owned()
            }
        }
        Some(Kind::NumberValue(number)) => number.to_string(),
        Some(Kind::StringValue(string)) => text(string),
        Some(Kind::BoolValue(truth)) => truth.to_string(),
        Some(Kind::StructValue(fields)) => map(fields),
        Some(Kind::ListValue(items)) => list(&items.values, value),
    }
}

fn list<T>(items: &[T], one: impl Fn(&T) -> String) -> String {
    format!("[{}]", items.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// In double quotes, with every character but the plainest by its number.
fn text(string: &str) -> String {
    let mut quoted = String::from("\"");
    for c in string.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, ' ' | '.' | '-' | '_' | '/' | '*') {
            quoted.push(c);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(quoted, "\\U{:08x}", u32::from(c));
        }
    }
    quoted.push('"');
    quoted
}
