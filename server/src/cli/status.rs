//! `tollgate status`: what a running node says of itself.

use std::time::Duration;

use clap::Args;

use super::exit::Exit;
use super::failure::Ended;
use super::length;
use super::output::{Style, Tone, clean, span};
use super::reach::{Reach, Watch};
use crate::admin::view::{ListenerView, ServerView, Status, TlsView};

const TARGET: &str = "/v1/status";

const AFTER_HELP: &str = "\
Examples:
  tollgate status
  tollgate status --watch=5s                          again and again
  tollgate status --wait --timeout 30s                until it takes traffic, as after a start
  tollgate status --exit-code -o name                 for a script: 0 is healthy, 10 is not
  tollgate status -o json | jq .config.hash           compare nodes
  tollgate status --socket /run/tollgate.sock         a node with a socket of its own
  tollgate status --endpoint http://127.0.0.1:8081 --token-file ~/.tollgate-token";

/// Arguments of `tollgate status`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct StatusArgs {
    /// End with 10 if the node takes no traffic
    #[arg(long, conflicts_with = "watch")]
    exit_code: bool,
    /// Wait until the node takes traffic; one that is not there yet is waited for too
    #[arg(long, conflicts_with = "watch")]
    wait: bool,
    /// How long to wait; then the exit code is 10, or 5 if no node answered
    #[arg(long, value_name = "LENGTH", default_value = "1m", requires = "wait", value_parser = bound)]
    timeout: Duration,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    reach: Reach,
}

fn bound(text: &str) -> Result<Duration, String> {
    length::within(text, Duration::from_millis(1)..=Duration::from_secs(86_400))
}

impl StatusArgs {
    /// Does what the command line says.
    pub(super) fn run(&self) -> Ended {
        let status = if self.wait {
            let fits = |status: &Status| status.ready;
            let answered = self.reach.node()?.wait_for(TARGET, self.timeout, fits)?;
            self.reach.print(&answered, names, text)?;
            answered.read()?
        } else {
            self.reach.show(self.watch, TARGET, names, text)?
        };
        Ok(if self.exit_code && !status.ready { Exit::Unhealthy } else { Exit::Done })
    }
}

fn names(status: &Status) -> Vec<String> {
    status.listeners.iter().map(|listener| listener.name.clone()).collect()
}

fn listener_text(listener: &ListenerView, width: usize, style: &Style) -> String {
    let ListenerView { name, address, connections, connections_max, tls } = listener;
    let (name, address) = (clean(name), clean(address));
    let most = connections_max.map(|most| format!(" of {most}")).unwrap_or_default();
    let mut text = format!("  {name:<width$}  {address}  {connections}{most} connections");
    let Some(TlsView { not_after, is_expired, refused }) = tls else { return text + "\n" };
    let ends = if *is_expired { style.tone(Tone::Bad, "EXPIRED at") } else { "ends".to_owned() };
    text.push_str(&format!(", TLS, certificate {ends} {}\n", clean(not_after)));
    if let Some(why) = refused {
        let (word, why) = (style.tone(Tone::Bad, "REFUSED"), clean(why));
        let name = format!("{:width$}", "");
        text.push_str(&format!("  {name}  {word}, the older certificate goes on: {why}\n"));
    }
    text
}

fn server_text(server: &ServerView, is_loaded: bool, style: &Style) -> String {
    let state = if server.connected {
        "connected".to_owned()
    } else {
        style.tone(Tone::Bad, "NOT CONNECTED")
    };
    let since = server.since.as_ref().map(|since| format!(" since {since}")).unwrap_or_default();
    let why = server.failure.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let mut text = format!("  server {state}{}\n", clean(&format!("{since}{why}")));
    if !is_loaded {
        text.push_str("  no limits have come yet: no call is answered\n");
    }
    text
}

fn counted(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

fn text(status: &Status, style: &Style) -> String {
    let Status { config, ledger, .. } = status;
    let state = match (status.ready, status.draining) {
        (_, true) => style.tone(Tone::Bad, "draining"),
        (true, false) => style.tone(Tone::Good, "ready"),
        (false, false) => style.tone(Tone::Bad, "not ready"),
    };
    let mut text = format!(
        "tollgate {} is {state}, for {} (process {})\n",
        clean(&status.version),
        span(status.uptime_seconds),
        status.pid
    );
    let names = status.listeners.iter().map(|listener| clean(&listener.name).chars().count());
    let width = names.max().unwrap_or(0);
    for listener in &status.listeners {
        text.push_str(&listener_text(listener, width, style));
    }
    text.push_str(&format!(
        "config  {}: {}, {}, hash {}, since {}\n",
        clean(&config.source),
        counted(config.domains, "domain"),
        counted(config.limits, "limit"),
        clean(config.loaded_at.as_ref().map_or("-", |_| &config.hash)),
        clean(config.loaded_at.as_deref().unwrap_or("never"))
    ));
    if let Some(server) = &config.server {
        text.push_str(&server_text(server, config.loaded_at.is_some(), style));
    }
    if let Some(failure) = &config.failure {
        let at = clean(config.failed_at.as_deref().unwrap_or("-"));
        let then = match config.loaded_at {
            Some(_) => "the older configuration goes on",
            None => "no call is answered until it is right",
        };
        let word = style.tone(Tone::Bad, "REFUSED");
        text.push_str(&format!("  {word} at {at}, {then}:\n"));
        failure.lines().for_each(|line| text.push_str(&format!("  {}\n", clean(line))));
    }
    text.push_str(&format!(
        "ledger  {} of {} keys, {} of {} bytes; evicted {} live, {} over limit; refused {}\n",
        ledger.keys,
        ledger.keys_max,
        ledger.bytes,
        ledger.bytes_max,
        ledger.evicted,
        ledger.evicted_over_limit,
        ledger.refused
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_tells_its_bound_and_what_is_wrong_with_its_certificate() {
        let mut listener = ListenerView {
            name: "http".to_owned(),
            address: "[::]:1".to_owned(),
            connections: 2,
            connections_max: Some(9),
            tls: None,
        };
        assert_eq!(
            listener_text(&listener, 6, &Style::default()),
            "  http    [::]:1  2 of 9 connections\n"
        );
        let (not_after, refused) = ("2026".to_owned(), Some("a\x1bb".to_owned()));
        listener.tls = Some(TlsView { not_after, is_expired: true, refused });
        let text = listener_text(&listener, 6, &Style::default());
        assert!(text.contains(", TLS, certificate EXPIRED at 2026\n"), "{text}");
        assert!(text.ends_with("REFUSED, the older certificate goes on: a\u{fffd}b\n"), "{text}");
    }

    #[test]
    fn a_lost_server_is_told_with_its_reason_and_what_follows() {
        let (since, failure) = (Some("1970".to_owned()), Some("no route".to_owned()));
        let lost = ServerView { connected: false, since, failure };
        assert_eq!(
            server_text(&lost, true, &Style::default()),
            "  server NOT CONNECTED since 1970: no route\n"
        );
        assert!(server_text(&lost, false, &Style::default()).contains("no call is answered"));
        let serving = ServerView { connected: true, failure: None, ..lost };
        assert_eq!(
            server_text(&serving, true, &Style::default()),
            "  server connected since 1970\n"
        );
        assert_eq!(
            (counted(1, "limit"), counted(0, "limit")),
            ("1 limit".into(), "0 limits".into())
        );
    }
}
