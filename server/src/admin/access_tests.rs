//! Every verb of the admin API, asked as everybody, over the connections that operators use.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::net::UnixStream;
use tokio::runtime::LocalOptions;
use tollgate_core::descriptor::{Charge, Descriptor, Entry};
use tollgate_core::key::KeySecret;
use tollgate_core::limit::{Bound, Limit, Node, Options, Quota, Rules, Unit};
use tollgate_core::store::Bounds;
use tollgate_core::time::{Clock, ManualClock, NANOS_PER_SECOND, Wall};
use tollgate_runtime::drain::Drain;

use super::verbs::{Does, VERBS, Verb};
use super::{Api, Parts, find};
use crate::access::{Access, Caller, Permission, Role, Shown, Wanted, Who};
use crate::audit::testing::logged;
use crate::budget::Budget;
use crate::decide::{Active, Answers, Decider};
use crate::http::{Admin, Http1Bounds, ServeAdmin};
use crate::reload::ConfigStatus;
use crate::state::State;
use crate::tls::Door;

const SECRET: KeySecret = KeySecret::new([3; 16]);

const LIFE: Duration = Duration::from_secs(60);

/// Who asks, in the order of the table's columns.
const CALLERS: [&str; 9] = [
    "none",
    "wrong token",
    "expired token",
    "revoked token",
    "viewer",
    "operator",
    "admin",
    "caller token",
    "socket",
];

/// What each verb answers each of them.
const TABLE: &[(Does, [u16; 9])] = &[
    (Does::ListLimits, [401, 401, 401, 401, 200, 200, 200, 403, 200]),
    (Does::FindCounters, [401, 401, 401, 401, 200, 200, 200, 403, 200]),
    (Does::TopCounters, [401, 401, 401, 401, 200, 200, 200, 403, 200]),
    (Does::ShowCounter, [401, 401, 401, 401, 200, 200, 200, 403, 200]),
    (Does::ResetCounter, [401, 401, 401, 401, 403, 200, 200, 403, 200]),
    (Does::Explain, [401, 401, 401, 401, 200, 200, 200, 403, 200]),
    (Does::Status, [401, 401, 401, 401, 200, 200, 200, 403, 200]),
    (Does::Whoami, [401, 401, 401, 401, 200, 200, 200, 403, 200]),
    (Does::ListTokens, [401, 401, 401, 401, 200, 200, 200, 403, 200]),
    (Does::CreateToken, [401, 401, 401, 401, 403, 403, 200, 403, 200]),
    (Does::RevokeToken, [401, 401, 401, 401, 403, 403, 200, 403, 200]),
];

struct World {
    decider: Arc<Decider>,
    access: Arc<Access>,
    api: Arc<Api>,
    serve: ServeAdmin,
    _drain: Drain,
    /// `Authorization` of everybody but the first and the last.
    tokens: [String; 7],
}

