//! The section `listeners`: addresses that do not overlap, sockets, TLS whose files are right.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Validator;
use crate::access::CertificateRole;
use crate::config::Listeners;
use crate::config::document::Trail;
use crate::config::raw::{self, RawClientAuth, RawTls};
use crate::config::report::excerpt;
use crate::drained::Age;
use crate::tls::{ClientAuth, Clients, MaterialError, PairFiles, San, Tls};

/// Bytes of a socket's path that the system takes.
const SOCKET_PATH_BYTES_MAX: usize = 107;

impl Validator<'_> {
    pub(super) fn listeners(&mut self, raw: &raw::RawListeners, base_dir: &Path) -> Listeners {
        let section = Trail::Root.key("listeners");
        let decide_socket = self.socket(&section.key("decide"), &raw.decide.socket, base_dir);
        let all = [
            ("decide", &raw.decide.address),
            ("http", &raw.http.address),
            ("admin", &raw.admin.address),
        ];
        let is_decoded = !self.is_wrong_below("listeners");
        let addresses = all.map(|(name, text)| self.address(&section.key(name), text));
        for (index, later) in addresses.iter().enumerate() {
            for (earlier, (name, _)) in addresses[..index].iter().zip(all) {
                // An address that is not served takes nobody's.
                let is_served = name != "decide" || decide_socket.is_none();
                if is_decoded
                    && is_served
                    && let (Some(later), Some(earlier)) = (later, earlier)
                {
                    self.refuse_overlap(&section.key(all[index].0), *later, name, *earlier);
                }
            }
        }
        // What stands in for a wrong address is never used: the issue is noted.
        let unused = SocketAddr::from(([0, 0, 0, 0], 0));
        let [decide, http, admin] = addresses.map(|address| address.unwrap_or(unused));
        Listeners {
            decide,
            decide_socket,
            decide_tls: self.tls(&section.key("decide"), &raw.decide.tls, base_dir),
            decide_age: self.age(&section.key("decide"), raw),
            decide_permissions: raw.decide.permissions.iter().copied().collect(),
            http,
            http_tls: self.tls(&section.key("http"), &raw.http.tls, base_dir),
            http_permissions: raw.http.permissions.iter().copied().collect(),
            admin,
            admin_tls: self.tls(&section.key("admin"), &raw.admin.tls, base_dir),
            admin_roles: self.roles(&section.key("admin"), &raw.admin),
            tokens_file: (!raw.admin.tokens_file.is_empty())
                .then(|| base_dir.join(&raw.admin.tokens_file)),
        }
    }

    fn roles(&mut self, listener: &Trail<'_>, raw: &raw::RawAdminListener) -> Vec<CertificateRole> {
        let section = listener.key("roles");
        let count = raw.roles.len();
        if count > raw::ROLES_MAX {
            let message = format!("expected at most {}, found {count}", raw::ROLES_MAX);
            self.issues.push(self.document.issue(&section, message));
            return Vec::new();
        }
        if count > 0 && raw.tls.client_ca.is_empty() {
            let message = "goes with `tls.client_ca`, which is not set";
            self.issues.push(self.document.issue(&section, message));
        }
        let mut roles = Vec::new();
        for (index, one) in raw.roles.iter().enumerate() {
            let trail = section.index(index);
            let san = self.name(&trail.key("san"), &one.san);
            roles.extend(san.map(|san| CertificateRole { san, role: one.role }));
        }
        roles
    }

    pub(super) fn address(&mut self, listener: &Trail<'_>, text: &str) -> Option<SocketAddr> {
        let parsed = text.parse().ok();
        if parsed.is_none() {
            let trail = listener.key("address");
            let message = format!("expected an IP address and a port, found \"{}\"", excerpt(text));
            let issue = self.document.issue(&trail, message);
            self.issues.push(issue.with_help("write it as `127.0.0.1:8081` or `[::]:8081`"));
        }
        parsed
    }

    pub(super) fn refuse_overlap(
        &mut self,
        listener: &Trail<'_>,
        address: SocketAddr,
        other: &str,
        taken: SocketAddr,
    ) {
        if !overlap(address, taken) {
            return;
        }
        let message = format!("{address} is taken by listener `{other}`, which has {taken}");
        let issue = self.document.issue(&listener.key("address"), message);
        self.issues.push(issue.with_help("give each listener a port of its own"));
    }

    fn socket(&mut self, listener: &Trail<'_>, text: &str, base_dir: &Path) -> Option<PathBuf> {
        if text.is_empty() {
            return None;
        }
        let path = base_dir.join(text);
        let bytes = path.as_os_str().len();
        if bytes > SOCKET_PATH_BYTES_MAX {
            let path = path.display();
            let message = format!("expected at most {SOCKET_PATH_BYTES_MAX} bytes, found {path}");
            self.issues.push(self.document.issue(&listener.key("socket"), message));
        }
        Some(path)
    }

    fn age(&mut self, listener: &Trail<'_>, raw: &raw::RawListeners) -> Age {
        let mut length = |key: &str, length| {
            let length = self.length(&listener.key(key), length, raw::CONNECTION_AGE_MAX);
            (length > Duration::ZERO).then_some(length)
        };
        Age {
            max: length("max_connection_age", raw.decide.max_connection_age),
            grace: length("max_connection_age_grace", raw.decide.max_connection_age_grace),
        }
    }

    fn tls(&mut self, listener: &Trail<'_>, raw: &RawTls, base_dir: &Path) -> Option<Tls> {
        let section = listener.key("tls");
        let mut refuse = |key: &str, message: &str| {
            self.issues.push(self.document.issue(&section.key(key), message));
        };
        for (key, text, other, needed) in [
            ("cert", &raw.cert, "key", &raw.key),
            ("key", &raw.key, "cert", &raw.cert),
            ("client_ca", &raw.client_ca, "cert", &raw.cert),
        ] {
            if !text.is_empty() && needed.is_empty() {
                refuse(key, &format!("goes with `{other}`, which is not set"));
            }
        }
        let wants_names = !raw.client_sans.is_empty();
        for (key, is_set) in [
            ("client_auth", raw.client_auth == RawClientAuth::Require),
            ("client_sans", wants_names),
        ] {
            if is_set && raw.client_ca.is_empty() {
                refuse(key, "goes with `client_ca`, which is not set");
            }
        }
        let names = self.names(&section, &raw.client_sans);
        if raw.cert.is_empty() || raw.key.is_empty() {
            return None;
        }
        let pair = PairFiles { cert: base_dir.join(&raw.cert), key: base_dir.join(&raw.key) };
        let clients = (!raw.client_ca.is_empty()).then(|| Clients {
            ca: base_dir.join(&raw.client_ca),
            auth: match raw.client_auth {
                RawClientAuth::Request => ClientAuth::Request,
                RawClientAuth::Require => ClientAuth::Require,
            },
            names,
        });
        let tls = Tls { pair, clients };
        if let Err(error) = tls.check() {
            let issue = self.document.issue(&section.key(tls.key_of(&error)), error.to_string());
            self.issues.push(issue);
        }
        Some(tls)
    }

    fn names(&mut self, section: &Trail<'_>, raw: &[String]) -> Vec<San> {
        let section = section.key("client_sans");
        if raw.len() > raw::CLIENT_SANS_MAX {
            let message = format!("expected at most {}, found {}", raw::CLIENT_SANS_MAX, raw.len());
            self.issues.push(self.document.issue(&section, message));
            return Vec::new();
        }
        let all = raw.iter().enumerate();
        all.filter_map(|(index, text)| self.name(&section.index(index), text)).collect()
    }

    fn name(&mut self, trail: &Trail<'_>, text: &str) -> Option<San> {
        let name = San::parse(text);
        if name.is_none() {
            let message = format!("expected a DNS name or a URI, found \"{}\"", excerpt(text));
            self.issues.push(self.document.issue(trail, message));
        }
        name
    }
}

impl Tls {
    /// The key that names the file which is wrong.
    fn key_of(&self, error: &MaterialError) -> &'static str {
        match &self.clients {
            Some(clients) if clients.ca == error.path => "client_ca",
            _ if self.pair.key == error.path => "key",
            _ => "cert",
        }
    }
}

/// Whether two listeners would take each other's connections.
pub(crate) fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let (a, b) = (one.ip().to_canonical(), other.ip().to_canonical());
    let same_ip = a == b || a.is_unspecified() || b.is_unspecified();
    one.port() != 0 && one.port() == other.port() && same_ip
}
