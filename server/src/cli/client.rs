//! Asking a node over its admin socket: one connection for one bounded exchange.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::output;
use crate::admin::view::Failure;
use crate::admin::{default_path, usable_path};

/// For the whole exchange. A scan of millions of counters takes a second or two.
const EXCHANGE_MAX: Duration = Duration::from_secs(30);

/// Bytes of an answer: a page of counters has at most 1 000 rows.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Which node is asked, and how its answer is printed.
#[derive(Debug, Args)]
pub(super) struct Reach {
    /// The node's admin socket [default: $TOLLGATE_ADMIN_SOCKET, else
    /// $XDG_RUNTIME_DIR/tollgate.sock, else /tmp/tollgate-UID/admin.sock]
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// How to print: a table for people, or the admin API's JSON for programs
    #[arg(short, long, global = true, value_name = "FORMAT", default_value = "table")]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
}

/// An answer of the admin API.
#[derive(Debug)]
pub(super) struct Answered(Bytes);

impl Answered {
    /// Reads it.
    ///
    /// # Errors
    /// If this version does not know its form.
    pub(super) fn read<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        serde_json::from_slice(&self.0)
            .context("the node answers in a form that this version does not know; try -o json")
    }
}

impl Reach {
    /// Asks with GET. As with the others, an error names the next command to try.
    pub(super) fn get(&self, target: &str) -> anyhow::Result<Answered> {
        self.ask(Method::GET, target, String::new())
    }

    /// Asks with POST.
    pub(super) fn post(&self, target: &str, body: String) -> anyhow::Result<Answered> {
        self.ask(Method::POST, target, body)
    }

    /// Asks with DELETE.
    pub(super) fn delete(&self, target: &str) -> anyhow::Result<Answered> {
        self.ask(Method::DELETE, target, String::new())
    }

    /// Prints an answer: as it is, or as `table` makes it readable.
    pub(super) fn print<T: DeserializeOwned>(
        &self,
        answered: &Answered,
        table: impl FnOnce(T) -> String,
    ) -> anyhow::Result<()> {
        let mut text = match self.output {
            Output::Json => String::from_utf8_lossy(&answered.0).into_owned(),
            Output::Table => table(answered.read()?),
        };
        if !text.ends_with('\n') {
            text.push('\n');
        }
        output::result(&text)
    }

    fn ask(&self, method: Method, target: &str, body: String) -> anyhow::Result<Answered> {
        let path = match &self.socket {
            Some(path) => path.clone(),
            None => default_path()?,
        };
        let path = usable_path(path)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let request = Request::builder().method(method).uri(target);
        let request =
            request.header(header::HOST, "tollgate").body(Full::new(Bytes::from(body)))?;
        let exchange = async { tokio::time::timeout(EXCHANGE_MAX, exchange(&path, request)).await };
        let answered = runtime.block_on(exchange).map_err(|_| {
            let path = path.display();
            anyhow!("no answer from {path} in {} seconds", EXCHANGE_MAX.as_secs())
        })?;
        let (status, body) = answered?;
        if status == StatusCode::OK {
            return Ok(Answered(body));
        }
        match serde_json::from_slice::<Failure>(&body) {
            Ok(failure) if failure.error == "no_token" => {
                bail!("{}; `tollgate admin token list` lists those there are", failure.message)
            }
            Ok(failure) if status == StatusCode::NOT_FOUND => {
                bail!("{}; `tollgate counters find` lists those there are", failure.message)
            }
            Ok(failure) => bail!("{}", failure.message),
            Err(_) => bail!("the node answered {status}"),
        }
    }
}

async fn exchange(
    path: &Path,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<(StatusCode, Bytes)> {
    let stream = UnixStream::connect(path).await.map_err(|error| unreachable(path, &error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let answer = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| anyhow!("the answer broke off: {error}"))?;
        anyhow::Ok((head.status, body.to_bytes()))
    };
    let mut answer = std::pin::pin!(answer);
    // Driven here instead of in a task: nothing is left over when the exchange ends.
    let answered = tokio::select! {
        biased;
        answer = &mut answer => answer,
        _ended = connection => answer.await,
    };
    answered.with_context(|| format!("asking the node at {}", path.display()))
}

fn unreachable(path: &Path, error: &io::Error) -> anyhow::Error {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => anyhow!(
            "no node answers at {path}: is one running? Start one with `tollgate serve --config \
             FILE` (or `tollgate`), or name its socket with --socket PATH"
        ),
        io::ErrorKind::PermissionDenied => anyhow!(
            "{path} belongs to another user: run this as the user that the node runs as \
             (`ls -l {path}` says who that is)"
        ),
        _ => anyhow!("{path}: {error}; `tollgate status --socket PATH` tries another socket"),
    }
}
