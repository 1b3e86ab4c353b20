//! Checks over one stream to an endpoint: sent in order, answered by number.
//!
//! The stream is opened by the first check and again by the first check after it broke. What was
//! taken from the queue by then may have been executed; what was not, was not.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tollgate_proto::v1;
use tollgate_proto::v1::decisions_client::DecisionsClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;

use super::endpoint::authorized;
use super::outcome::Failure;
use crate::Error;

type Answer = Result<v1::CheckResult, Failure>;

/// Checks that wait to be sent; beyond them a check is shed at once.
const QUEUE_MAX: usize = 1024;

/// The stream to one endpoint.
#[derive(Debug)]
pub(super) struct CheckStream {
    address: Arc<str>,
    client: DecisionsClient<Channel>,
    authorization: Option<MetadataValue<Ascii>>,
    queue_max: usize,
    open: Mutex<Option<Open>>,
}

/// A stream that is open, or was.
#[derive(Debug)]
struct Open {
    queue: mpsc::Sender<v1::CheckStreamRequest>,
    waiting: Arc<Waiting>,
    reader: JoinHandle<()>,
    next_id: u64,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl CheckStream {
    pub(super) fn new(
        address: &str,
        client: DecisionsClient<Channel>,
        authorization: Option<MetadataValue<Ascii>>,
        in_flight_max: usize,
    ) -> Self {
        let queue_max = in_flight_max.min(QUEUE_MAX);
        Self { address: address.into(), client, authorization, queue_max, open: Mutex::new(None) }
    }

    /// Sends a check and waits for its answer; dropped, it waits no more, and what was not sent is
    /// not sent any more.
    pub(super) async fn check(&self, check: v1::CheckRequest) -> Answer {
        let (place, answer) = self.enqueue(check)?;
        let answer = answer.await;
        drop(place);
        answer.unwrap_or_else(|_| Err(Failure::ended(&self.address)))
    }

    fn enqueue(
        &self,
        check: v1::CheckRequest,
    ) -> Result<(Place, oneshot::Receiver<Answer>), Failure> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = open.as_ref().filter(|open| open.reader.is_finished()) {
            // It told everybody itself, unless it ended with its runtime.
            open.waiting.close(&Failure::ended(&self.address), true, &self.address);
        }
        if open.as_ref().is_none_or(|open| open.waiting.lock().is_closed) {
            *open = Some(self.start());
        }
        let full = || Failure::last(Error::Overloaded { in_flight_max: self.queue_max });
        let Some(open) = open.as_mut() else { return Err(full()) };
        let id = open.next_id;
        let (sender, answer) = oneshot::channel();
        {
            let mut waiting = open.waiting.lock();
            if waiting.is_closed {
                // It broke this very moment, before the check was sent.
                return Err(Failure::ended(&self.address).unsent(&self.address));
            }
            waiting.by_id.insert(id, Waiter { answer: sender, is_sent: false });
        }
        open.next_id += 1;
        let place = Place { id, waiting: Arc::clone(&open.waiting) };
        let request = v1::CheckStreamRequest { id, check: Some(check) };
        match open.queue.try_send(request) {
            Ok(()) => Ok((place, answer)),
            Err(mpsc::error::TrySendError::Full(_)) => Err(full()),
            Err(mpsc::error::TrySendError::Closed(_)) => {
                Err(Failure::ended(&self.address).unsent(&self.address))
            }
        }
    }

    fn start(&self) -> Open {
        let (queue, outbound) = mpsc::channel(self.queue_max);
        let waiting = Arc::new(Waiting::default());
        let outbound = Outbound { queue: outbound, waiting: Arc::clone(&waiting) };
        let request = authorized(outbound, self.authorization.as_ref());
        let reading = Arc::clone(&waiting);
        let (client, address) = (self.client.clone(), Arc::clone(&self.address));
        let reader = tokio::spawn(async move {
            let (failure, is_accepted) = read(client, request, &reading, &address).await;
            reading.close(&failure, is_accepted, &address);
        });
        Open { queue, waiting, reader, next_id: 1 }
    }
}

/// Hands answers out until the stream ends; returns why, and whether the node had taken it by then.
async fn read(
    mut client: DecisionsClient<Channel>,
    request: tonic::Request<Outbound>,
    waiting: &Waiting,
    address: &str,
) -> (Failure, bool) {
    let broken = |status: tonic::Status| Failure::of(&status, address, Duration::ZERO);
    let mut answers = match client.check_stream(request).await {
        Ok(response) => response.into_inner(),
        Err(status) => return (broken(status), false),
    };
    loop {
        match answers.message().await {
            Ok(Some(v1::CheckStreamResponse { id, result })) => {
                waiting.answer(id, result);
            }
            Ok(None) => return (Failure::ended(address), true),
            Err(status) => return (broken(status), true),
        }
    }
}

/// Who waits for which answer.
#[derive(Debug, Default)]
struct Waiting(Mutex<Waiters>);

/// Bounded by the client's calls in flight: each has a place and gives it up when it ends.
#[derive(Debug, Default)]
struct Waiters {
    is_closed: bool,
    by_id: HashMap<u64, Waiter>,
}

#[derive(Debug)]
struct Waiter {
    answer: oneshot::Sender<Answer>,
    is_sent: bool,
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Waiters> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks a check as sent; false if nobody waits for it any more.
    fn mark_sent(&self, id: u64) -> bool {
        let mut waiters = self.lock();
        let Some(waiter) = waiters.by_id.get_mut(&id) else { return false };
        waiter.is_sent = true;
        true
    }

    /// An answer nobody waits for is one that came too late.
    fn answer(&self, id: u64, result: Option<v1::CheckResult>) {
        let Some(waiter) = self.lock().by_id.remove(&id) else { return };
        let nothing = Failure::last(Error::BadAnswer { what: "an answer without a result" });
        // The receiver may be gone this moment.
        let _ = waiter.answer.send(result.ok_or(nothing));
    }

    /// Tells all that wait that the stream is over.
    fn close(&self, failure: &Failure, is_accepted: bool, address: &str) {
        let waiters = {
            let mut waiters = self.lock();
            waiters.is_closed = true;
            std::mem::take(&mut waiters.by_id)
        };
        for waiter in waiters.into_values() {
            let failure = failure.clone();
            let failure = match (waiter.is_sent, is_accepted) {
                (false, _) => failure.unsent(address),
                // What is said of a stream that was not taken is said of all that it carried.
                (true, false) => failure,
                // Of one that was taken nobody knows how far it was read, whatever ended it.
                (true, true) => failure.in_doubt(address),
            };
            let _ = waiter.answer.send(Err(failure));
        }
    }
}

/// A place among those who wait.
struct Place {
    id: u64,
    waiting: Arc<Waiting>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.waiting.lock().by_id.remove(&self.id);
    }
}

/// The queue as the stream of a call.
struct Outbound {
    queue: mpsc::Receiver<v1::CheckStreamRequest>,
    waiting: Arc<Waiting>,
}

impl tonic::codegen::tokio_stream::Stream for Outbound {
    type Item = v1::CheckStreamRequest;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match std::task::ready!(self.queue.poll_recv(context)) {
                Some(request) if !self.waiting.mark_sent(request.id) => {}
                other => return Poll::Ready(other),
            }
        }
    }
}
