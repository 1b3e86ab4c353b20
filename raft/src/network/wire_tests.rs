//! What a peer is refused, over real connections within one process.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream;
use openraft::alias::VoteOf;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tollgate_core::time::{ManualClock, Wall};
use tollgate_proto::peer as message;
use tonic::{Code, Status};

use super::convert;
use super::*;
use crate::group::{Committed, Group, NotProposed};
use crate::meta::Spec;
use crate::snapshot::Work;
use crate::types::Types;

/// A node that belongs to no cluster, and answers batches in the reverse order.
struct Nobody;

impl Host for Nobody {
    fn group(&self, _route: &message::Route) -> Result<Arc<Group>, Status> {
        Err(not_for_us("another cluster"))
    }

    fn is_for_us(&self, route: &message::Route) -> Result<(), Status> {
        if route.to == 2 { Ok(()) } else { Err(not_for_us("another start of this node")) }
    }

    fn hello(&self, _request: message::HelloRequest) -> message::HelloResponse {
        message::HelloResponse::default()
    }

    fn found(&self, _request: message::FoundRequest) -> BoxFuture<'static, message::FoundResponse> {
        Box::pin(async { message::FoundResponse::default() })
    }

    fn forwarded(
        &self,
        from: u64,
        group: u32,
        batch: Bytes,
    ) -> BoxFuture<'static, Result<Committed, NotProposed>> {
        Box::pin(async move {
            match group {
                1 => Ok(Committed { index: from, reply: batch }),
                2 => Err(NotProposed::NotLeader(Some(3))),
                3 => Err(NotProposed::NotLeader(None)),
                4 => Err(NotProposed::Unknown),
                _ => std::future::pending().await,
            }
        })
    }
}

fn secret(fill: u8) -> Secret {
    Secret::new(vec![fill; SECRET_BYTES_MIN]).unwrap()
}

fn peers(fill: u8) -> Arc<Peers> {
    let clock = Arc::new(ManualClock::starting_at(Wall::default()));
    Arc::new(Peers::new(Arc::new(TcpDial), clock, secret(fill)))
}

/// The address of a node that serves until the token is dropped.
async fn served() -> (String, tokio_util::sync::DropGuard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let ended = CancellationToken::new();
    let serving = serve(Arc::new(Nobody), secret(1), Work::Here, incoming(listener), ended.clone());
    tokio::spawn(serving);
    (address, ended.drop_guard())
}

fn beat() -> message::BeatRequest {
    let vote = message::VoteRequest::default();
    let kind = Some(message::beat_request::Kind::Vote(vote));
    message::BeatRequest { route: Some(message::Route::default()), kind }
}

#[tokio::test]
async fn another_secret_or_cluster_is_told_nothing() {
    let (address, _ended) = served().await;
    let stranger = peers(2);
    let refused = stranger.at(&address).beat.clone().beat(beat()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let refused = stranger.at(&address).beat.clone().hello(message::HelloRequest::default()).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);

    let peers = peers(1);
    let refused = peers.at(&address).beat.clone().beat(beat()).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let append = message::AppendRequest {
        route: Some(message::Route::default()),
        ..message::AppendRequest::default()
    };
    let refused = peers.at(&address).bulk.clone().append(stream::iter([append])).await;
    assert_eq!(refused.unwrap_err().code(), Code::FailedPrecondition);
    let begin = message::SnapshotBegin { route: Some(message::Route::default()), vote: None };
    let part = Some(message::snapshot_request::Part::Begin(begin));
    let snapshot = stream::iter([message::SnapshotRequest { part }]);
    let refused = peers.at(&address).snapshot.clone().snapshot(snapshot).await;
    assert_eq!(refused.unwrap_err().code(), Code::FailedPrecondition);
    assert_eq!(peers.tries.dialed.load(Ordering::Relaxed), 3);
}

fn forwarder(address: &str, other: u64) -> Forwarder {
    let founder = |id, name: &str, address: &str| crate::meta::Founder {
        id,
        member: crate::types::Member { name: name.into(), address: address.into() },
    };
    let bounds = tollgate_core::command::Bounds { keys_max: 1, bytes_max: 1, reservations_max: 1 };
    let members = vec![founder(1, "a", "127.0.0.1:1"), founder(other, "b", address)];
    let spec = Spec::new(crate::meta::ClusterId(1), [0; 16], 1, bounds, members).unwrap();
    Forwarder::new(peers(1), Arc::new(spec), 1, TaskTracker::new(), CancellationToken::new())
}

#[tokio::test]
async fn batches_are_answered_each_as_it_is_ready() {
    let (address, ended) = served().await;
    let forwarder = forwarder(&address, 2);
    let batch = Bytes::from_static(b"batch");
    let never = forwarder.forward(2, 9, batch.clone());
    let answers = [1, 2, 3, 4].map(|group| forwarder.forward(2, group, batch.clone()));
    let answers = futures_util::future::join_all(answers).await;
    assert_eq!(
        answers,
        [
            Ok(Committed { index: 1, reply: batch.clone() }),
            Err(NotProposed::NotLeader(Some(3))),
            Err(NotProposed::NotLeader(None)),
            Err(NotProposed::Unknown),
        ]
    );
    // A stream that ends leaves in doubt what it had taken.
    drop(ended);
    assert_eq!(never.await, Err(NotProposed::Unknown));
}

#[tokio::test]
async fn a_batch_that_did_not_leave_is_surely_not_executed() {
    let batch = Bytes::from_static(b"batch");
    let surely_not = Err(NotProposed::NotLeader(None));
    let nobody = forwarder("127.0.0.1:1", 2);
    assert_eq!(nobody.forward(2, 1, batch.clone()).await, surely_not);
    assert_eq!(nobody.forward(7, 1, batch.clone()).await, surely_not);
    let (address, _ended) = served().await;
    let another_start = forwarder(&address, 3);
    assert_eq!(another_start.forward(3, 1, batch).await, surely_not);
}

#[test]
fn entries_that_openraft_would_not_expect_are_refused() {
    let vote = |term, node| convert::vote(&VoteOf::<Types>::new_committed(term, node));
    let entry = |term, index| message::Entry {
        id: Some(message::LogId { term, index }),
        payload: Some(message::entry::Payload::Blank(message::Blank {})),
    };
    let append = |entries| message::AppendRequest {
        route: None,
        vote: Some(vote(3, 1)),
        previous: Some(message::LogId { term: 2, index: 7 }),
        entries,
        committed: None,
    };
    let read = |request| convert::read_append(1, request).is_ok();
    assert!(read(append(vec![entry(2, 8), entry(3, 9)])));
    assert!(!read(append(vec![entry(2, 9)])), "a hole");
    assert!(!read(append(vec![entry(3, 8), entry(2, 9)])), "a term that goes back");
    assert!(!read(append(vec![entry(4, 8)])), "a term beyond the leader's");
    assert!(convert::read_append(2, append(Vec::new())).is_err(), "not the leader's");
    let nameless = message::AppendRequest { vote: None, ..append(Vec::new()) };
    assert!(!read(nameless));
    let of_nobody = message::Membership::default();
    let mut membership = entry(3, 8);
    membership.payload = Some(message::entry::Payload::Membership(of_nobody));
    assert!(!read(append(vec![membership])), "a membership of nobody");
}
