//! Dynamic metadata: what was asked and what the limits' operators attached, for filters behind the
//! rate-limit filter.

use tollgate_core::decision::{Code, Decision};
use tollgate_core::metadata::{Map, Value, merge};
use tollgate_core::plan::{Item, Plan};

use crate::rls::value::Kind;
use crate::rls::{
    ListValue, RateLimitDescriptor, RateLimitRequest, RateLimitUnit, Struct, Value as WireValue,
};

/// The domain, the descriptors, the hits and the merged metadata of the limits that were met and
/// are not over; a shadow counts as not over, unlimited and replaced limits do not count. A denied
/// request has the limit that denied it, too: `deniedBy`, which is not the reference's.
pub fn dynamic_metadata(
    request: &RateLimitRequest,
    plan: &Plan<'_>,
    decision: &Decision<'_>,
) -> Struct {
    let mut fields = vec![
        ("domain".to_owned(), text(&request.domain)),
        ("descriptors".to_owned(), list(request.descriptors.iter().map(descriptor))),
    ];
    if request.hits_addend > 0 {
        fields.push(("hitsAddend".to_owned(), number(f64::from(request.hits_addend))));
    }
    let mut merged = Map::new();
    for (item, status) in plan.items.iter().zip(&decision.statuses) {
        let Item::Counted(range) = item else { continue };
        if status.code == Code::OverLimit {
            continue;
        }
        let operations = plan.operations.get(range.clone()).unwrap_or_default();
        let limits = operations.iter().filter_map(|operation| operation.limit);
        limits.filter_map(|limit| limit.metadata.as_ref()).for_each(|map| merge(&mut merged, map));
    }
    if !merged.is_empty() {
        fields.push(("metadata".to_owned(), map(&merged)));
    }
    if let Some(name) = denied_by(plan, decision) {
        fields.push(("deniedBy".to_owned(), text(name)));
    }
    Struct { fields: fields.into_iter().collect() }
}

/// The name of the limit that denied the request, or its path where it has no name: that of the
/// first descriptor that denies by itself, else of the first that is over.
fn denied_by<'a>(plan: &Plan<'a>, decision: &Decision<'a>) -> Option<&'a str> {
    if decision.overall != Code::OverLimit {
        return None;
    }
    let over = || {
        let all = plan.items.iter().zip(&decision.statuses);
        all.filter(|(_, status)| status.code == Code::OverLimit)
    };
    let (item, status) = over().find(|(_, status)| !status.quota_mode).or_else(|| over().next())?;
    let current = status.current.as_ref()?;
    if let Some(name) = current.name {
        return Some(name);
    }
    let Item::Counted(range) = item else { return None };
    let mut operations = plan.operations.get(range.clone())?.iter();
    // The caller's own limit has neither.
    let met = operations.find(|operation| operation.quota == current.quota)?;
    Some(met.limit.map_or("override", |limit| &limit.path))
}

fn descriptor(descriptor: &RateLimitDescriptor) -> WireValue {
    let entry = |key: &str, value: &str| text(&format!("{key}={value}"));
    let entries = descriptor.entries.iter().map(|pair| entry(&pair.key, &pair.value));
    let mut fields = vec![("entries".to_owned(), list(entries))];
    if let Some(limit) = &descriptor.limit {
        // The override's enum names no week: its number stands there, as the reference prints it.
        let unit = RateLimitUnit::try_from(limit.unit)
            .map_or_else(|_| limit.unit.to_string(), |unit| unit.as_str_name().to_owned());
        let shown = match (limit.requests_per_unit, limit.unit) {
            (0, 0) => String::new(),
            (0, _) => format!("unit:{unit}"),
            (number, 0) => format!("requests_per_unit:{number}"),
            (number, _) => format!("requests_per_unit:{number} unit:{unit}"),
        };
        fields.push(("limit".to_owned(), text(&shown)));
    }
    if let Some(hits) = &descriptor.hits_addend {
        fields.push(("hitsAddend".to_owned(), number(hits.value as f64)));
    }
    struct_value(fields)
}

fn of(value: &Value) -> WireValue {
    match value {
        Value::Null => WireValue { kind: Some(Kind::NullValue(0)) },
        Value::Boolean(value) => WireValue { kind: Some(Kind::BoolValue(*value)) },
        Value::Number(value) => number(*value),
        Value::Text(value) => text(value),
        Value::List(values) => list(values.iter().map(of)),
        Value::Map(values) => map(values),
    }
}

fn map(values: &Map) -> WireValue {
    struct_value(values.iter().map(|(name, value)| (name.to_string(), of(value))).collect())
}

fn struct_value(fields: Vec<(String, WireValue)>) -> WireValue {
    WireValue { kind: Some(Kind::StructValue(Struct { fields: fields.into_iter().collect() })) }
}

fn list(values: impl Iterator<Item = WireValue>) -> WireValue {
    WireValue { kind: Some(Kind::ListValue(ListValue { values: values.collect() })) }
}

fn text(text: &str) -> WireValue {
    WireValue { kind: Some(Kind::StringValue(text.to_owned())) }
}

fn number(number: f64) -> WireValue {
    WireValue { kind: Some(Kind::NumberValue(number)) }
}
