//! `tollgate.v1.Admin`, asked as everybody, over the connections that operators use.

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::Full;
use prost::Message;
use tokio::runtime::LocalOptions;
use tollgate_core::descriptor::{Charge, Descriptor, Entry, Request};
use tollgate_proto::v1::{
    Counter, GetCounterRequest, ListCountersRequest, ListCountersResponse, ResetCounterRequest,
    TopCountersRequest,
};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::access_world::{World, request};
use super::verbs::{VERBS, Verb};
use crate::access::Role;
use crate::audit::testing::logged;
use crate::decide::Terms;
use crate::done::Done as _;

const SERVICE: &str = include_str!("../../../proto/tollgate/v1/admin.proto");

/// What each method answers each column of [`World::column`]: nobody, with a wrong, an expired and a
/// revoked token, viewer, operator, admin, a caller of the decision API, the socket.
const TABLE: &[(&str, [Code; 9])] = {
    const NONE: Code = Code::Unauthenticated;
    const NOT: Code = Code::PermissionDenied;
    const OK: Code = Code::Ok;
    &[
        ("ListCounters", [NONE, NONE, NONE, NONE, OK, OK, OK, NOT, OK]),
        ("TopCounters", [NONE, NONE, NONE, NONE, OK, OK, OK, NOT, OK]),
        ("GetCounter", [NONE, NONE, NONE, NONE, OK, OK, OK, NOT, OK]),
        ("ResetCounter", [NONE, NONE, NONE, NONE, NOT, OK, OK, NOT, OK]),
    ]
};

/// The columns of the operator and of the socket.
const OPERATOR: usize = 5;
const SOCKET: usize = 8;

fn run<T>(test: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build_local(LocalOptions::default()).unwrap().block_on(test)
}

/// Calls a method as the caller of a column.
async fn call<R: Message + Default>(
    world: &World,
    column: usize,
    method: &str,
    message: &impl Message,
) -> Result<R, Status> {
    let (shown, token) = world.column(column);
    let message = message.encode_to_vec();
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend(message);
    let uri = format!("http://node/tollgate.v1.Admin/{method}");
    let mut asked = request("POST", &uri, "", token).map(|_| Full::new(Bytes::from(frame)));
    asked.headers_mut().insert(CONTENT_TYPE, "application/grpc".parse().unwrap());
    let answered = world.send(shown, asked, true).await;
    assert_eq!(answered.head.status, 200);
    let status = |headers: &HeaderMap| Status::from_header_map(headers);
    let status = status(&answered.head.headers).or_else(|| status(&answered.trailers)).unwrap();
    match status.code() {
        Code::Ok => Ok(R::decode(&answered.body[5..]).unwrap()),
        _ => Err(status),
    }
}

/// Calls a method with a right message about a counter that is there.
async fn rightly(world: &World, column: usize, method: &str) -> Result<(), Status> {
    let key = world.hit();
    match method {
        "ListCounters" => {
            let message = ListCountersRequest::default();
            call::<ListCountersResponse>(world, column, method, &message).await.map(drop)
        }
        "TopCounters" => {
            let message = TopCountersRequest::default();
            call::<ListCountersResponse>(world, column, method, &message).await.map(drop)
        }
        "GetCounter" => {
            call::<Counter>(world, column, method, &GetCounterRequest { key }).await.map(drop)
        }
        "ResetCounter" => {
            let message = ResetCounterRequest { key, dry_run: false };
            call::<Counter>(world, column, method, &message).await.map(drop)
        }
        other => panic!("no message for {other}"),
    }
}

fn reason(status: &Status) -> String {
    status.get_error_details().error_info().unwrap().reason.clone()
}

fn of_grpc() -> impl Iterator<Item = (&'static str, &'static Verb)> {
    VERBS.iter().filter_map(|verb| Some((verb.rpc?, verb)))
}

#[test]
fn every_method_is_for_those_whom_the_table_says() {
    run(async {
        let world = World::new();
        assert_eq!(TABLE.len(), of_grpc().count());
        for (method, verb) in of_grpc() {
            let row = TABLE.iter().find(|(name, _)| *name == method);
            let (_, expected) = row.unwrap_or_else(|| panic!("no row for {method}"));
            for (column, expected) in expected.iter().enumerate() {
                let answer = rightly(&world, column, method).await;
                let code = answer.as_ref().err().map_or(Code::Ok, Status::code);
                assert_eq!(code, *expected, "{method} as {column}: {answer:?}");
                let is_left = world.decider.totals().keys == 1;
                let is_reset = code == Code::Ok && verb.role > Role::Viewer;
                assert_eq!(is_left, !is_reset, "{method} as {column}");
                if let Err(status) = answer {
                    let word = match code {
                        Code::Unauthenticated => "UNAUTHENTICATED",
                        _ => "PERMISSION_DENIED",
                    };
                    assert_eq!(reason(&status), word, "{method} as {column}");
                    let asks = status.metadata().contains_key("www-authenticate");
                    assert_eq!(asks, code == Code::Unauthenticated, "{method} as {column}");
                }
            }
        }
    });
}

