//! Calls on the core of their connection, and what they may cost while they wait.
//!
//! Most calls are answered when they are looked at first and cost nothing here. One that has to
//! wait, for its message or for its peer to take the answer, holds a part of the process's budget
//! and has a time to end in, so that calls that nobody finishes neither pile up nor stay.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use crate::budget::{Budget, Held, Metered, NoRoom};
use crate::native::STREAM_IDLE_MAX;

/// What a call may take while it waits, beside its message: 16 KiB of head and its own state.
const CALL_BYTES: usize = 16 * 1_024;

/// Calls of each connection that may wait without room: a caller with one or two in flight is served
/// whatever others hold. The bound on connections bounds these, too.
const FREE_CALLS: u32 = 2;

/// Header fields of a call. Envoy sends about ten; each costs about 100 bytes of memory, though a
/// single byte of a compressed head can stand for one.
const FIELDS_MAX: usize = 100;

/// Its answer streams for as long as the caller wants it to.
const WATCH: &str = "/grpc.health.v1.Health/Watch";

/// Its answers stream for as long as the caller asks.
const CHECK_STREAM: &str = "/tollgate.v1.Decisions/CheckStream";

/// A stream on which nothing moves for so long is cut off: its caller does not take its answers.
/// Longer than a stream may be silent, which ends it in order.
const STREAM_STUCK_MAX: Duration = STREAM_IDLE_MAX.saturating_mul(2);

/// What the calls of one connection share.
#[derive(Clone, Debug)]
pub(crate) struct Calls {
    budget: Budget,
    /// How long a call may wait.
    wait_max: Duration,
    /// Calls that wait now.
    waiting: Rc<Cell<u32>>,
    /// When the call that was taken last has to end. hyper takes a call and gives it to its
    /// executor in one step, so the executor finds here what the service has seen.
    ends: Rc<Cell<Ends>>,
}

/// When a call has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// Once it has waited for its message or for its answer to be taken.
    InTime,
    /// Once nothing was sent or taken for so long.
    WhenIdle(Duration),
    /// Whenever its caller wants.
    Never,
}

impl Ends {
    fn of(path: &str) -> Self {
        match path {
            CHECK_STREAM => Self::WhenIdle(STREAM_STUCK_MAX),
            WATCH => Self::Never,
            _ => Self::InTime,
        }
    }
}

impl Calls {
    /// Those of a connection; each may wait as long as `wait_max`, with a part of `budget`.
    pub(crate) fn new(budget: Budget, wait_max: Duration) -> Self {
        Self { budget, wait_max, waiting: Rc::default(), ends: Rc::new(Cell::new(Ends::InTime)) }
    }

    /// Whether one more call may wait.
    fn room(&self) -> Result<(), NoRoom> {
        if self.waiting.get() < FREE_CALLS { Ok(()) } else { self.budget.room_for(CALL_BYTES) }
    }

    /// Counts one more call as waiting until the result is dropped.
    fn wait(&self) -> Result<Waiting, NoRoom> {
        let waiting = self.waiting.get();
        let held = (waiting >= FREE_CALLS).then(|| self.budget.hold(CALL_BYTES)).transpose()?;
        self.waiting.set(waiting + 1);
        Ok(Waiting { waiting: Rc::clone(&self.waiting), _held: held })
    }

    /// The service as hyper wants it, within these bounds.
    pub(super) fn to<S>(&self, service: S) -> Bounded<S> {
        Bounded { service, calls: self.clone() }
    }
}

/// A call that waits.
#[derive(Debug)]
struct Waiting {
    waiting: Rc<Cell<u32>>,
    _held: Option<Held>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.waiting.set(self.waiting.get().saturating_sub(1));
    }
}

/// Runs a connection's calls on the core that the connection lives on.
impl<F> Executor<F> for Calls
where
    F: Future + 'static,
{
    #[expect(
        clippy::disallowed_methods,
        reason = "hyper owns the call: it ends with its connection"
    )]
    fn execute(&self, call: F) {
        let ends = self.ends.replace(Ends::InTime);
        tokio::task::spawn_local(waited_for(call, self.clone(), ends));
    }
}

