//! Keeps what decides in step with the xDS server: connects, listens, replaces, answers.
//!
//! Whatever happens to the server or the way to it, what decides stays.

use std::error::Error as _;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::uri::PathAndQuery;
use tokio::signal::unix::Signal;
use tokio::sync::mpsc;
use tollgate_core::time::Clock;
use tollgate_proto::xds::{DiscoveryRequest, STREAM_AGGREGATED_RESOURCES};
use tollgate_runtime::seldom::Seldom;
use tonic::Status;
use tonic::client::Grpc;

use super::build::{Built, Digests, build};
use super::connect::{causes, connect};
use super::machine::{Head, Machine, Step, Verdict};
use super::refusals::Refusals;
use super::settings::Settings;
use super::wire::{BytesIn, Response, message};
use crate::config::ratelimit::Options;
use crate::config::{Issues, Report, excerpt, shortened};
use crate::decide::{Active, Answers, Decider, Withheld};
use crate::metrics::{self, XdsResponse};
use crate::reload::ConfigStatus;

/// Requests that wait to be sent. There is one for each response, so a server that reads none of
/// them gets no further ones.
const REQUESTS_MAX: usize = 4;

/// Silence after which the log says that the server may not know this node. It is no error: a
/// server without content for a node says nothing.
const SILENCE: Duration = Duration::from_secs(15);

/// Refused domains that are logged by name; all are in the status, within its bound.
const LOGGED_MAX: usize = 20;

/// Lost connections in a row of which each is logged; later ones when their number is a power of two.
const LOST_LOGGED: u32 = 4;

/// The subscription, with what it replaces.
pub(crate) struct Client {
    settings: Arc<Settings>,
    options: Options,
    answers: Answers,
    decider: Arc<Decider>,
    clock: Arc<dyn Clock>,
    status: ConfigStatus,
    machine: Machine,
    digests: Digests,
    withheld: Withheld,
    refusals: Refusals,
    foreign: Seldom,
    /// Connections that were lost or never made since the last response.
    lost: u32,
}

/// What the client works with.
pub(crate) struct Parts {
    /// How to subscribe.
    pub(crate) settings: Settings,
    /// How resources are taken together.
    pub(crate) options: Options,
    /// How answers are made.
    pub(crate) answers: Answers,
    /// Who decides.
    pub(crate) decider: Arc<Decider>,
    /// For waits, and for what is told.
    pub(crate) clock: Arc<dyn Clock>,
    /// What is told.
    pub(crate) status: ConfigStatus,
}