#[test]
fn every_method_of_the_service_has_a_role_and_no_other_is_there() {
    let declared = SERVICE.lines().filter_map(|line| line.trim().strip_prefix("rpc "));
    let mut declared: Vec<_> = declared.map(|line| line.split('(').next().unwrap()).collect();
    let mut judged: Vec<_> = of_grpc().map(|(method, _)| method).collect();
    declared.sort_unstable();
    judged.sort_unstable();
    assert_eq!(declared, judged);
    run(async {
        let world = World::new();
        for (column, code) in [
            (0, Code::Unauthenticated),
            (7, Code::PermissionDenied),
            (6, Code::Unimplemented),
            (SOCKET, Code::Unimplemented),
        ] {
            let message = ListCountersRequest::default();
            let answer = call::<ListCountersResponse>(&world, column, "NoSuch", &message).await;
            assert_eq!(answer.unwrap_err().code(), code, "{column}");
        }
    });
}

#[test]
fn a_reset_is_one_audit_event_and_a_dry_run_is_none() {
    for (dry_run, events, keys) in [(true, 0, 1), (false, 1, 0)] {
        let (_, lines) = logged(|| {
            run(async {
                let world = World::new();
                let message = ResetCounterRequest { key: world.hit(), dry_run };
                let counter: Counter =
                    call(&world, SOCKET, "ResetCounter", &message).await.unwrap();
                assert_eq!((counter.key, counter.hits), (message.key, Some(1)));
                assert_eq!(world.decider.totals().keys, keys);
            });
        });
        let found: Vec<_> = lines.iter().filter(|line| line["event"] == "audit").collect();
        assert_eq!(found.len(), events, "{lines:?}");
        assert!(found.iter().all(|event| event["who"] == "socket:7"), "{found:?}");
    }
}

#[test]
fn what_is_beyond_a_bound_or_no_key_is_refused_by_its_field() {
    async fn refused(world: &World, method: &str, message: &impl Message) -> String {
        let status = call::<Counter>(world, OPERATOR, method, message).await.unwrap_err();
        assert_eq!((status.code(), &*reason(&status)), (Code::InvalidArgument, "BAD_REQUEST"));
        let details = status.get_error_details();
        details.bad_request().unwrap().field_violations[0].field.clone()
    }
    run(async {
        let world = World::new();
        let list = ListCountersRequest { page_size: 1_001, ..Default::default() };
        assert_eq!(refused(&world, "ListCounters", &list).await, "page_size");
        let list = ListCountersRequest { page_token: "x".into(), ..Default::default() };
        assert_eq!(refused(&world, "ListCounters", &list).await, "page_token");
        let top = TopCountersRequest { count: 1_001, ..Default::default() };
        assert_eq!(refused(&world, "TopCounters", &top).await, "count");
        let top = TopCountersRequest { by: 9, ..Default::default() };
        assert_eq!(refused(&world, "TopCounters", &top).await, "by");
        for key in [String::new(), "0".repeat(31), "g".repeat(32)] {
            let get = GetCounterRequest { key: key.clone() };
            assert_eq!(refused(&world, "GetCounter", &get).await, "key");
            let reset = ResetCounterRequest { key, dry_run: true };
            assert_eq!(refused(&world, "ResetCounter", &reset).await, "key");
        }
        let list = ListCountersRequest { page_size: 1_000, ..Default::default() };
        call::<ListCountersResponse>(&world, OPERATOR, "ListCounters", &list).await.unwrap();
    });
}

#[test]
fn a_counter_that_is_not_there_is_told_so() {
    run(async {
        let world = World::new();
        let key = "0".repeat(32);
        let get = GetCounterRequest { key: key.clone() };
        let status = call::<Counter>(&world, OPERATOR, "GetCounter", &get).await.unwrap_err();
        assert_eq!((status.code(), &*reason(&status)), (Code::NotFound, "NO_COUNTER"));
        for dry_run in [true, false] {
            let reset = ResetCounterRequest { key: key.clone(), dry_run };
            let status = call::<Counter>(&world, OPERATOR, "ResetCounter", &reset).await;
            assert_eq!(reason(&status.unwrap_err()), "NO_COUNTER");
        }
    });
}

#[test]
fn pages_lead_to_the_end_without_doubles_or_losses() {
    run(async {
        let world = World::new();
        for user in 0..97 {
            let entries = [Entry { key: "user", value: &user.to_string() }];
            let charge = Some(Charge::Hits(1));
            let descriptors = [Descriptor { entries: &entries, limit_override: None, charge }];
            let asked = Request { domain: "d", descriptors: &descriptors, hits_addend: 0 };
            world.decider.check(&world.decider.active(), &asked, Terms::default()).done().unwrap();
        }
        let mut keys = Vec::new();
        let mut message = ListCountersRequest { page_size: 10, ..Default::default() };
        loop {
            let page: ListCountersResponse =
                call(&world, OPERATOR, "ListCounters", &message).await.unwrap();
            assert!(page.counters.len() == 10 || page.next_page_token.is_empty());
            keys.extend(page.counters.into_iter().map(|counter| counter.key));
            message.page_token = page.next_page_token;
            if message.page_token.is_empty() {
                break;
            }
        }
        assert_eq!(keys.len(), 97);
        assert!(keys.is_sorted_by(|a, b| a < b));
    });
}
