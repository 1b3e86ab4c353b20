//! The admin API: what a path and a method do.
//!
//! It trusts its caller: who may call is decided before, by the verb's role ([`crate::http::Admin`]).

use std::sync::Arc;

use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use tollgate_core::time::Monotonic;
use tollgate_proto::ratelimit;

use super::counters::{self, By, ROWS_MAX, Search};
use super::figures::{self, Listening};
use super::query::Query;
use super::verbs::{Does, Found};
use super::view::{ClusterView, Reset, TokenCreated};
use super::{explain, limits, meets, tokens};
use crate::access::{Access, Caller, Who};
use crate::config;
use crate::decide::{Decider, Unavailable};
use crate::error::CallError;
use crate::http::{Answer, answer};
use crate::reload::ConfigStatus;
use crate::state::State;

/// Rows of a page where the caller does not say.
pub(super) const ROWS: usize = 100;

/// Rows of a top list where the caller does not say.
pub(super) const TOP_ROWS: usize = 20;

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
    /// Whose tokens are made and revoked.
    pub access: Arc<Access>,
    /// Shows the cluster; absent on a node that counts alone.
    pub cluster: Option<ShowCluster>,
}

/// Shows the cluster as the node sees it now.
pub type ShowCluster = Arc<dyn Fn() -> ClusterView + Send + Sync>;

/// Answers operators.
pub struct Api {
    pub(super) decider: Arc<Decider>,
    pub(super) bounds: ratelimit::Bounds,
    pub(super) ledger: config::Ledger,
    pub(super) state: State,
    pub(super) config: ConfigStatus,
    pub(super) access: Arc<Access>,
    pub(super) cluster: Option<ShowCluster>,
    pub(super) listening: Listening,
    pub(super) started: Monotonic,
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

    pub(super) fn unavailable(reason: &'static str, message: String) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, reason, message }
    }

    pub(super) fn not_found(reason: &'static str, message: String) -> Self {
        Self { status: StatusCode::NOT_FOUND, reason, message }
    }

    pub(super) fn internal(message: String) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, reason: "internal", message }
    }
}

impl From<Unavailable> for Refused {
    fn from(error: Unavailable) -> Self {
        let status = CallError::Unavailable(error).http_status();
        Self { status, reason: error.word(), message: error.to_string() }
    }
}

impl Api {
    /// An API whose node starts now.
    pub fn new(parts: Parts) -> Self {
        let Parts { decider, bounds, ledger, state, config, access, cluster } = parts;
        let started = decider.clock().monotonic();
        let listening = Listening::default();
        Self { decider, bounds, ledger, state, config, access, cluster, listening, started }
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

    /// Answers a call of a verb, by a caller who may make it. Only verbs that are about the ledger
    /// are ever waited for.
    pub(crate) async fn answer(
        &self,
        found: &Found,
        query: &str,
        body: &[u8],
        caller: &Caller,
    ) -> Answer {
        let (last, who) = (found.last.as_str(), &caller.who);
        let answered = match found.verb.does {
            Does::ListLimits => self.limits(query),
            Does::FindCounters => self.find(query),
            Does::TopCounters => self.top(query),
            Does::ShowCounter => self.show(last, query),
            Does::ResetCounter => self.reset(last, query, who).await,
            Does::Explain => self.explain(query, body).await,
            Does::Status => self.status(query),
            Does::Cluster => whole(query, || self.cluster()),
            Does::Whoami => whole(query, || Ok(write(&tokens::whoami(caller)))),
            Does::ListTokens => whole(query, || Ok(write(&tokens::list(&self.access)))),
            Does::CreateToken => dry_run(query)
                .and_then(|dry| tokens::create(&self.access, who, body, dry))
                .map(|created| secret(&created)),
            Does::RevokeToken => dry_run(query)
                .and_then(|dry| tokens::revoke(&self.access, who, last, dry))
                .map(|revoked| write(&revoked)),
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

    async fn reset(&self, text: &str, query: &str, who: &Who) -> Result<Answer, Refused> {
        let (key, dry_run) = (key(text)?, dry_run(query)?);
        let reset = match dry_run {
            true => counters::show(&self.decider, key),
            false => counters::reset(&self.decider, key, who).await?,
        };
        let reset = reset.ok_or_else(|| no_counter(text))?;
        Ok(write(&Reset { reset, dry_run }))
    }

    async fn explain(&self, query: &str, body: &[u8]) -> Result<Answer, Refused> {
        Query::parse(query, &[])?;
        Ok(write(&explain::explain(&self.decider, &self.bounds, body).await?))
    }

    fn cluster(&self) -> Result<Answer, Refused> {
        let alone = || {
            let message = "this node is in no cluster: its configuration has no `cluster.members`";
            Refused::not_found("no_cluster", message.to_owned())
        };
        let show = self.cluster.as_ref().ok_or_else(alone)?;
        Ok(write(&show()))
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
    Refused::not_found("no_counter", message)
}

/// Answers a call that takes no parameters.
fn whole(query: &str, answer: impl FnOnce() -> Result<Answer, Refused>) -> Result<Answer, Refused> {
    Query::parse(query, &[])?;
    answer()
}

/// Whether a write is only to say what it would change.
fn dry_run(query: &str) -> Result<bool, Refused> {
    Query::parse(query, &["dry_run"])?.switch("dry_run")
}

/// An answer that nobody on the way may keep.
fn secret(created: &TokenCreated) -> Answer {
    let mut answer = write(created);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
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
