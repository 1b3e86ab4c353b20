//! The schema of a `RateLimitRequest` in protobuf's JSON form, whose names and numbers may be
//! written in several ways.

use serde_json::{Map, Value, json};

/// The body of `POST /v1/explain`.
pub(super) fn request() -> Value {
    let text = || json!({ "type": ["string", "null"] });
    let entry = object([("key", text()), ("value", text())]);
    let unit = json!({ "anyOf": [
        { "type": "string", "enum": ["SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "YEAR"] },
        { "type": "integer", "description": "Its number in the proto." },
        { "type": "null" },
    ] });
    let limit = object([
        ("requests_per_unit", number(u64::from(u32::MAX))),
        ("requestsPerUnit", number(u64::from(u32::MAX))),
        ("unit", unit),
    ]);
    let negative = || json!({ "type": ["boolean", "null"] });
    let descriptor = object([
        ("entries", list(&entry)),
        ("limit", nullable(&limit)),
        ("hits_addend", number(u64::MAX)),
        ("hitsAddend", number(u64::MAX)),
        ("is_negative_hits", negative()),
        ("isNegativeHits", negative()),
    ]);
    let mut request = object([
        ("domain", text()),
        ("descriptors", list(&descriptor)),
        ("hits_addend", number(u64::from(u32::MAX))),
        ("hitsAddend", number(u64::from(u32::MAX))),
    ]);
    let about = "A `RateLimitRequest` in protobuf's JSON form: each name in one of its spellings.";
    request["description"] = about.into();
    request
}

fn object<const N: usize>(properties: [(&str, Value); N]) -> Value {
    let properties: Map<_, _> =
        properties.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

fn list(items: &Value) -> Value {
    json!({ "type": ["array", "null"], "items": items })
}

fn nullable(schema: &Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

/// A number, which may be written as a text.
fn number(max: u64) -> Value {
    json!({ "anyOf": [
        { "type": "integer", "minimum": 0, "maximum": max },
        { "type": "string", "pattern": "^\\+?[0-9]+$" },
        { "type": "null" },
    ] })
}
