//! The schemas of what is read and of what is written, which differ: a default may be left out of
//! the one and stands in the other.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// Collects what operations refer to.
pub(super) struct Schemas {
    read: SchemaGenerator,
    written: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let settings = || {
            let mut settings = SchemaSettings::draft2020_12();
            settings.definitions_path = "/components/schemas".into();
            settings
        };
        Self {
            read: settings().into_generator(),
            written: settings().for_serialize().into_generator(),
        }
    }

    /// The schema of a body that is read.
    pub(super) fn read<T: JsonSchema>(&mut self) -> Value {
        self.read.subschema_for::<T>().to_value()
    }

    /// The schema of a body that is written.
    pub(super) fn written<T: JsonSchema>(&mut self) -> Value {
        self.written.subschema_for::<T>().to_value()
    }

    /// The sentence that describes a type that has been read.
    pub(super) fn about<T: JsonSchema>(&self) -> String {
        let schema = self.read.definitions().get(&*T::schema_name());
        let text = schema.and_then(|schema| schema.get("description")).and_then(Value::as_str);
        text.unwrap_or_default().replace('\n', " ")
    }

    /// Names that stand for something read and for something written.
    #[cfg(test)]
    pub(super) fn shared(&self) -> Vec<String> {
        let written = self.written.definitions();
        self.read.definitions().keys().filter(|name| written.contains_key(*name)).cloned().collect()
    }

    /// All that was referred to, by name.
    pub(super) fn into_definitions(mut self) -> Map<String, Value> {
        let mut all = self.read.take_definitions(true);
        all.extend(self.written.take_definitions(true));
        for schema in all.values_mut() {
            if let Ok(schema) = <&mut Schema>::try_from(schema) {
                RecursiveTransform(complete).transform(schema);
            }
        }
        all
    }
}

/// Says what the width of a number means, and joins the lines of a doc comment.
fn complete(schema: &mut Schema) {
    let max = match schema.get("format").and_then(Value::as_str) {
        Some("uint32") => Some(u64::from(u32::MAX)),
        Some("uint64" | "uint") => Some(u64::MAX),
        _ => None,
    };
    if let Some(max) = max {
        let schema = schema.ensure_object();
        schema.entry("maximum").or_insert_with(|| json!(max));
        schema.entry("minimum").or_insert_with(|| json!(0));
    }
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
}
