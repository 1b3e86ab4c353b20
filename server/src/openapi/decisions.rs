//! The native API as JSON.

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::operation::{Operation, Who, answer, header};
use super::schemas::Schemas;
use crate::http::v1::{PATHS, Verb, request, response};

/// Its operations.
pub(super) fn all(schemas: &mut Schemas) -> Vec<Operation> {
    PATHS.iter().map(|(path, verb)| one(schemas, path, *verb)).collect()
}

fn one(schemas: &mut Schemas, path: &str, verb: Verb) -> Operation {
    let make = Make { path, schemas };
    match verb {
        Verb::Check => make
            .of::<request::Check, response::Check<'static>>("check", Who::EverybodyOrToken)
            .decides::<response::Check<'static>>()
            .once()
            .error(504, "`deadline_exceeded`: `timeout_seconds` was over before it was decided."),
        Verb::CheckBatch => {
            make.of::<request::Batch, response::Batch<'static>>("checkBatch", Who::EverybodyOrToken)
        }
        Verb::Peek => {
            make.of::<request::Peek, response::Check<'static>>("peek", Who::EverybodyOrToken).asks()
        }
        Verb::Reserve => make
            .of::<request::Reserve, response::Reserve<'static>>("reserve", Who::EverybodyOrToken)
            .decides::<response::Reserve<'static>>()
            .settled_by(["commit", "cancel"])
            .once(),
        Verb::Commit => make
            .of::<request::Commit, response::Commit<'static>>("commit", Who::Everybody)
            .settles()
            .once(),
        Verb::Cancel => make
            .of::<request::Cancel, response::Cancel<'static>>("cancel", Who::Everybody)
            .settles()
            .once(),
        Verb::Refund => {
            make.of::<request::Refund, response::Check<'static>>("refund", Who::Token).asks().once()
        }
        Verb::Reset => make.of::<request::Reset, response::Reset>("reset", Who::Token).asks(),
    }
}

struct Make<'a> {
    path: &'a str,
    schemas: &'a mut Schemas,
}

impl Make<'_> {
    fn of<Asked: JsonSchema, Told: JsonSchema>(self, id: &'static str, who: Who) -> Operation {
        let body = self.schemas.read::<Asked>();
        let told = answer("It was done, or it may pass.", &self.schemas.written::<Told>());
        let operation = Operation {
            path: self.path.to_owned(),
            method: "POST",
            id,
            tags: &["decisions"],
            summary: self.schemas.about::<Asked>(),
            who,
            parameters: Vec::new(),
            body: Some(body),
            responses: Map::from_iter([("200".to_owned(), told)]),
        };
        operation
            .error(400, "`bad_request`: the body is malformed or beyond a bound of the node.")
            .error(500, "`internal`.")
            .error(
                503,
                "`not_loaded`, `ledger_full`, `reservations_full`, `idempotency_full` or `no_room`: \
                 no configuration was right yet, or a bound of the node is reached. In a cluster \
                 also `overloaded`, `no_leader` or `timed_out`: its nodes cannot agree.",
            )
    }
}

impl Operation {
    /// It is about a subject.
    fn asks(self) -> Self {
        self.error(404, "`unknown_limit`: there is no named limit of that name.")
            .error(
                401,
                "`unauthenticated`: a token is needed, or the one shown is wrong or has ended.",
            )
            .error(403, "`permission_denied`: this needs a permission that the token has not.")
    }

    /// It may be denied.
    fn decides<Told: JsonSchema>(mut self) -> Self {
        let told = json!({ "$ref": format!("#/components/schemas/{}", Told::schema_name()) });
        if let Some(allowed) = self.responses.get_mut("200") {
            *allowed = with_headers(answer("Allowed.", &told), false);
        }
        let denied = with_headers(answer("Denied: a limit says no.", &told), true);
        self.responses.insert("429".to_owned(), denied);
        self.asks()
    }

    /// It is about a reservation.
    fn settles(self) -> Self {
        self.error(404, "`unknown_reservation`: it ended, or was committed or cancelled.")
    }

    /// The reservation that it makes is settled by one of these operations.
    fn settled_by<const N: usize>(mut self, operations: [&str; N]) -> Self {
        let body = json!({ "reservation": "$response.body#/reservation" });
        let link = |id: &str| (id.to_owned(), json!({ "operationId": id, "requestBody": body }));
        if let Some(allowed) = self.responses.get_mut("200") {
            allowed["links"] = Map::from_iter(operations.map(link)).into();
        }
        self
    }

    /// It may have an idempotency key.
    fn once(self) -> Self {
        let conflict = "`idempotency_conflict`: the key was used for another request in the last \
                        10 seconds.";
        self.error(409, conflict)
    }
}

/// The headers of a decision, where a limit was counted.
fn with_headers(mut response: Value, denied: bool) -> Value {
    response["headers"] = json!({
        "RateLimit-Policy": header("The limits that were counted.", "string"),
        "RateLimit": header("What is left of them.", "string"),
    });
    if denied {
        let wait = header("Seconds until the same request would pass.", "integer");
        response["headers"]["Retry-After"] = wait;
    }
    response
}
