//! What is sent again and what is not, and where: against nodes that do as a script says.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where its helpers do")]

mod nodes;

use std::sync::Arc;
use std::time::Duration;

use h2::Reason;
use nodes::{Act, BOUND, Node};
use tollgate_client::{Builder, Check, Client, Decide as _, Error, Executed, OnUnavailable};
use tollgate_proto::v1;
use tonic::Code;

fn client(endpoints: &[&str]) -> Builder {
    let builder = Client::builder().timeout(BOUND);
    endpoints.iter().fold(builder, |builder, endpoint| builder.endpoint(*endpoint))
}

fn check() -> Check {
    Check::limit("login").value("client", "alice")
}

fn keyed() -> Check {
    check().idempotency_key("once")
}

/// Dies after executing the first call, answers all others.
async fn dying() -> Node {
    Node::start(|number| if number == 0 { Act::Die } else { Act::allow() }).await
}

#[tokio::test]
async fn what_may_have_been_executed_is_not_sent_again() {
    let node = dying().await;
    let client = client(&[&node.address]).build().unwrap();
    let error = client.check(&check()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    assert_eq!(error.executed(), Executed::Maybe);
    assert_eq!(node.seen().len(), 1);
}

#[tokio::test]
async fn with_a_key_it_is_sent_again_to_the_node_that_would_know_it() {
    let node = dying().await;
    let other = Node::start(|_| Act::allow()).await;
    let client = client(&[&node.address, &other.address]).build().unwrap();
    assert!(client.check(&keyed()).await.unwrap().allowed());
    let seen = node.seen();
    assert_eq!((seen.len(), other.seen().len()), (2, 0));
    assert_eq!(seen[0].body, seen[1].body, "the same request, to the byte");
}

#[tokio::test]
async fn what_is_in_doubt_at_one_node_is_not_sent_to_another_that_would_not_know_its_key() {
    let script = |number| match number {
        0 => Act::Die,
        1 => Act::fail(Code::Unavailable, "NO_ROOM", Some("no")),
        _ => Act::allow(),
    };
    let node = Node::start(script).await;
    let other = Node::start(|_| Act::allow()).await;
    let client = client(&[&node.address, &other.address]).build().unwrap();
    assert!(client.check(&keyed()).await.unwrap().allowed());
    assert_eq!((node.seen().len(), other.seen().len()), (3, 0));
}

#[tokio::test]
async fn what_was_in_doubt_at_a_node_that_is_gone_is_sent_to_another() {
    let other = Node::start(|_| Act::allow()).await;
    let client = client(&[&nodes::doomed().await, &other.address]).build().unwrap();
    assert!(client.check(&keyed()).await.unwrap().allowed());
    assert_eq!(other.seen().len(), 1);
}

#[tokio::test]
async fn a_stream_that_is_refused_after_its_answer_began_is_in_doubt() {
    let (contradicting, _) = nodes::contradicting().await;
    let other = Node::start(|_| Act::allow()).await;
    let client = client(&[&contradicting, &other.address]).build().unwrap();
    let error = client.check(&check()).await.unwrap_err();
    assert_eq!((error.executed(), other.seen().len()), (Executed::Maybe, 0), "{error}");
}

#[tokio::test]
async fn a_node_that_refuses_connections_is_passed_over() {
    let node = Node::start(|_| Act::allow()).await;
    let client = client(&[&nodes::nobody().await, &node.address]).build().unwrap();
    for _ in 0..4 {
        assert!(client.check(&check()).await.unwrap().allowed());
    }
    assert_eq!(node.seen().len(), 4);
}

#[tokio::test]
async fn with_nobody_there_the_error_says_that_nothing_was_executed() {
    let client = client(&[&nodes::nobody().await]).build().unwrap();
    let error = client.check(&check()).await.unwrap_err();
    assert!(error.is_unavailable());
    assert_eq!(error.executed(), Executed::No);
}

#[tokio::test]
async fn a_refused_stream_is_sent_again_and_another_reset_is_not() {
    let refuses = |reason| move |n| if n == 0 { Act::Reset(reason) } else { Act::allow() };
    let node = Node::start(refuses(Reason::REFUSED_STREAM)).await;
    assert!(client(&[&node.address]).build().unwrap().check(&check()).await.unwrap().allowed());
    assert_eq!(node.seen().len(), 2);
    for reason in [Reason::CANCEL, Reason::INTERNAL_ERROR, Reason::NO_ERROR] {
        let node = Node::start(refuses(reason)).await;
        let error = client(&[&node.address]).build().unwrap().check(&check()).await.unwrap_err();
        assert_eq!((error.executed(), node.seen().len()), (Executed::Maybe, 1), "{reason:?}");
    }
}

#[tokio::test]
async fn what_a_leaving_node_has_not_looked_at_is_sent_to_another() {
    let (leaving, turned_away) = nodes::leaving().await;
    let node = Node::start(|_| Act::allow()).await;
    let client = client(&[&leaving, &node.address]).build().unwrap();
    assert!(client.check(&check()).await.unwrap().allowed());
    assert_eq!(node.seen().len(), 1);
    let mut turned_away = turned_away;
    drop(client);
    let one = turned_away.wait_for(|count| *count == 1);
    let _ = tokio::time::timeout(BOUND, one).await.expect("the first one was never asked").unwrap();
}

#[tokio::test]
async fn a_nodes_word_that_nothing_was_executed_is_believed() {
    let full = |executed| move |_| Act::fail(Code::Unavailable, "LEDGER_FULL", executed);
    let (sure, unsure) = (Node::start(full(Some("no"))).await, Node::start(full(None)).await);
    let node = Node::start(|_| Act::allow()).await;
    let both = client(&[&sure.address, &node.address]).build().unwrap();
    assert!(both.check(&check()).await.unwrap().allowed());
    assert_eq!((sure.seen().len(), node.seen().len()), (1, 1));
    let error = client(&[&unsure.address, &node.address]).build().unwrap();
    let error = error.check(&check()).await.unwrap_err();
    assert_eq!((error.word(), error.executed()), ("ledger_full", Executed::Maybe));
    assert_eq!((unsure.seen().len(), node.seen().len()), (1, 1));
}

#[tokio::test]
async fn an_answer_that_says_nothing_is_an_error_whatever_is_to_be_done_then() {
    let node = Node::start(|_| Act::message(&v1::CheckResponse::default())).await;
    let client = client(&[&node.address]).on_unavailable(OnUnavailable::Allow).build().unwrap();
    let error = client.check(&check()).await.unwrap_err();
    assert!(matches!(error, Error::BadAnswer { .. }), "{error}");
    assert_eq!(client.local_answers(), 0);
}

#[tokio::test]
async fn after_the_deadline_nothing_is_sent() {
    let node = Node::start(|_| Act::Hang).await;
    let client = client(&[&node.address]).build().unwrap();
    let timeout = Duration::from_millis(50);
    let error = client.check(&keyed().timeout(timeout)).await.unwrap_err();
    assert_eq!(error, Error::DeadlineExceeded { timeout, executed: Executed::Maybe });
    node.until_reset(1).await;
    let seen = node.seen();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].headers.contains_key("grpc-timeout"));
}

