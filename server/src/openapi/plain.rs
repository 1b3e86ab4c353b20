//! Probes and figures, which are texts, for everybody who reaches a listener.

use serde_json::{Map, json};

use super::PATH;
use super::operation::{Operation, Who};

const BOTH: &[&str] = &["decisions", "admin"];
const DECISIONS: &[&str] = &["decisions"];
const ADMIN: &[&str] = &["admin"];

/// A path with the status that it has when it is not well, if there is one.
type Row = (&'static str, &'static str, &'static [&'static str], &'static str, Option<u16>);

/// Every path of the two listeners that is in no other table.
pub(super) const PLAIN: [Row; 7] = [
    ("/healthcheck", "healthcheck", DECISIONS, "Whether traffic may come.", Some(500)),
    ("/livez", "livez", ADMIN, "Whether the process lives.", None),
    ("/readyz", "readyz", ADMIN, "Whether the node takes traffic.", Some(503)),
    ("/metrics", "metrics", ADMIN, "The metrics, as Prometheus reads them.", None),
    ("/stats", "stats", ADMIN, "The statistics, as envoyproxy/ratelimit shows them.", None),
    ("/rlconfig", "rlconfig", ADMIN, "The limits that decide, as lines.", None),
    (PATH, "openapi", BOTH, "This document.", None),
];

/// Its operations.
pub(super) fn all() -> Vec<Operation> {
    PLAIN.into_iter().map(one).collect()
}

fn one((path, id, tags, summary, unwell): Row) -> Operation {
    let (kind, schema) = match path {
        PATH => ("text/yaml", "object"),
        _ => ("text/plain", "string"),
    };
    let text = |description: &str| {
        let content = json!({ kind: { "schema": { "type": schema } } });
        json!({ "description": description, "content": content })
    };
    let mut responses = Map::from_iter([("200".to_owned(), text("The text."))]);
    if let Some(status) = unwell {
        responses.insert(status.to_string(), text("Not now, and why."));
    }
    Operation {
        path: path.to_owned(),
        method: "GET",
        id,
        tags,
        summary: summary.to_owned(),
        who: Who::Everybody,
        parameters: Vec::new(),
        body: None,
        responses,
    }
}
