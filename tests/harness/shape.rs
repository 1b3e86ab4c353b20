//! What a node's configuration says, and where the node listens by it.

use std::net::SocketAddr;

use serde_json::Value;

/// The folder with the ratelimit files, beside the configuration.
pub(crate) const LIMITS_FOLDER: &str = "limits";

/// What the configuration says beside the addresses.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) workers: usize,
    /// How long it serves on when it is told to end.
    pub(crate) drain_notice: String,
    /// More keys of the listeners, each with a comma before it.
    pub(crate) decide: String,
    pub(crate) http: String,
    pub(crate) admin: String,
    /// The most files that the process may open, if that is bounded.
    pub(crate) open_files: Option<usize>,
    /// Keys of `telemetry` that a test adds, each after a comma.
    pub(crate) telemetry: String,
    /// Sections that a test adds, as they stand in the file.
    pub(crate) sections: String,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            workers: 2,
            drain_notice: "0s".to_owned(),
            decide: String::new(),
            http: String::new(),
            admin: String::new(),
            open_files: None,
            telemetry: String::new(),
            sections: String::new(),
        }
    }
}

impl Shape {
    /// The configuration's text.
    pub(crate) fn text(&self, Addresses { decide, http, admin }: Addresses) -> String {
        let Shape { workers, drain_notice, decide: of_decide, http: of_http, .. } = self;
        let Shape { telemetry, sections, admin: of_admin, .. } = self;
        format!(
            r#"node: {{workers: {workers}, drain_notice: {drain_notice}}}
listeners:
  decide: {{address: "{decide}"{of_decide}}}
  http: {{address: "{http}"{of_http}}}
  admin: {{address: "{admin}"{of_admin}}}
ratelimit_files: ["{LIMITS_FOLDER}"]
telemetry: {{log_format: json{telemetry}}}
{sections}"#
        )
    }
}

/// Where a node listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) decide: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Addresses {
    /// What the node says; a listener on a socket keeps the address that was wanted.
    pub(crate) fn learn(events: &[Value], wanted: Self) -> Option<Self> {
        let place = |listener: &str| {
            let mut listening = events.iter().filter(|event| event["event"] == "listening");
            let event = listening.find(|event| event["listener"] == listener)?;
            event["address"].as_str()
        };
        let address = |listener: &str| place(listener)?.parse().ok();
        let is_socket = place("decide").is_some_and(|place| place.starts_with('/'));
        let decide = if is_socket { Some(wanted.decide) } else { address("decide") };
        Some(Self { decide: decide?, http: address("http")?, admin: address("admin")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learns_every_address_from_the_log() {
        let listening = |listener: &str, port: u16| {
            serde_json::json!({"event": "listening", "listener": listener,
                "address": format!("127.0.0.1:{port}")})
        };
        let mut events = vec![listening("decide", 1), listening("http", 2)];
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let wanted = Addresses { decide: any, http: any, admin: any };
        assert!(Addresses::learn(&events, wanted).is_none());
        events.push(listening("admin", 3));
        let addresses = Addresses::learn(&events, wanted).unwrap();
        assert_eq!(
            [addresses.decide, addresses.http, addresses.admin].map(|a| a.port()),
            [1, 2, 3]
        );
    }
}