#[tokio::test]
async fn a_call_that_cannot_end_in_time_is_not_sent_again() {
    let details = |_| {
        let mut details = tonic_types::ErrorDetails::with_error_info(
            "LEDGER_FULL",
            "tollgate",
            [("executed".to_owned(), "no".to_owned())],
        );
        details.set_retry_info(Some(BOUND * 2));
        let status = <tonic::Status as tonic_types::StatusExt>::with_error_details(
            Code::Unavailable,
            "later",
            details,
        );
        Act::Fail(Box::new(status))
    };
    let node = Node::start(details).await;
    let client = client(&[&node.address]).build().unwrap();
    let error = client.check(&check()).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(BOUND * 2));
    assert_eq!(node.seen().len(), 1);
}

#[tokio::test]
async fn a_dead_fleet_is_asked_little_more_than_its_callers_ask() {
    let full = |_| Act::fail(Code::Unavailable, "LEDGER_FULL", Some("no"));
    let (one, two) = (Node::start(full).await, Node::start(full).await);
    let client = client(&[&one.address, &two.address]).build().unwrap();
    for _ in 0..200 {
        assert!(client.check(&check()).await.is_err());
    }
    let sent = one.seen().len() + two.seen().len();
    assert!((201..=200 + 20 + 10).contains(&sent), "{sent}");
}

