//! The document beside the tables that route, and beside its committed copy.

use std::collections::BTreeSet;

use super::*;
use crate::admin::VERBS;
use crate::http::v1::PATHS;

fn value() -> Value {
    serde_json::to_value(document()).unwrap()
}

/// Every operation, by method and path.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, item)| {
        item.as_object()
            .unwrap()
            .iter()
            .map(move |(method, one)| (format!("{} {path}", method.to_uppercase()), one))
    });
    all.collect()
}

#[test]
fn the_committed_document_is_what_is_made() {
    assert!(yaml().unwrap() == COMMITTED, "run cargo xtask fix");
}

#[test]
fn it_has_every_path_and_method_of_the_tables_and_no_other() {
    let open = |path: &str| path.replace("KEY", "{key}").replace("ID", "{id}");
    let mut tables: BTreeSet<String> =
        VERBS.iter().map(|verb| format!("{} {}", verb.method, open(verb.path))).collect();
    tables.extend(PATHS.iter().map(|(path, _)| format!("POST {path}")));
    tables.extend(plain::PLAIN.iter().map(|row| format!("GET {}", row.0)));
    let document = value();
    let found: BTreeSet<_> = operations(&document).into_iter().map(|(name, _)| name).collect();
    assert_eq!(found, tables);
    assert_eq!(tables.len(), VERBS.len() + PATHS.len() + plain::PLAIN.len());
}

#[test]
fn every_operation_has_a_name_of_its_own_and_every_error_its_shape() {
    let document = value();
    let mut names = BTreeSet::new();
    for (at, operation) in operations(&document) {
        assert!(names.insert(operation["operationId"].as_str().unwrap()), "{at}");
        assert!(operation["summary"].as_str().unwrap().ends_with('.'), "{at}");
        let is_text = plain::PLAIN.iter().any(|row| at == format!("GET {}", row.0));
        for (status, response) in operation["responses"].as_object().unwrap() {
            let is_error = !is_text && status != "200" && status != "429";
            let schema = &response["content"]["application/json"]["schema"]["$ref"];
            assert_eq!(schema == "#/components/schemas/Error", is_error, "{at} {status}");
        }
    }
}

#[test]
fn the_admin_api_and_what_needs_a_permission_want_a_token() {
    let document = value();
    let bearer = json!([{ "bearer": [] }]);
    for (at, operation) in operations(&document) {
        let is_admin = VERBS.iter().any(|verb| at.ends_with(&path_of(verb.path)));
        let needs = is_admin || at == "POST /v1/refund" || at == "POST /v1/reset";
        assert_eq!(operation["security"] == bearer, needs, "{at}");
    }
}

fn path_of(path: &str) -> String {
    format!(" {}", path.replace("KEY", "{key}").replace("ID", "{id}"))
}

#[test]
fn every_reference_leads_somewhere_and_everything_is_described() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(all) => {
                found.extend(all.get("$ref").and_then(Value::as_str).map(str::to_owned));
                all.values().for_each(|value| references(value, found));
            }
            Value::Array(all) => all.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = value();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50, "{}", found.len());
    for reference in &found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    for (name, schema) in schemas {
        assert!(schema["description"].is_string(), "{name}");
        // A second type of the same name would be called so.
        assert!(!name.ends_with(|c: char| c.is_ascii_digit()), "{name}");
        let properties = schema["properties"].as_object().into_iter().flatten();
        for (property, schema) in properties {
            assert!(schema["description"].is_string(), "{name}.{property}");
        }
    }
}

#[test]
fn nothing_is_both_read_and_written_under_one_name() {
    let mut schemas = Schemas::new();
    decisions::all(&mut schemas);
    admin::all(&mut schemas);
    assert_eq!(schemas.shared(), Vec::<String>::new());
}
