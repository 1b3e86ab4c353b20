//! The admin API: what a path and a method do.
//!
//! It trusts its caller: who may call is decided before ([`crate::http::Admin`]).

use std::sync::Arc;

use http::{Method, StatusCode};
use serde::Serialize;
use tollgate_core::time::LogTime;
use tollgate_proto::ratelimit;

use super::counters::{self, By, ROWS_MAX, Search};
use super::figures::{self, Listening};
use super::query::Query;
use super::view::Reset;
use super::{explain, limits, meets};
use crate::config;
use crate::decide::Decider;
use crate::http::{Answer, answer};
use crate::reload::ConfigStatus;
use crate::state::State;

/// Rows of a page where the caller does not say.
const ROWS: usize = 100;

/// Rows of a top list where the caller does not say.
const TOP_ROWS: usize = 20;

/// What the API is made of.
pub struct Parts {
    /// Whose limits and counters are shown.
    pub decider: Arc<Decider>,
    /// The most that a request to explain may hold.
    pub bounds: ratelimit::Bounds,
    /// The most that the ledger may hold.
    pub ledger: config::Ledger,
    /// Whether the node takes traffic.
    pub state: State,
    /// The state of the configuration.
    pub config: ConfigStatus,
}

/// Answers operators.
pub struct Api {
    pub(super) decider: Arc<Decider>,
    pub(super) bounds: ratelimit::Bounds,
    pub(super) ledger: config::Ledger,
    pub(super) state: State,
    pub(super) config: ConfigStatus,
    pub(super) listening: Listening,
    pub(super) started: LogTime,
}

/// Why a call was not answered.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    reason: &'static str,
    message: String,
}

impl Refused {
    pub(super) fn bad_request(message: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, reason: "bad_request", message }
    }

    pub(super) fn unavailable(message: String) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, reason: "not_loaded", message }
    }

    fn not_found(message: String) -> Self {
        Self { status: StatusCode::NOT_FOUND, reason: "not_found", message }
    }
}

impl Api {
    /// An API whose node starts now.
    pub fn new(parts: Parts) -> Self {
        let Parts { decider, bounds, ledger, state, config } = parts;
        let started = decider.now().log;
        let listening = Listening::default();
        Self { decider, bounds, ledger, state, config, listening, started }
    }

    /// Whose figures are shown.
    pub(crate) fn decider(&self) -> &Decider {
        &self.decider
    }

    /// What probes are told.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Where to tell of listeners.
    pub(crate) fn listening(&self) -> &Listening {
        &self.listening
    }

    /// The lines of `/rlconfig`.
    pub(crate) fn rlconfig(&self) -> String {
        limits::rlconfig(&self.decider.active().limits, &self.config.snapshot())
    }

    /// The lines of `/stats`; `rendered` are all metrics as text.
    pub(crate) fn stats(&self, rendered: &str) -> String {
        let own = figures::stats(&figures::status(self), rendered);
        own + &self.decider.statistics().lines(self.config.snapshot().loads())
    }

    /// Answers a call below `/v1/`. `who` is told to the audit log.
    pub(crate) fn answer(
        &self,
        method: &Method,
        path: &str,
        query: &str,
        body: &[u8],
        who: &'static str,
    ) -> Answer {
        let answered = match (path, method.as_str()) {
            ("/v1/limits", "GET") => self.limits(query),
            ("/v1/counters", "GET") => self.find(query),
            ("/v1/counters/top", "GET") => self.top(query),
            ("/v1/explain", "POST") => self.explain(query, body),
            ("/v1/status", "GET") => self.status(query),
            ("/v1/limits" | "/v1/counters" | "/v1/counters/top" | "/v1/status", _) => {
                return answer::method_not_allowed("GET");
            }
            ("/v1/explain", _) => return answer::method_not_allowed("POST"),
            (path, method) => match (path.strip_prefix("/v1/counters/"), method) {
                (Some(key), "GET") => self.show(key, query),
                (Some(key), "DELETE") => self.reset(key, query, who),
                (Some(_), _) => return answer::method_not_allowed("GET, DELETE"),
                (None, _) => Err(Refused::not_found(format!(
                    "no {path}; there are /v1/limits, /v1/counters, /v1/counters/top, \
                     /v1/counters/KEY, /v1/explain and /v1/status"
                ))),
            },
        };
        answered.unwrap_or_else(|Refused { status, reason, message }| {
            answer::error(status, reason, &message)
        })
    }

    fn limits(&self, query: &str) -> Result<Answer, Refused> {
        let query = Query::parse(query, &["domain", "path"])?;
        let set = &self.decider.active().limits;
        let limits = limits::list(set, query.text("domain"), query.text("path"));
        Ok(write(&limits))
    }

    fn find(&self, query: &str) -> Result<Answer, Refused> {
        let query = Query::parse(query, &["domain", "contains", "over", "limit", "after"])?;
        let search = Search {
            domain: query.text("domain").map(str::to_owned),
            contains: query.text("contains").map(str::to_owned),
            over: query.switch("over")?,
            after: query.text("after").map(key).transpose()?,
            limit: query.count("limit", ROWS, ROWS_MAX)?,
        };
        Ok(write(&counters::find(&self.decider, &search)))
    }

    fn top(&self, query: &str) -> Result<Answer, Refused> {
        let query = Query::parse(query, &["by", "n"])?;
        let by = match query.text("by") {
            None | Some("hits") => By::Hits,
            Some("fill") => By::Fill,
            Some(other) => {
                let message = format!("`by` is hits or fill, not `{other}`");
                return Err(Refused::bad_request(message));
            }
        };
        let count = query.count("n", TOP_ROWS, ROWS_MAX)?;
        Ok(write(&counters::top(&self.decider, by, count)))
    }

    fn show(&self, text: &str, query: &str) -> Result<Answer, Refused> {
        Query::parse(query, &[])?;
        let row = counters::show(&self.decider, key(text)?).ok_or_else(|| no_counter(text))?;
        Ok(write(&row))
    }

    fn reset(&self, text: &str, query: &str, who: &'static str) -> Result<Answer, Refused> {
        Query::parse(query, &[])?;
        let reset = counters::reset(&self.decider, key(text)?, who);
        let reset = reset.ok_or_else(|| no_counter(text))?;
        Ok(write(&Reset { reset }))
    }

    fn explain(&self, query: &str, body: &[u8]) -> Result<Answer, Refused> {
        Query::parse(query, &[])?;
        Ok(write(&explain::explain(&self.decider, &self.bounds, body)?))
    }

    fn status(&self, query: &str) -> Result<Answer, Refused> {
        Query::parse(query, &[])?;
        Ok(write(&figures::status(self)))
    }
}

fn key(text: &str) -> Result<tollgate_core::key::Key, Refused> {
    meets::parse_key(text).ok_or_else(|| {
        Refused::bad_request(format!("a key has 32 hexadecimal digits, `{text}` has not"))
    })
}

fn no_counter(key: &str) -> Refused {
    let message = format!("no counter {key}: it may have ended or been reset");
    Refused::not_found(message)
}

fn write(body: &impl Serialize) -> Answer {
    match serde_json::to_vec(body) {
        Ok(body) => answer::json(StatusCode::OK, body),
        Err(error) => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            answer::error(status, "internal", &error.to_string())
        }
    }
}