#[tokio::test]
async fn one_call_more_than_may_be_in_flight_is_shed_and_a_dropped_one_frees_its_place() {
    let node = Node::start(|number| if number < 2 { Act::Hang } else { Act::allow() }).await;
    let client = Arc::new(client(&[&node.address]).in_flight_max(2).build().unwrap());
    let start = || {
        let client = Arc::clone(&client);
        tokio::spawn(async move { client.check(&check()).await })
    };
    let (first, second) = (start(), start());
    node.until_seen(2).await;
    let error = client.check(&check()).await.unwrap_err();
    assert_eq!(error, Error::Overloaded { in_flight_max: 2 });
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    node.until_reset(1).await;
    assert_eq!(client.in_flight(), 1);
    assert!(client.check(&check()).await.unwrap().allowed());
    second.abort();
}

#[tokio::test]
async fn a_local_answer_says_that_it_is_one_and_is_counted() {
    let nobody = nodes::nobody().await;
    for (answer, allowed) in [(OnUnavailable::Allow, true), (OnUnavailable::Deny, false)] {
        let client = client(&[&nobody]).on_unavailable(answer).build().unwrap();
        let decision = client.check(&check()).await.unwrap();
        assert!(decision.is_local() && decision.unavailable().is_some());
        assert_eq!((decision.allowed(), client.local_answers()), (allowed, 1));
        let batch = client.check_batch(&[check(), check()]).await.unwrap();
        assert!(batch.iter().all(|result| result.as_ref().unwrap().is_local()));
        let reservation = client.reserve(&check()).await.unwrap();
        assert_eq!((reservation.allowed(), client.local_answers()), (allowed, 4));
        assert_eq!(reservation.commit(7).await.unwrap().uncharged, 7);
    }
    let wrong = Node::start(|_| Act::fail(Code::NotFound, "UNKNOWN_LIMIT", Some("no"))).await;
    let client = client(&[&wrong.address]).on_unavailable(OnUnavailable::Allow).build().unwrap();
    assert_eq!(client.check(&check()).await.unwrap_err().word(), "unknown_limit");
}

#[tokio::test]
async fn a_commit_goes_to_the_node_of_its_reservation_and_may_be_sent_again() {
    let reserve = v1::ReserveResponse {
        decision: Some(v1::CheckResponse { verdict: 1, ..v1::CheckResponse::default() }),
        reservation: "0123456789abcdef".repeat(2),
        ends_after: None,
    };
    let commit = v1::CommitResponse { charged: 37, ..v1::CommitResponse::default() };
    let script = move |number| match number {
        0 => Act::message(&reserve),
        1 => Act::Die,
        _ => Act::message(&commit),
    };
    let (node, other) = (Node::start(script).await, Node::start(|_| Act::allow()).await);
    let client = client(&[&node.address, &other.address]).token("secret").build().unwrap();
    let reservation = client.reserve(&check().hits(100)).await.unwrap();
    assert_eq!(reservation.commit(37).await.unwrap().charged, 37);
    let seen = node.seen();
    assert_eq!((seen.len(), other.seen().len()), (3, 0));
    assert_eq!(seen[2].path, "/tollgate.v1.Decisions/Commit");
    assert_eq!(seen[1].body, seen[2].body);
    assert!(!seen[2].message::<v1::CommitRequest>().idempotency_key.is_empty());
    assert!(seen.iter().all(|call| call.headers["authorization"] == "Bearer secret"));
}

#[tokio::test]
async fn a_batch_is_one_call_with_an_answer_for_each_check() {
    use v1::check_result::Outcome;
    let denied = v1::CheckResponse { verdict: 2, ..v1::CheckResponse::default() };
    let error = v1::CheckError { reason: "UNKNOWN_LIMIT".into(), ..v1::CheckError::default() };
    let outcomes = [Outcome::Response(denied), Outcome::Error(error)];
    let results = outcomes.map(|outcome| v1::CheckResult { outcome: Some(outcome) }).to_vec();
    let response = v1::CheckBatchResponse { results };
    let node = Node::start(move |_| Act::message(&response)).await;
    let client = client(&[&node.address]).build().unwrap();
    let answers = client.check_batch(&[check(), check()]).await.unwrap();
    assert!(!answers[0].as_ref().unwrap().allowed());
    assert_eq!(answers[1].as_ref().unwrap_err().word(), "unknown_limit");
    let error = client.check_batch(&[check()]).await.unwrap_err();
    assert!(matches!(error, Error::BadAnswer { .. }), "{error}");
    assert!(client.check_batch(&[]).await.unwrap().is_empty());
}
