//! A process of Tollgate that was started, and where it listens once it is ready.
//!
//! Everything is read from the JSON log: the addresses were the system's choice.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use crate::process::Process;
use crate::wait::{self, Probe};

/// From the start of a process to its `ready`.
const START_BOUND: Duration = Duration::from_secs(20);

/// Where a node listens.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// gRPC.
    pub decide: SocketAddr,
    /// HTTP for callers.
    pub http: SocketAddr,
    /// HTTP for operators.
    pub admin: SocketAddr,
}

/// Waits until the process says that it is ready, and where it listens.
///
/// # Errors
/// When it ends before, or is not ready in time.
pub async fn ready(process: &mut Process) -> anyhow::Result<Addresses> {
    ready_on(process, None).await
}

/// The same; a decide listener on a Unix socket keeps the address that was wanted.
pub(crate) async fn ready_on(
    process: &mut Process,
    wanted: Option<Addresses>,
) -> anyhow::Result<Addresses> {
    let ready = wait::until("a ready tollgate", START_BOUND, async || {
        if let Ok(Some(exit)) = process.exited() {
            return Probe::Never(format!("tollgate ended with {exit}"));
        }
        let events = all_events(process);
        if !events.iter().any(|event| event["event"] == "ready") {
            return Probe::NotYet(format!("{} events, none of them `ready`", events.len()));
        }
        match learn(&events, wanted) {
            Some(addresses) => Probe::Holds(addresses),
            None => Probe::Never("`ready` without the address of every listener".into()),
        }
    });
    let ready = ready.await;
    ready.with_context(|| process.story())
}

/// The JSON lines of its log, oldest first; other lines are left out.
#[must_use]
pub fn all_events(process: &Process) -> Vec<Value> {
    let lines = process.stderr().all();
    lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Those with this event.
#[must_use]
pub fn events(process: &Process, event: &str) -> Vec<Value> {
    let mut events = all_events(process);
    events.retain(|line| line["event"] == event);
    events
}

/// Has a node that starts by its environment listen for this machine only, on ports of the system's
/// choice.
pub fn loopback(command: &mut Command) {
    for (host, port) in [("HOST", "PORT"), ("GRPC_HOST", "GRPC_PORT"), ("DEBUG_HOST", "DEBUG_PORT")]
    {
        command.env(host, "127.0.0.1").env(port, "0");
    }
}

fn learn(events: &[Value], wanted: Option<Addresses>) -> Option<Addresses> {
    let place = |listener: &str| {
        let mut listening = events.iter().filter(|event| event["event"] == "listening");
        let event = listening.find(|event| event["listener"] == listener)?;
        event["address"].as_str()
    };
    let address = |listener: &str| {
        let address: SocketAddr = place(listener)?.parse().ok()?;
        // A wildcard is listened on, not called.
        let is_wildcard = address.ip().is_unspecified();
        let ip = if is_wildcard { Ipv4Addr::LOCALHOST.into() } else { address.ip() };
        Some(SocketAddr::new(ip, address.port()))
    };
    let is_socket = place("decide").is_some_and(|place| place.starts_with('/'));
    let decide = if is_socket { wanted.map(|wanted| wanted.decide) } else { address("decide") };
    Some(Addresses { decide: decide?, http: address("http")?, admin: address("admin")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learns_every_address_from_the_log() {
        let listening = |listener: &str, address: &str| serde_json::json!({"event": "listening", "listener": listener, "address": address});
        let mut events = vec![listening("decide", "[::]:1"), listening("http", "127.0.0.1:2")];
        assert!(learn(&events, None).is_none());
        events.push(listening("admin", "127.0.0.1:3"));
        let Addresses { decide, http, admin } = learn(&events, None).unwrap();
        let all = [decide, http, admin].map(|address| address.to_string());
        assert_eq!(all, ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]);
    }
}
