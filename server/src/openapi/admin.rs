//! The admin API.

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::explain;
use super::operation::{Operation, Who, answer};
use super::schemas::Schemas;
use crate::admin::{Does, TokenAsked, VERBS, Verb, view};

/// Its operations.
pub(super) fn all(schemas: &mut Schemas) -> Vec<Operation> {
    VERBS.iter().map(|verb| Make { verb, schemas }.one()).collect()
}

struct Make<'a> {
    verb: &'static Verb,
    schemas: &'a mut Schemas,
}

impl Make<'_> {
    fn one(self) -> Operation {
        match self.verb.does {
            Does::ListLimits => self
                .of::<view::Limits>("listLimits", "Shows the limits that decide.")
                .query("domain", "Only those of this domain.", &text())
                .query("path", "Only those whose path has this in it.", &text()),
            Does::FindCounters => searched(self),
            Does::TopCounters => self
                .of::<view::Counters>("topCounters", "Shows the greatest counters.")
                .query("by", "By what. Default: hits.", &json!({ "enum": ["hits", "fill"] }))
                .query("n", "How many. Default: 20.", &rows()),
            Does::ShowCounter => self
                .of::<view::CounterRow>("showCounter", "Shows one counter.")
                .of_key("The counter's key.", &key())
                .error(404, "`no_counter`: it may have ended or been reset."),
            Does::ResetCounter => self
                .of::<view::Reset>("resetCounter", "Forgets what a counter has counted.")
                .of_key("The counter's key.", &key())
                .error(404, "`no_counter`: it may have ended or been reset.")
                .dry_run(),
            Does::Explain => {
                let about = "Says what a request would be told and why, spending nothing.";
                let mut operation = self.of::<view::Explained>("explain", about).reads();
                operation.body = Some(explain::request());
                operation
            }
            Does::Status => self.of::<view::Status>("status", "Shows the state of the node."),
            Does::Cluster => self
                .of::<view::ClusterView>("cluster", "Shows the cluster as this node sees it.")
                .error(404, "`no_cluster`: the node counts alone."),
            Does::Whoami => self.of::<view::Whoami>("whoami", "Says who the caller is taken for."),
            Does::ListTokens => self.of::<view::Tokens>("listTokens", "Shows all tokens."),
            Does::CreateToken => {
                let body = self.schemas.read::<TokenAsked>();
                let about = "Makes a token, which is shown in this answer and never again.";
                let mut operation = self.of::<view::TokenCreated>("createToken", about).reads();
                operation.body = Some(body);
                operation.dry_run()
            }
            Does::RevokeToken => self
                .of::<view::Revoked>("revokeToken", "Ends a token.")
                .of_key("The token's public part.", &json!({ "type": "string", "minLength": 1 }))
                .error(404, "`no_token`: there is none of this name.")
                .dry_run(),
        }
    }

    fn of<Told: JsonSchema>(self, id: &'static str, about: &str) -> Operation {
        let Self { verb, schemas } = self;
        let told = answer("It was done.", &schemas.written::<Told>());
        let operation = Operation {
            path: path(verb.path),
            method: verb.method,
            id,
            tags: &["admin"],
            summary: format!("{about} For the role {} and above.", verb.role),
            who: Who::Token,
            parameters: Vec::new(),
            body: None,
            responses: Map::from_iter([("200".to_owned(), told)]),
        };
        operation
            .error(400, "`bad_request`: a parameter or the body is wrong.")
            .error(401, "`unauthenticated`: credentials are missing, wrong or have ended.")
            .error(403, "`permission_denied`: this needs a greater role.")
            .error(431, "`bad_request`: too many header fields.")
            .error(500, "`internal`.")
    }
}

/// Long: it has every filter.
fn searched(make: Make<'_>) -> Operation {
    make.of::<view::Counters>("findCounters", "Finds live counters, by key, in pages.")
        .query("domain", "Only those of this domain.", &text())
        .query("contains", "Only those whose label has this in it.", &text())
        .query("over", "Only those with nothing left.", &switch())
        .query("after", "Where the page starts: `next` of the one before.", &from())
        .query("limit", "Rows of a page. Default: 100.", &rows())
}

impl Operation {
    fn parameter(mut self, place: &str, name: &str, about: &str, schema: &Value) -> Self {
        self.parameters.push(json!({
            "name": name,
            "in": place,
            "description": about,
            "required": place == "path",
            "schema": schema,
        }));
        self
    }

    /// It takes this in its query.
    fn query(self, name: &str, about: &str, schema: &Value) -> Self {
        let mut operation = self.parameter("query", name, about, schema);
        if let Some(parameter) = operation.parameters.last_mut() {
            parameter["allowEmptyValue"] = true.into();
        }
        operation
    }

    /// Its path's last part stands for something.
    fn of_key(self, about: &str, schema: &Value) -> Self {
        let start = self.path.rfind('{').map_or(0, |at| at + 1);
        let name = self.path.get(start..self.path.len() - 1).unwrap_or_default().to_owned();
        self.parameter("path", &name, about, schema)
    }

    /// It can say what it would change.
    fn dry_run(self) -> Self {
        let about = "Only say what would be changed. Default: false.";
        self.query("dry_run", about, &switch())
    }

    /// It reads a body, for which there may be no room.
    fn reads(self) -> Self {
        let words = "`no_room` or `not_loaded`: a bound of the node is reached, or no configuration was \
                     right yet.";
        self.error(503, words)
    }
}

/// `/v1/counters/{key}` for `/v1/counters/KEY`.
fn path(text: &str) -> String {
    let start = text.trim_end_matches(|c: char| c.is_ascii_uppercase());
    match text.strip_prefix(start) {
        Some(last) if !last.is_empty() => format!("{start}{{{}}}", last.to_ascii_lowercase()),
        _ => text.to_owned(),
    }
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn switch() -> Value {
    json!({ "type": "boolean" })
}

fn key() -> Value {
    json!({ "type": "string", "pattern": "^[0-9a-fA-F]{32}$" })
}

/// A key, or nothing: an empty parameter counts as absent.
fn from() -> Value {
    json!({ "type": "string", "pattern": "^([0-9a-fA-F]{32})?$" })
}

fn rows() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": 1_000 })
}
