//! Checks over one stream: matched by number, in order, and what is in doubt when it breaks.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where its helpers do")]

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tollgate_client::{Builder, Check, Client, Decide as _, Error, Executed, Transport};
use tollgate_proto::v1;
use tollgate_proto::v1::decisions_server::{Decisions, DecisionsServer};
use tonic::codegen::tokio_stream::Stream;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt as _};

/// For anything a test waits for.
const BOUND: Duration = Duration::from_secs(20);

/// One stream, as the test plays its node's side.
struct Played {
    checks: Streaming<v1::CheckStreamRequest>,
    answers: mpsc::Sender<Result<v1::CheckStreamResponse, Status>>,
}

impl Played {
    async fn next(&mut self) -> v1::CheckStreamRequest {
        let next = tokio::time::timeout(BOUND, self.checks.message()).await;
        next.expect("a check that never came").unwrap().expect("the stream ended")
    }

    async fn answer(&self, id: u64, remaining: u32) {
        let status = v1::LimitStatus {
            verdict: 1,
            limit: Some(v1::CountedLimit::default()),
            remaining,
            ..v1::LimitStatus::default()
        };
        let response = v1::CheckResponse {
            verdict: 1,
            statuses: vec![status],
            ..v1::CheckResponse::default()
        };
        let outcome = Some(v1::check_result::Outcome::Response(response));
        let result = Some(v1::CheckResult { outcome });
        self.answers.send(Ok(v1::CheckStreamResponse { id, result })).await.unwrap();
    }
}

struct Answers(mpsc::Receiver<Result<v1::CheckStreamResponse, Status>>);

impl Stream for Answers {
    type Item = Result<v1::CheckStreamResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

struct Stage(mpsc::Sender<Played>);

#[tonic::async_trait]
impl Decisions for Stage {
    type CheckStreamStream = Answers;

    async fn check_stream(
        &self,
        request: Request<Streaming<v1::CheckStreamRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let (answers, receiver) = mpsc::channel(64);
        let played = Played { checks: request.into_inner(), answers };
        self.0.send(played).await.map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(Answers(receiver)))
    }

    async fn check(
        &self,
        _: Request<v1::CheckRequest>,
    ) -> Result<Response<v1::CheckResponse>, Status> {
        Err(Status::unimplemented("not played"))
    }

    async fn check_batch(
        &self,
        _: Request<v1::CheckBatchRequest>,
    ) -> Result<Response<v1::CheckBatchResponse>, Status> {
        Err(Status::unimplemented("not played"))
    }

    async fn peek(
        &self,
        _: Request<v1::PeekRequest>,
    ) -> Result<Response<v1::CheckResponse>, Status> {
        Err(Status::unimplemented("not played"))
    }

    async fn reserve(
        &self,
        _: Request<v1::ReserveRequest>,
    ) -> Result<Response<v1::ReserveResponse>, Status> {
        Err(Status::unimplemented("not played"))
    }

    async fn commit(
        &self,
        _: Request<v1::CommitRequest>,
    ) -> Result<Response<v1::CommitResponse>, Status> {
        Err(Status::unimplemented("not played"))
    }

    async fn cancel(
        &self,
        _: Request<v1::CancelRequest>,
    ) -> Result<Response<v1::CancelResponse>, Status> {
        Err(Status::unimplemented("not played"))
    }

    async fn refund(
        &self,
        _: Request<v1::RefundRequest>,
    ) -> Result<Response<v1::CheckResponse>, Status> {
        Err(Status::unimplemented("not played"))
    }

    async fn reset(
        &self,
        _: Request<v1::ResetRequest>,
    ) -> Result<Response<v1::ResetResponse>, Status> {
        Err(Status::unimplemented("not played"))
    }
}

/// A client in the making, and the streams that it opens.
async fn played() -> (Builder, mpsc::Receiver<Played>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, streams) = mpsc::channel(8);
    let server =
        tonic::transport::Server::builder().add_service(DecisionsServer::new(Stage(sender)));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    let client = Client::builder().endpoint(address).timeout(BOUND).transport(Transport::Stream);
    (client, streams)
}

async fn opened(streams: &mut mpsc::Receiver<Played>) -> Played {
    tokio::time::timeout(BOUND, streams.recv()).await.expect("no stream").unwrap()
}

type Answered = JoinHandle<Result<tollgate_client::Decision, Error>>;

fn ask(client: &Arc<Client>, check: Check) -> Answered {
    let client = Arc::clone(client);
    tokio::spawn(async move { client.check(&check).await })
}

fn check() -> Check {
    Check::limit("login")
}

async fn failed(answered: Answered) -> Error {
    answered.await.unwrap().unwrap_err()
}