impl World {
    fn new() -> Self {
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
            draining: drain.watch(),
        };
        Self { decider, access, api, serve, _drain: drain, tokens }
    }

    /// The path of a verb whose target is there, and its body.
    fn target(&self, verb: &Verb) -> (String, String) {
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
    fn hit(&self) -> String {
        let entries = [Entry { key: "user", value: "alice" }];
        let charge = Some(Charge::Hits(1));
        let descriptors = [Descriptor { entries: &entries, limit_override: None, charge }];
        let request = tollgate_core::descriptor::Request {
            domain: "d",
            descriptors: &descriptors,
            hits_addend: 0,
        };
        self.decider.check(&self.decider.active(), &request).unwrap();
        let search = super::counters::Search { limit: 1, ..Default::default() };
        super::counters::find(&self.decider, &search).counters[0].key.clone()
    }

    /// What the connection of a column shows, and its header.
    fn column(&self, column: usize) -> (Shown, Option<&str>) {
        let tcp = Shown::Names(Arc::default());
        match column {
            0 => (tcp, None),
            8 => (Shown::Socket { uid: 7 }, None),
            _ => (tcp, Some(&self.tokens[column - 1])),
        }
    }

    async fn ask(&self, column: usize, method: &str, path: &str, body: &str) -> Answered {
        let (shown, token) = self.column(column);
        self.send(shown, request(method, path, body, token), false).await
    }

    /// Sends one request on a connection of its own.
    async fn send(&self, shown: Shown, request: Request<Full<Bytes>>, is_http2: bool) -> Answered {
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
struct Answered {
    head: http::response::Parts,
    body: Bytes,
    trailers: http::HeaderMap,
}

impl Answered {
    fn grpc(&self) -> &str {
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

fn request(method: &str, path: &str, body: &str, token: Option<&str>) -> Request<Full<Bytes>> {
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

fn make(access: &Access, role: Option<Role>, life: Duration) -> (String, String) {
    let permissions = [Permission::Refund].into_iter().collect();
    let wanted = Wanted { name: "t".into(), role, permissions, life: Some(life) };
    let (token, record) = access.create_token(&wanted).unwrap();
    (record.id.to_string(), format!("Bearer {}", token.reveal()))
}

fn run(test: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build_local(LocalOptions::default()).unwrap().block_on(test);
}

#[test]
fn every_verb_is_for_those_whom_the_table_says() {
    run(async {
        let world = World::new();
        assert_eq!(TABLE.len(), VERBS.len(), "a verb without a row, or a row without a verb");
        for verb in VERBS {
            let row = TABLE.iter().find(|(does, _)| *does == verb.does);
            let (_, expected) = row.unwrap_or_else(|| panic!("no row for {verb:?}"));
            for (column, who) in CALLERS.iter().enumerate() {
                let (path, body) = world.target(verb);
                let answered = world.ask(column, verb.method, &path, &body).await;
                let status = answered.head.status.as_u16();
                assert_eq!(status, expected[column], "{verb:?} as {who}: {answered:?}");
            }
        }
    });
}

#[test]
fn a_call_that_is_refused_changes_nothing() {
    run(async {
        let world = World::new();
        for verb in VERBS.iter().filter(|verb| writes(verb)) {
            for column in 0..CALLERS.len() {
                let (path, body) = world.target(verb);
                let before = state(&world);
                let answered = world.ask(column, verb.method, &path, &body).await;
                let is_changed = state(&world) != before;
                let is_done = answered.head.status == StatusCode::OK;
                assert_eq!(is_changed, is_done, "{verb:?} as {}", CALLERS[column]);
            }
        }
    });
}

fn writes(verb: &Verb) -> bool {
    verb.role > Role::Viewer
}

/// All that a write may change.
fn state(world: &World) -> (usize, Vec<String>) {
    let tokens = world.access.tokens().iter().map(|record| record.id.to_string()).collect();
    (world.decider.totals().keys, tokens)
}

#[test]
fn without_credentials_every_path_and_method_is_told_the_same() {
    run(async {
        let world = World::new();
        let mut bodies = std::collections::BTreeSet::new();
        for path in ["/v1", "/v1/", "/v1/limits", "/v1/tokens/0123456789", "/v1/no/such/path"] {
            for method in ["GET", "POST", "DELETE", "PATCH", "OPTIONS"] {
                let answered = world.ask(0, method, path, "").await;
                assert_eq!(answered.head.status, StatusCode::UNAUTHORIZED, "{method} {path}");
                assert_eq!(answered.head.headers[WWW_AUTHENTICATE], "Bearer");
                bodies.insert(answered.body);
                // Nor is somebody without a role told what there is.
                let answered = world.ask(7, method, path, "").await;
                assert_eq!(answered.head.status, StatusCode::FORBIDDEN, "{method} {path}");
            }
        }
        assert_eq!(bodies.len(), 1, "{bodies:?}");
        for path in ["/", "/livez", "/readyz", "/metrics", "/stats", "/rlconfig"] {
            let status = world.ask(0, "GET", path, "").await.head.status;
            assert!(status.is_success() || path == "/readyz", "{path}: {status}");
        }
    });
}

#[test]
fn http2_and_grpc_are_served_with_the_same_credentials() {
    run(async {
        let world = World::new();
        for (column, status, grpc) in [
            (0, 401, "16"),
            (1, 401, "16"),
            (4, 200, "12"),
            (6, 200, "12"),
            (7, 403, "7"),
            (8, 200, "12"),
        ] {
            let (shown, token) = world.column(column);
            let uri = "http://node/v1/whoami";
            let json = request("GET", uri, "", token);
            let answered = world.send(shown.clone(), json, true).await;
            assert_eq!(answered.head.status.as_u16(), status, "{answered:?}");
            let mut call = request("POST", "http://node/tollgate.v1.Admin/List", "", token);
            call.headers_mut().insert(CONTENT_TYPE, "application/grpc+proto".parse().unwrap());
            let answered = world.send(shown, call, true).await;
            assert_eq!((answered.head.status.as_u16(), answered.grpc()), (200, grpc));
        }
    });
}

#[test]
fn a_dry_run_says_what_would_change_and_changes_nothing() {
    run(async {
        let world = World::new();
        for verb in VERBS.iter().filter(|verb| writes(verb)) {
            let (path, body) = world.target(verb);
            let before = state(&world);
            let path = format!("{path}?dry_run=true");
            let answered = world.ask(6, verb.method, &path, &body).await;
            assert_eq!(answered.head.status, StatusCode::OK, "{answered:?}");
            let said: serde_json::Value = serde_json::from_slice(&answered.body).unwrap();
            assert_eq!(said["dry_run"], true, "{said}");
            assert_eq!(state(&world), before, "{verb:?}");
            for wrong in ["dry_run=1", "dry_run=yes", "dry-run=true", "dry_run=true&dry_run=true"] {
                let (path, body) = world.target(verb);
                let before = state(&world);
                let answered = world.ask(6, verb.method, &format!("{path}?{wrong}"), &body).await;
                assert_eq!(answered.head.status, StatusCode::BAD_REQUEST, "{wrong}");
                assert_eq!(state(&world), before, "{verb:?}?{wrong}");
            }
        }
    });
}

#[test]
fn every_write_has_one_audit_event_and_nothing_else_has_any() {
    let world = World::new();
    let who = Who::Token { id: "0123456789".into(), name: "ops".into() };
    let caller = Caller { who, ..Caller::owner(0) };
    for verb in VERBS {
        for (query, is_dry) in [("", false), ("dry_run=true", true)] {
            if is_dry && !writes(verb) {
                continue;
            }
            let (path, body) = world.target(verb);
            let found = find(verb.method, &path).unwrap();
            let (answer, lines) =
                logged(|| world.api.answer(&found, query, body.as_bytes(), &caller));
            assert_eq!(answer.status(), StatusCode::OK, "{verb:?}");
            let events = lines.iter().filter(|line| line["event"] == "audit").collect::<Vec<_>>();
            assert_eq!(events.len(), usize::from(writes(verb) && !is_dry), "{verb:?} {lines:?}");
            for event in events {
                assert_eq!(event["who"], "token:0123456789:ops");
                for field in ["action", "target", "label", "before", "after"] {
                    let text = event[field].as_str().unwrap_or_default();
                    assert!(!text.is_empty(), "{verb:?}: no {field} in {event}");
                }
            }
            assert!(!format!("{lines:?}").contains("tollgate_"), "a secret in {lines:?}");
        }
    }
}

#[test]
fn a_token_that_was_made_over_the_api_holds_until_it_is_revoked() {
    run(async {
        let world = World::new();
        let body = r#"{"name": "ci", "role": "operator", "expires_seconds": 5}"#;
        let made = world.ask(8, "POST", "/v1/tokens", body).await;
        assert_eq!(made.head.headers[http::header::CACHE_CONTROL], "no-store");
        let made: super::view::TokenCreated = serde_json::from_slice(&made.body).unwrap();
        let token = format!("Bearer {}", made.token.unwrap());
        let whoami = || request("GET", "/v1/whoami", "", Some(&token));
        let tcp = || Shown::Names(Arc::default());
        let answered = world.send(tcp(), whoami(), false).await;
        let said: super::view::Whoami = serde_json::from_slice(&answered.body).unwrap();
        assert_eq!(said.who, format!("token:{}:ci", made.made.id));
        assert_eq!(said.role.as_deref(), Some("operator"));
        let path = format!("/v1/tokens/{}", made.made.id);
        assert_eq!(world.ask(8, "DELETE", &path, "").await.head.status, StatusCode::OK);
        let answered = world.send(tcp(), whoami(), false).await;
        assert_eq!(answered.head.status, StatusCode::UNAUTHORIZED);
        let again = world.ask(8, "DELETE", &path, "").await;
        assert_eq!(again.head.status, StatusCode::NOT_FOUND);
    });
}

#[test]
fn what_is_no_token_to_make_is_refused() {
    run(async {
        let world = World::new();
        for body in [
            "",
            "[]",
            r#"{"role": "admin"}"#,
            r#"{"name": "a b"}"#,
            r#"{"name": "a", "role": "root"}"#,
            r#"{"name": "a", "role": "caller"}"#,
            r#"{"name": "a", "permissions": ["all"]}"#,
            r#"{"name": "a", "expires_seconds": 0}"#,
            r#"{"name": "a", "expires_seconds": -1}"#,
            r#"{"name": "a", "expires_seconds": 18446744073709551615}"#,
            r#"{"name": "a", "expires": 5}"#,
        ] {
            let answered = world.ask(6, "POST", "/v1/tokens", body).await;
            assert_eq!(answered.head.status, StatusCode::BAD_REQUEST, "{body}");
        }
        assert!(!world.access.tokens().iter().any(|record| &*record.name == "a"));
    });
}