impl Client {
    /// A client that has not connected.
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { settings, options, answers, decider, clock, status } = parts;
        metrics::xds_awaited();
        Self {
            machine: Machine::new(settings.backoff),
            settings: Arc::new(settings),
            options,
            answers,
            decider,
            clock,
            status,
            digests: Digests::default(),
            withheld: Withheld::default(),
            refusals: Refusals::default(),
            foreign: Seldom::default(),
            lost: 0,
        }
    }

    /// Subscribes for as long as it is polled; never ends. A hangup begins a new stream at once,
    /// with certificates that are read anew.
    pub(crate) async fn run(mut self, mut hangup: Signal) {
        loop {
            let why = tokio::select! {
                why = self.subscribe() => Some(why),
                Some(()) = hangup.recv() => None,
            };
            let at = self.clock.wall();
            self.status.disconnected(why.as_deref().unwrap_or("reconnecting, as asked"), at);
            let wait = self.machine.ended(self.clock.monotonic(), fraction());
            let server = self.settings.target.to_string();
            let Some(error) = why else {
                tracing::info!(event = "xds_reconnecting", server, "asked to");
                continue;
            };
            self.tell_lost(&server, &error, wait);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                Some(()) = hangup.recv() => {}
            }
        }
    }

    /// Says why a connection ended; of many in a row without a response the first few, then fewer
    /// and fewer.
    fn tell_lost(&mut self, server: &str, error: &str, wait: Duration) {
        self.lost = self.lost.saturating_add(1);
        let number = self.lost;
        if number > LOST_LOGGED && !number.is_power_of_two() {
            return;
        }
        let retry_in_ms = wait.as_millis() as u64;
        let then = match self.decider.active().is_loaded() {
            true => "what decides stays",
            false => "no call is answered until limits have come",
        };
        tracing::warn!(event = "xds_disconnected", server, number, error, retry_in_ms, "{then}");
    }

    /// One connection with one stream; gives why it ended.
    async fn subscribe(&mut self) -> String {
        match self.listen().await {
            Ok(()) => "the server ended the stream".to_owned(),
            Err(why) => why,
        }
    }

    async fn listen(&mut self) -> Result<(), String> {
        let channel = connect(&self.settings).await?;
        let server = self.settings.target.to_string();
        tracing::info!(event = "xds_connected", server, node_id = self.settings.node_id);
        self.status.connected(self.clock.wall());
        let mut grpc =
            Grpc::new(channel).max_decoding_message_size(self.settings.message_bytes_max);
        grpc.ready().await.map_err(|error| causes(&error))?;
        let (requests, mut waiting) = mpsc::channel::<DiscoveryRequest>(REQUESTS_MAX);
        let outgoing = stream::poll_fn(move |context| waiting.poll_recv(context));
        let mut call = tonic::Request::new(outgoing);
        self.settings.headers.write(call.metadata_mut());
        let first = self.machine.opened(self.clock.monotonic());
        self.send(&requests, Some(first))?;
        let path = PathAndQuery::from_static(STREAM_AGGREGATED_RESOURCES);
        // Many servers send nothing, not even headers, until there is a content.
        let answered = self.patiently(grpc.streaming(call, path, BytesIn)).await;
        let mut incoming = answered.map_err(|status| self.said(&status))?.into_inner();
        let mut first = Some(self.patiently(incoming.message()).await);
        loop {
            let come = match first.take() {
                Some(come) => Some(come),
                None => {
                    let due = wait_for(self.machine.wait(self.clock.monotonic()));
                    tokio::select! {
                        come = incoming.message() => Some(come),
                        () = due => None,
                    }
                }
            };
            match come {
                Some(Ok(Some(bytes))) => {
                    tokio::time::sleep(self.machine.pause(self.clock.monotonic())).await;
                    let answer = self.attend(bytes).await?;
                    self.machine.looked(self.clock.monotonic());
                    self.send(&requests, answer)?;
                }
                Some(Ok(None)) => return Ok(()),
                Some(Err(status)) => return Err(self.said(&status)),
                None => {}
            }
            let due = self.machine.due(self.clock.monotonic());
            self.send(&requests, due)?;
        }
    }

    /// Waits for `answer`, and says so once if that takes long.
    async fn patiently<T>(&self, answer: impl Future<Output = T>) -> T {
        let mut answer = std::pin::pin!(answer);
        tokio::select! {
            answer = &mut answer => return answer,
            () = tokio::time::sleep(SILENCE) => {}
        }
        let (server, node_id) = (self.settings.target.to_string(), &self.settings.node_id);
        let advice = "no content yet: does the server have one for this node id?";
        tracing::warn!(event = "xds_silent", server, node_id, "{advice}");
        answer.await
    }

    /// Why a stream ended, in a line without secrets.
    fn said(&self, status: &Status) -> String {
        let message = self.settings.headers.hide_in(status.message());
        let text = format!("{:?}: {}", status.code(), shortened(&message));
        let Some(source) = status.source() else { return text };
        let cause = causes(source);
        if text.contains(&cause) { text } else { format!("{text}: {cause}") }
    }

    fn send(
        &self,
        requests: &mpsc::Sender<DiscoveryRequest>,
        request: Option<super::machine::Request>,
    ) -> Result<(), String> {
        let Some(request) = request else { return Ok(()) };
        let sent = requests.try_send(message(&self.settings, request));
        sent.map_err(|_| "the server does not read what it is sent".to_owned())
    }

    /// Takes in a response; gives what to answer at once.
    async fn attend(&mut self, bytes: Bytes) -> Result<Option<super::machine::Request>, String> {
        let read = tokio::task::spawn_blocking(move || Response::read(&bytes)).await;
        let response = read.map_err(|error| error.to_string())?;
        let response = response.map_err(|malformed| format!("a response {malformed}"))?;
        self.lost = 0;
        if !response.is_ours() {
            metrics::count_xds_response(XdsResponse::Foreign);
            if let Some(number) = self.foreign.count() {
                let type_url = excerpt(&response.type_url);
                tracing::warn!(event = "xds_foreign_response", number, type_url);
            }
            return Ok(None);
        }
        let Response { version, nonce, content, .. } = &response;
        let head = Head { version: version.clone(), nonce: nonce.clone(), content: *content };
        let now = self.clock.monotonic();
        match self.machine.received(head, now) {
            Step::Unchanged(request) => {
                metrics::count_xds_response(XdsResponse::Unchanged);
                self.recover();
                Ok(Some(request))
            }
            Step::Refused => {
                metrics::count_xds_response(XdsResponse::Repeated);
                Ok(None)
            }
            Step::Build => {
                let verdict = self.replace(response).await;
                Ok(self.machine.built(verdict, self.clock.monotonic()))
            }
        }
    }

    /// Builds a content and lets it decide, as far as it is right.
    async fn replace(&mut self, response: Response) -> Verdict {
        let (decider, digests) = (Arc::clone(&self.decider), self.digests.clone());
        let (options, answers) = (self.options, self.answers.clone());
        let work = move || {
            let active = Arc::clone(&decider.active());
            let mut built = build(response, &active, &digests, options);
            let domains = std::mem::take(&mut built.domains);
            let next = Active::new(domains, answers, decider.secret());
            (next.withholding(built.withheld.clone()), built)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok((next, built)) => self.judge(next, built),
            Err(error) => {
                // A panic costs this content only.
                tracing::error!(event = "xds_build_failed", %error, "what decides stays");
                let detail = "internal error".to_owned();
                Verdict::Refused { detail, is_partial: false }
            }
        }
    }

    fn judge(&mut self, next: Active, built: Built) -> Verdict {
        let Built { withheld, digests, refused, accepted, .. } = built;
        let is_loaded = self.decider.active().is_loaded();
        let is_new = !is_loaded || digests != self.digests || withheld != self.withheld;
        let is_wanted = refused.is_empty() || accepted > 0 || is_loaded;
        let is_replaced = is_new && is_wanted;
        self.refusals.set(refused.iter().map(|(domain, _)| &**domain));
        if is_replaced {
            let (domains, limits) = (next.limits.domains().len(), next.limits.limit_count());
            let hash = format!("{:016x}", digests.hash());
            self.decider.replace(next);
            (self.digests, self.withheld) = (digests, withheld);
            self.status.accept(self.digests.hash(), self.clock.wall());
            tracing::info!(event = "config_loaded", hash, domains, limits);
        }
        let Some(report) = all(&refused) else {
            metrics::count_xds_response(XdsResponse::Accepted);
            self.recover();
            return Verdict::Accepted;
        };
        let result = if accepted > 0 { XdsResponse::Partial } else { XdsResponse::Rejected };
        metrics::count_xds_response(result);
        tell(&refused, is_loaded);
        let detail = report.to_string();
        self.status.reject(&detail, self.clock.wall());
        Verdict::Refused { detail, is_partial: is_replaced }
    }

    /// Nothing is wrong with the newest content; if something was, that is over.
    fn recover(&mut self) {
        self.refusals.set(std::iter::empty());
        if self.status.snapshot().error.is_some() {
            self.status.recover();
            tracing::info!(event = "config_recovered", "the server sent what decides");
        }
    }
}

/// Everything that is wrong, in one report.
fn all(refused: &[(String, Report)]) -> Option<Report> {
    let mut issues = Issues::default();
    for (_, report) in refused {
        issues.extend(report.clone());
    }
    issues.into_report()
}

fn tell(refused: &[(String, Report)], is_loaded: bool) {
    for (domain, report) in refused.iter().take(LOGGED_MAX) {
        let first = report.to_string();
        let first = shortened(first.lines().next().unwrap_or_default());
        let issues = report.issues().len() + report.omitted();
        tracing::error!(event = "xds_domain_rejected", domain, issues, first);
    }
    let then = if is_loaded {
        "each keeps what it had; the others follow the server"
    } else {
        "calls in them are not answered until they are right"
    };
    tracing::error!(event = "config_rejected", domains = refused.len(), "{then}");
}

/// Waits that long, or for ever.
async fn wait_for(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

/// Any number from 0 to 1; the middle where the system has no random bytes.
fn fraction() -> f64 {
    let mut bytes = [0; 4];
    match getrandom::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}