#[tokio::test]
async fn answers_find_their_checks_by_number_whatever_their_order() {
    let (builder, mut streams) = played().await;
    let client = Arc::new(builder.build().unwrap());
    let first = ask(&client, check().hits(1));
    let mut stream = opened(&mut streams).await;
    let one = stream.next().await;
    let second = ask(&client, check().hits(2));
    let two = stream.next().await;
    assert_eq!(two.check.as_ref().unwrap().hits, Some(2));
    assert!(two.check.unwrap().timeout.is_some(), "an item has no deadline but its own");
    stream.answer(77, 0).await; // nobody's
    stream.answer(two.id, 22).await;
    stream.answer(one.id, 11).await;
    assert_eq!(first.await.unwrap().unwrap().remaining(), Some(11));
    assert_eq!(second.await.unwrap().unwrap().remaining(), Some(22));
    assert!(streams.try_recv().is_err(), "one stream for all");
}

#[tokio::test]
async fn a_broken_stream_leaves_what_was_sent_in_doubt_and_the_next_check_opens_another() {
    let (builder, mut streams) = played().await;
    let client = Arc::new(builder.build().unwrap());
    let (plain, keyed) = (ask(&client, check()), ask(&client, check().idempotency_key("k")));
    let mut stream = opened(&mut streams).await;
    let sent = [stream.next().await, stream.next().await];
    drop(stream);
    let error = failed(plain).await;
    assert_eq!(error.executed(), Executed::Maybe, "{error}");
    let mut stream = opened(&mut streams).await;
    let again = stream.next().await;
    let key =
        |request: &v1::CheckStreamRequest| request.check.as_ref().unwrap().idempotency_key == "k";
    let before = sent.iter().find(|request| key(request)).unwrap();
    assert_eq!(again.check, before.check, "the same request");
    stream.answer(again.id, 5).await;
    assert_eq!(keyed.await.unwrap().unwrap().remaining(), Some(5));
}

#[tokio::test]
async fn what_ends_a_stream_that_was_taken_says_nothing_of_the_checks_that_it_carried() {
    let (builder, mut streams) = played().await;
    let client = Arc::new(builder.build().unwrap());
    let plain = ask(&client, check());
    let mut stream = opened(&mut streams).await;
    let _ = stream.next().await;
    let executed = [("executed".to_owned(), "no".to_owned())];
    let details = ErrorDetails::with_error_info("NO_ROOM", "tollgate", executed);
    let status = Status::with_error_details(Code::Unavailable, "no more of it", details);
    stream.answers.send(Err(status)).await.unwrap();
    let error = failed(plain).await;
    assert_eq!(error.executed(), Executed::Maybe, "{error}");
    assert!(streams.try_recv().is_err(), "it was sent again");
}

#[tokio::test]
async fn a_check_that_nobody_waits_for_frees_its_place_and_its_late_answer_is_nobodys() {
    let (builder, mut streams) = played().await;
    let client = Arc::new(builder.in_flight_max(1).build().unwrap());
    let dropped = ask(&client, check());
    let mut stream = opened(&mut streams).await;
    let late = stream.next().await;
    assert!(matches!(client.check(&check()).await, Err(Error::Overloaded { .. })));
    dropped.abort();
    assert!(dropped.await.unwrap_err().is_cancelled());
    let next = ask(&client, check());
    let next_sent = stream.next().await;
    stream.answer(late.id, 1).await;
    stream.answer(next_sent.id, 2).await;
    assert_eq!(next.await.unwrap().unwrap().remaining(), Some(2));
}

#[tokio::test]
async fn a_check_on_a_stream_ends_at_its_deadline() {
    let (builder, mut streams) = played().await;
    let client = Arc::new(builder.build().unwrap());
    let timeout = Duration::from_millis(50);
    let late = ask(&client, check().timeout(timeout));
    let mut stream = opened(&mut streams).await;
    let _ = stream.next().await;
    let error = failed(late).await;
    assert_eq!(error, Error::DeadlineExceeded { timeout, executed: Executed::Maybe });
}

#[tokio::test]
async fn without_a_connection_nothing_was_executed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::builder().endpoint(address).timeout(BOUND).transport(Transport::Stream);
    let error = client.build().unwrap().check(&check()).await.unwrap_err();
    assert_eq!(error.executed(), Executed::No, "{error}");
}

#[tokio::test]
async fn a_client_that_is_dropped_ends_its_stream() {
    let (builder, mut streams) = played().await;
    let client = Arc::new(builder.build().unwrap());
    let answered = ask(&client, check());
    let mut stream = opened(&mut streams).await;
    let sent = stream.next().await;
    stream.answer(sent.id, 1).await;
    assert!(answered.await.unwrap().is_ok());
    drop(client);
    let end = tokio::time::timeout(BOUND, stream.checks.message()).await;
    assert!(!matches!(end.expect("the stream goes on"), Ok(Some(_))));
}
