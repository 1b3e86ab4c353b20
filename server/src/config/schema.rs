//! The JSON Schema of `tollgate.yaml`, from which editors complete keys and show what they mean.
//!
//! It says what each key may hold by itself. What must hold between keys only `tollgate check`
//! knows.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use serde_json::Value;

use super::raw::RawConfig;

/// The schema as pretty JSON that ends in a line break; a copy is committed as
/// `docs/tollgate.schema.json`.
pub fn schema() -> String {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<RawConfig>();
    RecursiveTransform(unwrap_lines).transform(&mut schema);
    format!("{:#}\n", schema.as_value())
}

/// Editors show the line breaks of a doc comment, which say nothing.
fn unwrap_lines(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