pin_project! {
    /// A call that is run; if it has to wait, within the budget and the time. One that is dropped
    /// before its end resets its stream. Tasks are moved and allocated with every call, so this
    /// holds the call once and little beside it.
    struct WaitedFor<F> {
        #[pin]
        call: F,
        calls: Calls,
        ends: Ends,
        wait: Option<Box<Wait>>,
    }
}

/// What a call needs that has to wait.
struct Wait {
    _waiting: Waiting,
    end: Option<Pin<Box<Sleep>>>,
}

fn waited_for<F: Future>(call: F, calls: Calls, ends: Ends) -> WaitedFor<F> {
    WaitedFor { call, calls, ends, wait: None }
}

impl<F: Future> Future for WaitedFor<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.call.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let wait = match this.wait {
            Some(wait) => wait,
            None => {
                let Ok(waiting) = this.calls.wait() else { return Poll::Ready(()) };
                let length = match this.ends {
                    Ends::InTime => Some(this.calls.wait_max),
                    Ends::WhenIdle(length) => Some(*length),
                    Ends::Never => None,
                };
                let end = length.map(|length| Box::pin(tokio::time::sleep(length)));
                this.wait.insert(Box::new(Wait { _waiting: waiting, end }))
            }
        };
        let Some(end) = &mut wait.end else { return Poll::Pending };
        if end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if let Ends::WhenIdle(length) = this.ends {
            // It was woken, so something has moved.
            *end = Box::pin(tokio::time::sleep(*length));
            return end.as_mut().poll(cx);
        }
        Poll::Pending
    }
}

/// A service whose calls are bounded.
#[derive(Debug)]
pub(super) struct Bounded<S> {
    service: S,
    calls: Calls,
}

impl<S> hyper::service::Service<Request<Incoming>> for Bounded<S>
where
    S: Service<Request<Metered<Incoming>>, Response = Response<Body>, Error = Infallible> + Clone,
    S::Future: Unpin,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer<S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let calls = self.calls.clone();
        if request.headers().len() > FIELDS_MAX {
            let message = format!("more than {FIELDS_MAX} header fields");
            let refused = Some(Status::resource_exhausted(message));
            return Answer { call: Err(refused), calls, waits: false };
        }
        let ends = Ends::of(request.uri().path());
        calls.ends.set(ends);
        let request = match ends {
            Ends::WhenIdle(_) => request.map(|body| Metered::grpc_stream(body, calls.budget)),
            Ends::InTime | Ends::Never => request.map(|body| Metered::grpc(body, calls.budget)),
        };
        // The services behind it are always ready.
        let call = self.service.clone().call(request);
        Answer { call: Ok(call), calls, waits: false }
    }
}

/// The head of an answer in the making.
pub(super) struct Answer<F> {
    /// The service's own, or what the call was refused with before it came to that.
    call: Result<F, Option<Status>>,
    calls: Calls,
    /// It was looked at before.
    waits: bool,
}

