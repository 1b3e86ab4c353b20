//! A node's operators' side in memory, for tests: its admin API, a token of each kind, and calls over
//! the connections that operators use.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::net::UnixStream;
use tollgate_core::descriptor::{Charge, Descriptor, Entry};
use tollgate_core::key::KeySecret;
use tollgate_core::limit::{Bound, Limit, Node, Options, Quota, Rules, Unit};
use tollgate_core::store::Bounds;
use tollgate_core::time::{Clock, ManualClock, NANOS_PER_SECOND, Wall};
use tollgate_runtime::drain::Drain;

use super::verbs::{Does, Verb};
use super::view::{AskedView, ClusterView};
use super::{Api, Parts};
use crate::access::{Access, Permission, Role, Shown, Wanted};
use crate::budget::Budget;
use crate::decide::Terms;
use crate::decide::{Active, Answers, Decider};
use crate::done::Done as _;
use crate::drained::Age;
use crate::http::{Admin, Http1Bounds, ServeAdmin};
use crate::reload::ConfigStatus;
use crate::state::State;
use crate::tls::Door;

const SECRET: KeySecret = KeySecret::new([3; 16]);

const LIFE: Duration = Duration::from_secs(60);

/// Of connections whose peers show a certificate.
pub(super) const AGE: Duration = Duration::from_millis(20);

pub(super) struct World {
    pub(super) decider: Arc<Decider>,
    pub(super) access: Arc<Access>,
    pub(super) api: Arc<Api>,
    serve: ServeAdmin,
    _drain: Drain,
    /// `Authorization` of everybody but the first and the last.
    tokens: [String; 7],
}

impl World {
    pub(super) fn new() -> Self {
        let wall = Wall::from_nanos(1_700_000_003 * NANOS_PER_SECOND);
        let clock = Arc::new(ManualClock::starting_at(wall));
        let bounds = Bounds { keys_max: 1_000, bytes_max: 1 << 24 };
        let decider =
            Arc::new(Decider::new(active(), SECRET, bounds, Arc::clone(&clock) as Arc<dyn Clock>));
        let access = Access::open(None, Vec::new(), Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        let access = Arc::new(access);
        let token = |role, life| make(&access, role, life);
        let (_, expired) = token(Some(Role::Admin), Duration::from_secs(1));
        let (id, revoked) = token(Some(Role::Admin), LIFE);
        access.revoke_token(&id).unwrap();
        clock.advance(Duration::from_secs(1));
        let wrong = make(&foreign(), Some(Role::Admin), LIFE).1;
        let [viewer, operator, admin, caller] =
            [Some(Role::Viewer), Some(Role::Operator), Some(Role::Admin), None]
                .map(|role| token(role, LIFE).1);
        let tokens = [wrong, expired, revoked, viewer, operator, admin, caller];
        let drain = Drain::new();
        let api = Arc::new(Api::new(Parts {
            cluster: Some(Arc::new(shown)),
            decider: Arc::clone(&decider),
            bounds: crate::config::Config::bare().bounds.of_request(),
            ledger: crate::config::Config::bare().ledger,
            state: State::starting(drain.watch()),
            config: ConfigStatus::new("test", 0, wall),
            access: Arc::clone(&access),
        }));
        let metrics = PrometheusBuilder::new().build_recorder().handle();
        let serve = ServeAdmin {
            handler: Admin { api: Arc::clone(&api), metrics, access: Arc::clone(&access) },
            http1: Http1Bounds::default(),
            budget: Budget::new(1 << 20),
            door: Door::clear(),
            certificate_age: Age { max: Some(AGE), grace: Some(LIFE) },
            draining: drain.watch(),
        };
        Self { decider, access, api, serve, _drain: drain, tokens }
    }

    /// The path of a verb whose target is there, and its body.
    pub(super) fn target(&self, verb: &Verb) -> (String, String) {
        let path = |last: &str| {
            let start = verb.path.trim_end_matches(|c: char| c.is_ascii_uppercase());
            if start == verb.path { start.to_owned() } else { format!("{start}{last}") }
        };
        match verb.does {
            Does::ShowCounter | Does::ResetCounter => (path(&self.hit()), String::new()),
            Does::RevokeToken => (path(&make(&self.access, None, LIFE).0), String::new()),
            Does::CreateToken => {
                let body = r#"{"name": "n", "role": "viewer", "expires_seconds": null}"#;
                (path(""), body.to_owned())
            }
            Does::Explain => (path(""), EXPLAIN.to_owned()),
            _ => (path(""), String::new()),
        }
    }

    /// Spends a hit, and says on which counter.
    pub(super) fn hit(&self) -> String {
        let entries = [Entry { key: "user", value: "alice" }];
        let charge = Some(Charge::Hits(1));
        let descriptors = [Descriptor { entries: &entries, limit_override: None, charge }];
        let request = tollgate_core::descriptor::Request {
            domain: "d",
            descriptors: &descriptors,
            hits_addend: 0,
        };
        self.decider.check(&self.decider.active(), &request, Terms::default()).done().unwrap();
        let search = super::counters::Search { limit: 1, ..Default::default() };
        super::counters::find(&self.decider, &search).counters[0].key.clone()
    }

    /// What the connection of a column shows, and its header.
    pub(super) fn column(&self, column: usize) -> (Shown, Option<&str>) {
        let tcp = Shown::Names(Arc::default());
        match column {
            0 => (tcp, None),
            8 => (Shown::Socket { uid: 7 }, None),
            _ => (tcp, Some(&self.tokens[column - 1])),
        }
    }

    pub(super) async fn ask(
        &self,
        column: usize,
        method: &str,
        path: &str,
        body: &str,
    ) -> Answered {
        let (shown, token) = self.column(column);
        self.send(shown, request(method, path, body, token), false).await
    }

    /// Opens a connection that shows `shown` and asks nothing; returns once it has ended.
    pub(super) async fn idle(&self, shown: Shown) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let served = self.serve.serve(ours, "test", shown);
        let (_sender, connection) =
            http2::handshake::<_, _, Full<Bytes>>(TokioExecutor::new(), TokioIo::new(theirs))
                .await
                .unwrap();
        tokio::join!(served, async { connection.await.unwrap() });
    }

