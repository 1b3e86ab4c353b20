//! Nodes that do as a script says, on bare HTTP/2: also what no right node would do.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use prost::Message;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tollgate_proto::v1;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// For anything a test waits for; what needs longer hangs.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// What a node does with a call, after it has read it.
pub(crate) enum Act {
    /// Answers with these bytes of a message.
    Answer(Vec<u8>),
    /// Executes the call, one supposes, and closes the connection without an answer.
    Die,
    /// Resets the stream.
    Reset(Reason),
    /// Says nothing, ever.
    Hang,
    /// Ends with an error.
    Fail(Box<Status>),
}

impl Act {
    pub(crate) fn allow() -> Self {
        Self::message(&v1::CheckResponse { verdict: 1, ..v1::CheckResponse::default() })
    }

    pub(crate) fn message(message: &impl Message) -> Self {
        Self::Answer(message.encode_to_vec())
    }

    /// An error with a node's own details.
    pub(crate) fn fail(code: Code, reason: &str, executed: Option<&str>) -> Self {
        let metadata: HashMap<_, _> =
            executed.map(|word| ("executed".to_owned(), word.to_owned())).into_iter().collect();
        let details = ErrorDetails::with_error_info(reason, "tollgate", metadata);
        Self::Fail(Box::new(Status::with_error_details(code, "as told", details)))
    }
}

/// A call as a node saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn message<M: Message + Default>(&self) -> M {
        M::decode(self.body.slice(5..)).unwrap()
    }
}

#[derive(Clone, Debug, Default)]
struct Story {
    seen: Vec<Seen>,
    resets: usize,
}

pub(crate) struct Node {
    pub(crate) address: String,
    story: watch::Receiver<Story>,
    acceptor: JoinHandle<()>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

impl Node {
    /// A node that does what `script` says of its first call, its second, and so on.
    pub(crate) async fn start(script: impl Fn(usize) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (sender, story) = watch::channel(Story::default());
        let (script, sender) = (Arc::new(script), Arc::new(sender));
        let acceptor = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&script) as Script, Arc::clone(&sender)));
            }
        });
        Self { address, story, acceptor }
    }

    /// Calls that it has seen.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.story.borrow().seen.clone()
    }

    pub(crate) async fn until_seen(&self, count: usize) {
        let mut story = self.story.clone();
        let enough = story.wait_for(|story| story.seen.len() >= count);
        drop(tokio::time::timeout(BOUND, enough).await.expect("calls that never came"));
    }

    /// Waits until so many calls were cancelled by the caller.
    pub(crate) async fn until_reset(&self, count: usize) {
        let mut story = self.story.clone();
        let enough = story.wait_for(|story| story.resets >= count);
        drop(tokio::time::timeout(BOUND, enough).await.expect("calls that were not cancelled"));
    }
}

type Script = Arc<dyn Fn(usize) -> Act + Send + Sync>;

async fn serve(stream: TcpStream, script: Script, story: Arc<watch::Sender<Story>>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let death = Arc::new(Notify::new());
    loop {
        tokio::select! {
            call = connection.accept() => {
                let Some(Ok((request, respond))) = call else { return };
                let (script, story) = (Arc::clone(&script), Arc::clone(&story));
                tokio::spawn(answer(request, respond, script, story, Arc::clone(&death)));
            }
            () = death.notified() => return,
        }
    }
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    script: Script,
    story: Arc<watch::Sender<Story>>,
    death: Arc<Notify>,
) {
    let (parts, mut body) = request.into_parts();
    let mut whole = BytesMut::new();
    while let Some(Ok(part)) = body.data().await {
        body.flow_control().release_capacity(part.len()).unwrap();
        whole.put(part);
    }
    let seen =
        Seen { path: parts.uri.path().to_owned(), headers: parts.headers, body: whole.freeze() };
    let mut number = 0;
    story.send_modify(|story| {
        number = story.seen.len();
        story.seen.push(seen);
    });
    match script(number) {
        Act::Answer(message) => {
            let mut stream = respond.send_response(head(), false).unwrap();
            let mut frame = BytesMut::with_capacity(message.len() + 5);
            frame.put_u8(0);
            frame.put_u32(u32::try_from(message.len()).unwrap());
            frame.put_slice(&message);
            stream.send_data(frame.freeze(), false).unwrap();
            let trailers = [("grpc-status", "0")].map(|(name, value)| {
                (http::HeaderName::from_static(name), HeaderValue::from_static(value))
            });
            stream.send_trailers(trailers.into_iter().collect()).unwrap();
        }
        Act::Fail(status) => {
            let mut response = head();
            status.add_header(response.headers_mut()).unwrap();
            respond.send_response(response, true).unwrap();
        }
        Act::Die => death.notify_one(),
        Act::Reset(reason) => respond.send_reset(reason),
        Act::Hang => {
            let _reason = poll_fn(|context| respond.poll_reset(context)).await;
            story.send_modify(|story| story.resets += 1);
        }
    }
}

fn head() -> Response<()> {
    let mut response = Response::new(());
    let value = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", value);
    response
}

/// An address where nobody listens.
pub(crate) async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// A node that executes one call, dies of it, and is not there any more.
pub(crate) async fn doomed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let Ok((stream, _)) = listener.accept().await else { return };
        drop(listener);
        let (story, _) = watch::channel(Story::default());
        serve(stream, Arc::new(|_| Act::Die), Arc::new(story)).await;
    });
    address
}

/// GOAWAY, last stream 0, NO_ERROR.
const LEAVING: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// HEADERS (`:status: 200`) and RST_STREAM, REFUSED_STREAM, of stream 1.
const ANSWERED_AND_REFUSED: &[u8] =
    &[0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88, 0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7];

/// A node that says GOAWAY to the first call of each connection, without having looked at any
/// stream; returns its address and how many calls it has turned away.
pub(crate) async fn leaving() -> (String, watch::Receiver<usize>) {
    raw(LEAVING).await
}

/// A node that begins to answer the first call of each connection and then says that it refused it.
pub(crate) async fn contradicting() -> (String, watch::Receiver<usize>) {
    raw(ANSWERED_AND_REFUSED).await
}

async fn raw(answer: &'static [u8]) -> (String, watch::Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, turned_away) = watch::channel(0);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            if turn_away(&mut stream, answer).await.is_ok() {
                sender.send_modify(|count| *count += 1);
            }
        }
    });
    (address, turned_away)
}

async fn turn_away(stream: &mut TcpStream, answer: &[u8]) -> std::io::Result<()> {
    const HEADERS: u8 = 1;
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await?;
    stream.read_exact(&mut [0; 24]).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        stream.read_exact(&mut vec![0; length]).await?;
        if head[3] == HEADERS {
            break;
        }
    }
    stream.write_all(answer).await?;
    // Until the caller closes, so that it reads this before the end.
    tokio::io::copy(stream, &mut tokio::io::sink()).await.map(drop)
}
