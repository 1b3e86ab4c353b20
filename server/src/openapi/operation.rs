//! One operation, and what all have in common.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The body of every error.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Error {
    /// A word that programs may match on.
    error: String,
    /// A sentence for people.
    message: String,
    /// The field that is wrong, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// Everybody.
    Everybody,
    /// Everybody, and whoever brings a token may more.
    EverybodyOrToken,
    /// Whoever brings a token.
    Token,
}

/// A method of a path.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) path: String,
    pub(super) method: &'static str,
    /// Unique, for generated clients.
    pub(super) id: &'static str,
    pub(super) tags: &'static [&'static str],
    pub(super) summary: String,
    pub(super) who: Who,
    pub(super) parameters: Vec<Value>,
    /// The schema of its body, if it takes one.
    pub(super) body: Option<Value>,
    /// By status; a status stands once.
    pub(super) responses: Map<String, Value>,
}

impl Operation {
    /// Adds an error with the words that it may have.
    pub(super) fn error(mut self, status: u16, words: &str) -> Self {
        let mut response = json!({
            "description": words,
            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } },
        });
        if status == 401 {
            response["headers"] = json!({ "WWW-Authenticate": header("`Bearer`.", "string") });
        }
        self.responses.insert(status.to_string(), response);
        self
    }

    /// As it stands below its path and method.
    pub(super) fn into_value(self) -> Value {
        let mut value = json!({
            "operationId": self.id,
            "tags": self.tags,
            "summary": self.summary,
            "responses": self.responses,
            "security": match self.who {
                Who::Everybody => json!([]),
                Who::EverybodyOrToken => json!([{}, { "bearer": [] }]),
                Who::Token => json!([{ "bearer": [] }]),
            },
        });
        if !self.parameters.is_empty() {
            value["parameters"] = self.parameters.into();
        }
        if let Some(schema) = self.body {
            let content = json!({ "application/json": { "schema": schema } });
            value["requestBody"] = json!({ "required": true, "content": content });
        }
        value
    }
}

/// A response with a body of JSON.
pub(super) fn answer(description: &str, schema: &Value) -> Value {
    json!({
        "description": description,
        "content": { "application/json": { "schema": schema } },
    })
}

/// A header of a response.
pub(super) fn header(description: &str, kind: &str) -> Value {
    json!({ "description": description, "schema": { "type": kind } })
}
