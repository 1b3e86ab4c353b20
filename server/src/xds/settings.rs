//! Where the xDS server is and how this node introduces itself.

use std::fmt;

use tonic::metadata::{
    AsciiMetadataKey, AsciiMetadataValue, BinaryMetadataKey, BinaryMetadataValue, MetadataMap,
};

use super::machine::Backoff;
use crate::tls::ClientTls;

/// The port of a target that names none, as for gRPC in Go.
const PORT: u16 = 443;

/// Bytes of a header's value from which it is looked for in what servers say: `1` and `true` are no
/// secrets.
const SECRET_BYTES_MIN: usize = 6;

/// How to subscribe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The server.
    pub(crate) target: Target,
    /// What this node calls itself; the server chooses its content by it.
    pub(crate) node_id: String,
    /// What else it says about itself.
    pub(crate) node_metadata: Vec<(String, String)>,
    /// Sent with the call.
    pub(crate) headers: Headers,
    /// Without it, everything goes in the clear.
    pub(crate) tls: Option<ClientTls>,
    /// The name that the server's certificate must have; the target's host unless set.
    pub(crate) server_name: Option<String>,
    /// Between connections.
    pub(crate) backoff: Backoff,
    /// Bytes of a response.
    pub(crate) message_bytes_max: usize,
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// A name or an address, without brackets.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
}

impl Target {
    /// The target that `text` spells, as gRPC in Go reads it: `host:port`, `[::1]:port`, a host
    /// alone, each also behind `dns:` or `passthrough:`. Others (`unix:`, `xds:`) are `None`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let scheme = ["dns:", "passthrough:"].iter().find_map(|scheme| text.strip_prefix(scheme));
        let text = match scheme {
            Some(rest) => rest.strip_prefix("///").unwrap_or(rest),
            None => text,
        };
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, behind) = rest.split_once(']')?;
                let port = if behind.is_empty() { None } else { Some(behind.strip_prefix(':')?) };
                (host, port)
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = match port {
            Some(port) => port.parse().ok().filter(|port| *port != 0)?,
            None => PORT,
        };
        let is_host =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
        let fits = !host.is_empty() && host.len() <= 253 && host.chars().all(is_host);
        fits.then(|| Self { host: host.to_owned(), port })
    }

    /// Host and port as a URI has them.
    pub(super) fn authority(&self) -> String {
        let Self { host, port } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.authority())
    }
}

/// Headers whose values may be secrets: never shown, and sent so that no proxy indexes them.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Headers(Vec<(String, String)>);

impl Headers {
    /// Adds a header; false if no gRPC call can carry it.
    pub(crate) fn add(&mut self, name: &str, value: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let is_ours = name.starts_with("grpc-")
            || matches!(&*name, "te" | "content-type" | "user-agent" | "host" | "connection");
        let fits = !is_ours && {
            if name.ends_with("-bin") {
                BinaryMetadataKey::from_bytes(name.as_bytes()).is_ok()
            } else {
                AsciiMetadataKey::from_bytes(name.as_bytes()).is_ok()
                    && AsciiMetadataValue::try_from(value).is_ok()
            }
        };
        if fits {
            self.0.push((name, value.to_owned()));
        }
        fits
    }

    /// `text`, which a server said, without values that were sent to it: some repeat what they do not
    /// like.
    pub(super) fn hide_in(&self, text: &str) -> String {
        // `Bearer TOKEN` is repeated whole or as the token alone.
        let values = self.0.iter().map(|(_, value)| value.trim());
        let secrets = values.flat_map(|value| [Some(value), value.split_whitespace().next_back()]);
        let secrets = secrets.flatten().filter(|secret| secret.len() >= SECRET_BYTES_MIN);
        secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "(hidden)"))
    }

    /// Adds them to a call.
    pub(super) fn write(&self, metadata: &mut MetadataMap) {
        for (name, value) in &self.0 {
            if let Ok(key) = AsciiMetadataKey::from_bytes(name.as_bytes())
                && let Ok(mut value) = AsciiMetadataValue::try_from(&**value)
            {
                value.set_sensitive(true);
                metadata.append(key, value);
            } else if let Ok(key) = BinaryMetadataKey::from_bytes(name.as_bytes()) {
                let mut value = BinaryMetadataValue::from_bytes(value.as_bytes());
                value.set_sensitive(true);
                metadata.append_bin(key, value);
            }
        }
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_as_grpc_in_go_reads_them() {
        for (text, host, port) in [
            ("envoy-gateway:18001", "envoy-gateway", 18001),
            ("127.0.0.1:1", "127.0.0.1", 1),
            ("[::1]:18000", "::1", 18000),
            ("[::1]", "::1", 443),
            ("xds.example.com", "xds.example.com", 443),
            ("dns:///gw.ns.svc:18001", "gw.ns.svc", 18001),
            ("dns:gw:18001", "gw", 18001),
            ("passthrough:///gw:18001", "gw", 18001),
        ] {
            let target = Target { host: host.into(), port };
            assert_eq!(Target::parse(text), Some(target), "{text}");
        }
        for text in [
            "",
            ":18001",
            "gw:",
            "gw:0",
            "gw:65536",
            "gw:http",
            "http://gw:18001",
            "unix:///run/xds.sock",
            "dns://8.8.8.8/gw:18001",
            "::1",
            "[::1]x",
            "gw/path:1",
            "a@b:1",
        ] {
            assert_eq!(Target::parse(text), None, "{text}");
        }
        assert_eq!(Target::parse("[::1]:7").unwrap().to_string(), "[::1]:7");
    }

    #[test]
    fn what_a_server_repeats_of_the_headers_is_hidden() {
        let mut headers = Headers::default();
        assert!(headers.add("authorization", "Bearer hunter2"));
        assert!(headers.add("x-shard", "1"));
        for (said, shown) in [
            ("token hunter2 has expired", "token (hidden) has expired"),
            ("no such user: Bearer hunter2", "no such user: (hidden)"),
            ("line 1: no token", "line 1: no token"),
        ] {
            assert_eq!(headers.hide_in(said), shown);
        }
    }

    #[test]
    fn headers_are_sent_and_never_shown() {
        let mut headers = Headers::default();
        assert!(headers.add("Authorization", "Bearer hunter2"));
        assert!(headers.add("token-bin", "hunter2\n"));
        for (name, value) in [("a b", "x"), ("x", "a\nb"), ("grpc-timeout", "1S"), ("te", "x")] {
            assert!(!headers.add(name, value), "{name}");
        }
        assert_eq!(format!("{headers:?}"), "[\"authorization\", \"token-bin\"]");
        let mut metadata = MetadataMap::new();
        headers.write(&mut metadata);
        assert_eq!(metadata.get("authorization").unwrap(), "Bearer hunter2");
        assert!(metadata.get("authorization").unwrap().is_sensitive());
        let binary = metadata.get_bin("token-bin").unwrap().to_bytes().unwrap();
        assert_eq!(&*binary, b"hunter2\n");
    }
}