impl<F> Future for Answer<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>> + Unpin,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let polled = match &mut this.call {
            Ok(call) => Pin::new(call).poll(cx),
            Err(refused) => match refused.take() {
                Some(status) => Poll::Ready(Ok(status.into_http())),
                None => Poll::Pending,
            },
        };
        if polled.is_ready() || std::mem::replace(&mut this.waits, true) {
            return polled;
        }
        // Here it can still be told why; the executor, which holds the room, only resets it.
        match this.calls.room() {
            Ok(()) => Poll::Pending,
            Err(no_room) => Poll::Ready(Ok(Status::from(no_room).into_http())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;

    use tokio::runtime::LocalOptions;
    use tokio::sync::oneshot;
    use tokio_util::task::TaskTracker;

    use super::*;

    const SHORT: Duration = Duration::from_millis(10);

    fn run<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test)
    }

    /// A call that tells when it is dropped.
    async fn never(dropped: Rc<Cell<bool>>) {
        struct Tells(Rc<Cell<bool>>);
        impl Drop for Tells {
            fn drop(&mut self) {
                self.0.set(true);
            }
        }
        let _tells = Tells(dropped);
        std::future::pending::<()>().await;
    }

    /// One more than may wait without room.
    fn crowded(bytes_max: usize) -> Calls {
        let calls = Calls::new(Budget::new(bytes_max), SHORT);
        calls.waiting.set(FREE_CALLS);
        calls
    }

    #[test]
    fn a_call_that_waits_holds_room_until_its_time_is_over() {
        let (calls, dropped) = (crowded(CALL_BYTES), Rc::new(Cell::new(false)));
        run(async {
            let mut call = pin!(waited_for(never(dropped.clone()), calls.clone(), Ends::InTime));
            let waits = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await;
            assert!(waits);
            assert_eq!((calls.budget.held(), calls.waiting.get()), (CALL_BYTES, FREE_CALLS + 1));
            call.await;
        });
        assert!(dropped.get());
        assert_eq!((calls.budget.held(), calls.waiting.get()), (0, FREE_CALLS));
    }

    #[test]
    fn a_call_that_finds_no_room_is_dropped_and_one_that_need_not_wait_is_not() {
        let (calls, dropped) = (crowded(CALL_BYTES - 1), Rc::new(Cell::new(false)));
        run(waited_for(never(dropped.clone()), calls.clone(), Ends::Never));
        assert!(dropped.get());
        let done = Rc::new(Cell::new(false));
        run(waited_for(async { done.set(true) }, calls, Ends::Never));
        assert!(done.get());
    }

    #[test]
    fn a_call_that_panics_while_it_waits_gives_back_what_it_held() {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build_local(LocalOptions::default()).unwrap();
        let calls = crowded(CALL_BYTES);
        runtime.block_on(async {
            let (sender, waits) = oneshot::channel::<()>();
            let call = async move {
                let _ = waits.await;
                panic!("planted by this test");
            };
            let task = TaskTracker::new().spawn_local(waited_for(call, calls.clone(), Ends::Never));
            tokio::task::yield_now().await;
            assert_eq!((calls.budget.held(), calls.waiting.get()), (CALL_BYTES, FREE_CALLS + 1));
            drop(sender);
            assert!(task.await.unwrap_err().is_panic());
        });
        assert_eq!((calls.budget.held(), calls.waiting.get()), (0, FREE_CALLS));
    }

    #[test]
    fn a_watch_has_no_time_to_end_in() {
        async fn holds(_sender: oneshot::Sender<()>) {
            std::future::pending::<()>().await;
        }
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build_local(LocalOptions::default()).unwrap();
        runtime.block_on(async {
            let calls = Calls::new(Budget::new(0), SHORT);
            let (sender, mut watch) = oneshot::channel();
            calls.ends.set(Ends::Never);
            calls.execute(holds(sender));
            let (sender, call) = oneshot::channel();
            calls.execute(holds(sender));
            // Made later, and given up: so the watch would have been, too.
            assert!(call.await.is_err());
            assert_eq!(watch.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        });
    }

    #[test]
    fn the_first_calls_of_a_connection_wait_without_room() {
        let calls = Calls::new(Budget::new(0), SHORT);
        let waiting: Vec<_> = (0..FREE_CALLS).map(|_| calls.wait().unwrap()).collect();
        assert_eq!((calls.room(), calls.wait().is_err()), (Err(NoRoom), true));
        drop(waiting);
        assert_eq!(calls.room(), Ok(()));
    }

    #[test]
    fn a_call_that_would_wait_without_room_is_told_so() {
        let calls = crowded(0);
        let answer = run(Answer { call: Ok(std::future::pending()), calls, waits: false });
        let status = answer.unwrap().headers().get("grpc-status").cloned().unwrap();
        assert_eq!(status, (tonic::Code::ResourceExhausted as i32).to_string().as_str());
    }
}