    /// Sends one request on a connection of its own.
    pub(super) async fn send(
        &self,
        shown: Shown,
        request: Request<Full<Bytes>>,
        is_http2: bool,
    ) -> Answered {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let served = self.serve.serve(ours, "test", shown);
        let theirs = TokioIo::new(theirs);
        let asked = async {
            if is_http2 {
                let (mut sender, connection) =
                    http2::handshake(TokioExecutor::new(), theirs).await.unwrap();
                tokio::select! {
                    answered = async { read(sender.send_request(request).await.unwrap()).await } => answered,
                    ended = connection => panic!("{ended:?}"),
                }
            } else {
                let (mut sender, connection) = http1::handshake(theirs).await.unwrap();
                tokio::select! {
                    biased;
                    answered = async { read(sender.send_request(request).await.unwrap()).await } => answered,
                    ended = connection => panic!("{ended:?}"),
                }
            }
        };
        tokio::select! {
            answered = asked => answered,
            () = served => panic!("the connection ended"),
        }
    }
}

const EXPLAIN: &str =
    r#"{"domain": "d", "descriptors": [{"entries": [{"key": "user", "value": "a"}]}]}"#;

#[derive(Debug)]
pub(super) struct Answered {
    pub(super) head: http::response::Parts,
    pub(super) body: Bytes,
    pub(super) trailers: http::HeaderMap,
}

impl Answered {
    pub(super) fn grpc(&self) -> &str {
        let status = self.head.headers.get("grpc-status").or(self.trailers.get("grpc-status"));
        status.unwrap().to_str().unwrap()
    }
}

async fn read(response: Response<Incoming>) -> Answered {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned().unwrap_or_default();
    Answered { head, body: body.to_bytes(), trailers }
}

pub(super) fn request(
    method: &str,
    path: &str,
    body: &str,
    token: Option<&str>,
) -> Request<Full<Bytes>> {
    let method: Method = method.parse().unwrap();
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, token);
    }
    request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap()
}

fn active() -> Active {
    let limit = Limit::new(Bound::Limited(Quota::per_unit(3, Unit::Year)), "d.user".into());
    let mut rules = Rules::default();
    rules.add(Node { key: "user".into(), limits: Box::new([limit]), ..Node::default() }).unwrap();
    Active::new(vec![(Arc::from("d"), rules, Options::default())], Answers::default(), &SECRET)
}

/// An access that knows none of the other's tokens.
fn foreign() -> Access {
    Access::open(None, Vec::new(), Arc::new(ManualClock::default())).unwrap()
}

pub(super) fn make(access: &Access, role: Option<Role>, life: Duration) -> (String, String) {
    let permissions = [Permission::Refund].into_iter().collect();
    let wanted = Wanted { name: "t".into(), role, permissions, life: Some(life) };
    let (token, record) = access.create_token(&wanted).unwrap();
    (record.id.to_string(), format!("Bearer {}", token.reveal()))
}

/// A cluster that is not born yet.
fn shown() -> ClusterView {
    ClusterView {
        node: "a".to_owned(),
        id: "1".to_owned(),
        cluster: None,
        is_whole: false,
        members: Vec::new(),
        groups: Vec::new(),
        asked: AskedView::default(),
    }
}
