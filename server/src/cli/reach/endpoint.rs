//! Where a node is asked: its socket, or an address of its admin listener.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use http::Uri;

const FORM: &str = "an endpoint is http://HOST:PORT, https://HOST:PORT or unix:/PATH";

/// Where a node answers operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// The admin socket.
    Socket(PathBuf),
    /// The admin listener.
    Tcp {
        /// A name or an address, without brackets.
        host: String,
        /// Its port.
        port: u16,
        /// Whether it is asked over TLS.
        is_tls: bool,
    },
}

impl Endpoint {
    /// Reads a URL.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.strip_prefix("//").unwrap_or(path) {
                path if path.starts_with('/') => Ok(Self::Socket(PathBuf::from(path))),
                _ => Err(format!("{FORM}; the path in {text:?} does not begin with /")),
            };
        }
        let wrong = || format!("{FORM}, not {text:?}");
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        let authority = uri.authority().ok_or_else(wrong)?;
        let is_bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
        if !is_bare || authority.as_str().contains('@') || text.contains('#') {
            return Err(format!("{}: no path, no user, nothing behind the port", wrong()));
        }
        let port = authority.port_u16().filter(|port| *port > 0);
        let port = port.ok_or_else(|| format!("{FORM}; {text:?} has no port"))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(wrong());
        }
        Ok(Self::Tcp { host, port, is_tls })
    }

    /// Whether what is sent there can be read on a network: in the clear, and to another machine.
    pub(super) fn is_exposed(&self) -> bool {
        match self {
            Self::Socket(_) | Self::Tcp { is_tls: true, .. } => false,
            Self::Tcp { host, is_tls: false, .. } => !is_loopback(host),
        }
    }
}

/// Whether a host is this machine, whatever a name server says. `localhost` is resolved to loopback
/// only: RFC 6761, 6.3.
fn is_loopback(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    address.map_or(host == "localhost", |address| address.to_canonical().is_loopback())
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(f),
            Self::Tcp { host, port, is_tls } => {
                let scheme = if *is_tls { "https" } else { "http" };
                let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
                write!(f, "{scheme}://{open}{host}{close}:{port}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_read_and_shown_alike() {
        for text in
            ["http://127.0.0.1:8081", "https://node.example.com:8081", "http://[::1]:1", "/a/b"]
        {
            let url = if text.starts_with('/') { format!("unix:{text}") } else { text.to_owned() };
            assert_eq!(Endpoint::parse(&url).unwrap().to_string(), text);
        }
        assert_eq!(Endpoint::parse("unix:///a"), Endpoint::parse("unix:/a"));
        assert_eq!(Endpoint::parse("http://a:1/"), Endpoint::parse("http://a:1"));
    }

    #[test]
    fn a_wrong_one_is_told_with_what_would_be_right() {
        for text in [
            "",
            "node:8081",
            "127.0.0.1:8081",
            "ftp://a:1",
            "http://a",
            "http://a:0",
            "http://a:99999",
            "http://:1",
            "http://a:1/v1",
            "http://a:1?b",
            "http://a:1#b",
            "http://user:password@a:1",
            "unix:a",
            "unix:",
            "http://a b:1",
        ] {
            let message = Endpoint::parse(text).unwrap_err();
            assert!(message.starts_with(FORM), "{text:?}: {message}");
        }
    }

    #[test]
    fn what_leaves_the_machine_in_the_clear_is_exposed() {
        for (text, expected) in [
            ("unix:/a", false),
            ("https://10.0.0.1:1", false),
            ("http://127.0.0.1:1", false),
            ("http://127.9.9.9:1", false),
            ("http://[::1]:1", false),
            ("http://[::ffff:127.0.0.1]:1", false),
            ("http://localhost:1", false),
            ("http://10.0.0.1:1", true),
            ("http://[::ffff:10.0.0.1]:1", true),
            ("http://0.0.0.0:1", true),
            ("http://localhost.example.com:1", true),
            ("http://node:1", true),
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().is_exposed(), expected, "{text}");
        }
    }
}
