//! Asking a node: where it is, as whom, and what its answers mean for a person.

mod endpoint;
mod exchange;
mod token;
mod wait;
mod watch;
mod way;

use std::fmt::Display;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::{Method, StatusCode};
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::endpoint::Endpoint;
use self::exchange::{Asked, Broken};
pub(super) use self::watch::Watch;
use self::way::{Flags, Way};
use super::exit::Cause;
use super::failure::{Failure, next};
use super::output::{Answered, Output, Style, clean, words};
use crate::admin::view::Failure as Refusal;

/// What to try where the node knows nothing of that name, by the path that was asked.
const LISTS: [(&str, &str); 3] =
    [("/v1/counters", next::COUNTERS), ("/v1/limits", next::LIMITS), ("/v1/tokens", next::TOKENS)];

/// Which node is asked, and how its answer is printed. Every command that asks has these flags.
#[derive(Clone, Debug, Args)]
pub(super) struct Reach {
    #[command(flatten)]
    flags: Flags,
    #[command(flatten)]
    output: Output,
}

impl Reach {
    /// Asks with GET.
    pub(super) fn get(&self, target: &str) -> Result<Answered, Failure> {
        self.node()?.ask(Method::GET, target, "")
    }

    /// Asks with POST.
    pub(super) fn post(&self, target: &str, body: &str) -> Result<Answered, Failure> {
        self.node()?.ask(Method::POST, target, body)
    }

    /// Asks with DELETE.
    pub(super) fn delete(&self, target: &str) -> Result<Answered, Failure> {
        self.node()?.ask(Method::DELETE, target, "")
    }

    /// Prints an answer: `names` are its keys or names, `table` makes it readable.
    pub(super) fn print<T: DeserializeOwned>(
        &self,
        answered: &Answered,
        names: impl FnOnce(&T) -> Vec<String>,
        table: impl FnOnce(&T, &Style) -> String,
    ) -> Result<(), Failure> {
        self.output.print(answered, names, table)
    }

    /// The node, for several questions.
    pub(super) fn node(&self) -> Result<Node, Failure> {
        let way = self.flags.way(|name| std::env::var_os(name))?;
        if let Some(warning) = way.token.as_ref().and_then(|token| token.warning.as_ref()) {
            words(warning);
        }
        Node::new(way)
    }
}

/// A node that is asked, until SIGINT.
pub(super) struct Node {
    way: Way,
    runtime: Runtime,
    interrupt: Signal,
}

impl Node {
    fn new(way: Way) -> Result<Self, Failure> {
        let system = |error: io::Error| Failure::new(Cause::Other, error, next::STATUS);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(system)?;
        let entered = runtime.enter();
        let interrupt = signal(SignalKind::interrupt()).map_err(system)?;
        drop(entered);
        Ok(Self { way, runtime, interrupt })
    }

    /// Asks once.
    pub(super) fn ask(
        &mut self,
        method: Method,
        target: &str,
        body: &str,
    ) -> Result<Answered, Failure> {
        let asked = Asked { method, target: target.to_owned(), body: body.to_owned() };
        let Self { way, runtime, interrupt } = self;
        let answered = runtime.block_on(async {
            tokio::select! {
                biased;
                _ = interrupt.recv() => Err(cancelled()),
                answered = exchange::exchange(way, asked) => {
                    answered.map_err(|broken| unanswered(&way.endpoint, broken))
                }
            }
        });
        let (status, body) = answered?;
        judged(status, body, target)
    }

    /// Waits.
    ///
    /// # Errors
    /// If SIGINT ends it.
    pub(super) fn pause(&mut self, length: Duration) -> Result<(), Failure> {
        let Self { runtime, interrupt, .. } = self;
        runtime.block_on(async {
            tokio::select! {
                biased;
                _ = interrupt.recv() => Err(cancelled()),
                () = tokio::time::sleep(length) => Ok(()),
            }
        })
    }
}

fn cancelled() -> Failure {
    Failure::new(Cause::Cancelled, "cancelled", next::STATUS)
}

/// What an answer with a status is to the caller.
fn judged(status: StatusCode, body: Bytes, target: &str) -> Result<Answered, Failure> {
    if status.is_success() {
        return Ok(Answered::from_wire(body));
    }
    let what = match serde_json::from_slice::<Refusal>(&body) {
        Ok(refusal) => clean(&refusal.message),
        Err(_) => format!("the node answered {status}"),
    };
    let list = LISTS.iter().find(|(path, _)| target.starts_with(path)).map(|(_, next)| *next);
    let next = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => next::TOKEN,
        StatusCode::NOT_FOUND => list.unwrap_or(next::STATUS),
        _ => next::STATUS,
    };
    Err(Failure::new(Cause::Answered(status), what, next))
}

/// What it is to the caller that there is no answer.
fn unanswered(endpoint: &Endpoint, broken: Broken) -> Failure {
    let off = |what: &dyn Display| {
        Failure::new(Cause::NoAnswer, format!("{endpoint}: {what}"), next::STATUS)
    };
    match broken {
        Broken::Connect(error) => unreachable(endpoint, &error),
        Broken::Handshake(what) => {
            let what = format!("{endpoint}: no connection over TLS: {what}");
            Failure::new(Cause::NoAnswer, what, next::AUTHORITIES)
        }
        Broken::NotAdmitted(alert) => {
            let what = format!("{endpoint} does not take this certificate, or wants one: {alert}");
            Failure::new(Cause::NotAdmitted, what, next::CERTIFICATE)
        }
        Broken::Late(most) => off(&format!("no answer in {} seconds", most.as_secs())),
        Broken::Off(what) => off(&format!("the answer broke off: {what}")),
    }
}

fn unreachable(endpoint: &Endpoint, error: &io::Error) -> Failure {
    let is_socket = matches!(endpoint, Endpoint::Socket(_));
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            let hint = if is_socket { " or name its place with --endpoint" } else { "" };
            let what = format!("no node answers at {endpoint}: is one running? Start one{hint}");
            Failure::new(Cause::NoAnswer, what, next::SERVE)
        }
        io::ErrorKind::PermissionDenied if is_socket => {
            let what = format!(
                "{endpoint} belongs to another user: run this as the user that the node runs as"
            );
            Failure::new(Cause::NotAdmitted, what, format!("ls -l {endpoint}"))
        }
        _ => Failure::new(Cause::NoAnswer, format!("{endpoint}: {error}"), next::ENDPOINT),
    }
}

#[cfg(test)]
mod tests;
