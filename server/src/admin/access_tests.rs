//! Every verb of the admin API, asked as everybody, over the connections that operators use.

use std::sync::Arc;

use http::StatusCode;
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use tokio::runtime::LocalOptions;

use super::access_world::{World, request};
use super::find;
use super::verbs::{Does, VERBS, Verb};
use crate::access::{Caller, Role, Shown, Who};
use crate::audit::testing::logged;
use crate::done::Done as _;
use crate::tls::San;

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
    (Does::Cluster, [401, 401, 401, 401, 200, 200, 200, 403, 200]),
    (Does::Whoami, [401, 401, 401, 401, 200, 200, 200, 403, 200]),
    (Does::ListTokens, [401, 401, 401, 401, 200, 200, 200, 403, 200]),
    (Does::CreateToken, [401, 401, 401, 401, 403, 403, 200, 403, 200]),
    (Does::RevokeToken, [401, 401, 401, 401, 403, 403, 200, 403, 200]),
];

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
            for (column, who) in CALLERS.iter().enumerate() {
                let (path, body) = world.target(verb);
                let before = state(&world);
                let answered = world.ask(column, verb.method, &path, &body).await;
                let is_changed = state(&world) != before;
                let is_done = answered.head.status == StatusCode::OK;
                assert_eq!(is_changed, is_done, "{verb:?} as {who}");
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
fn a_connection_that_showed_a_certificate_ends_so_that_the_next_one_shows_it_anew() {
    run(async {
        let world = World::new();
        let names = |all: &[&str]| -> Shown {
            Shown::Names(all.iter().map(|name| San::parse(name).unwrap()).collect())
        };
        let bound = std::time::Duration::from_secs(20);
        tokio::time::timeout(bound, world.idle(names(&["ops.test"]))).await.unwrap();
        // Others are known by each call, or by the system.
        for shown in [names(&[]), Shown::Socket { uid: 7 }] {
            let lived = 10 * super::access_world::AGE;
            assert!(tokio::time::timeout(lived, world.idle(shown)).await.is_err());
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
                logged(|| world.api.answer(&found, query, body.as_bytes(), &caller).done());
            assert_eq!(answer.status(), StatusCode::OK, "{verb:?}");
            let events = lines.iter().filter(|line| line["event"] == "audit").collect::<Vec<_>>();
            assert_eq!(events.len(), usize::from(writes(verb) && !is_dry), "{verb:?} {lines:?}");
            for event in events {
                assert_eq!(event["who"], "token:0123456789:ops");
                for field in ["action", "resource", "label", "before", "after"] {
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
