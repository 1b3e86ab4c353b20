//! The section `listeners` as it is written.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::{Permission, Role};
use crate::config::quantity::Length;

/// Where the node listens.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct RawListeners {
    /// gRPC: the rate-limit service and health.
    pub(crate) decide: RawDecideListener,
    /// HTTP: `/json` and `/healthcheck`.
    pub(crate) http: RawHttpListener,
    /// For operators: `/metrics`, `/livez`, `/readyz`, `/stats` and `/rlconfig` without credentials,
    /// the admin API with a token or a client certificate. Keep it on loopback, or give it TLS.
    pub(crate) admin: RawAdminListener,
}

/// The gRPC listener.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct RawDecideListener {
    /// An IP address and a port. Port 0 lets the system choose one. `[::]` takes IPv4, too.
    /// Default: `[::]:8081`.
    pub(crate) address: String,
    /// A path of a Unix socket that is served instead of the address, relative to the folder of
    /// this file. Its owner and its owner's group may connect (mode 0660). A socket that a dead
    /// process left is replaced. Default: empty, the address is served.
    pub(crate) socket: String,
    /// TLS, on the address or the socket. Default: none.
    pub(crate) tls: RawTls,
    /// What everybody may do who reaches this listener, beside asking for decisions: any of
    /// `inline_limits`, `refund` and `reset`. Others need a token with the permission. Default: none.
    pub(crate) permissions: Vec<Permission>,
    /// How old a connection may become; a tenth more or less, by chance, so that connections do not
    /// end together. Then it takes no new calls, those in flight are answered, and its peer
    /// connects anew. Default: 1d. 0s: for ever. Range: 0s to 365d.
    pub(crate) max_connection_age: Length,
    /// How long calls in flight may take on a connection that is too old; then it is closed.
    /// Default: 1h. 0s: for ever. Range: 0s to 365d.
    pub(crate) max_connection_age_grace: Length,
}

impl Default for RawDecideListener {
    fn default() -> Self {
        Self {
            address: "[::]:8081".to_owned(),
            socket: String::new(),
            tls: RawTls::default(),
            permissions: Vec::new(),
            max_connection_age: Length(Duration::from_secs(24 * 60 * 60)),
            max_connection_age_grace: Length(Duration::from_secs(60 * 60)),
        }
    }
}

/// The HTTP listener.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct RawHttpListener {
    /// An IP address and a port. Port 0 lets the system choose one. `[::]` takes IPv4, too.
    /// Default: `[::]:8080`.
    pub(crate) address: String,
    /// TLS. Default: none.
    pub(crate) tls: RawTls,
    /// As for `decide`. Default: none.
    pub(crate) permissions: Vec<Permission>,
}

impl Default for RawHttpListener {
    fn default() -> Self {
        Self { address: "[::]:8080".to_owned(), tls: RawTls::default(), permissions: Vec::new() }
    }
}

/// The operators' listener.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct RawAdminListener {
    /// An IP address and a port. Port 0 lets the system choose one. Default: `127.0.0.1:6070`.
    pub(crate) address: String,
    /// TLS. Without it, tokens travel in the clear. Default: none.
    pub(crate) tls: RawTls,
    /// Roles that client certificates give. Goes with `tls.client_ca`. The greatest role of those
    /// that fit holds. Default: none. At most 1000.
    pub(crate) roles: Vec<RawCertificateRole>,
    /// A file in which the node keeps its tokens (mode 0600; digests, no secrets), relative to the
    /// folder of this file. It belongs to one node, which reads it at its start. Default: empty,
    /// tokens end with the node.
    pub(crate) tokens_file: String,
}

impl Default for RawAdminListener {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:6070".to_owned(),
            tls: RawTls::default(),
            roles: Vec::new(),
            tokens_file: String::new(),
        }
    }
}

/// A role that client certificates give.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct RawCertificateRole {
    /// A subject alternative name: a DNS name, in which `*` may stand for the first label, or a URI.
    /// A certificate with a wildcard of its own is given no role.
    pub(crate) san: String,
    /// What whoever shows a certificate of that name may do.
    pub(crate) role: Role,
}

/// TLS of a listener. Paths are relative to the folder of this file; what stands in the files may
/// change while the node serves, and is taken over within seconds.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct RawTls {
    /// A file with the certificate, and behind it those that vouch for it, in PEM. It is shown to
    /// every client, whatever name it asks for. Default: empty, no TLS.
    pub(crate) cert: String,
    /// A file with the certificate's key in PEM: PKCS#8, PKCS#1 or SEC1. Goes with `cert`.
    pub(crate) key: String,
    /// A file with the certificates of those who vouch for clients, in PEM. Default: empty, clients
    /// are asked for no certificate.
    pub(crate) client_ca: String,
    /// Whether clients without a certificate are let in. Goes with `client_ca`. Default: `request`.
    pub(crate) client_auth: RawClientAuth,
    /// Names of which a client's certificate must have one, among its subject alternative names:
    /// DNS names, in which `*` may stand for the first label, and URIs. Goes with `client_ca`.
    /// Default: none, every certificate that `client_ca` vouches for is let in. At most 1000.
    pub(crate) client_sans: Vec<String>,
}

/// Whether clients without a certificate are let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum RawClientAuth {
    /// They are, and they are counted; a certificate that is shown must be right.
    #[default]
    Request,
    /// They are not.
    Require,
}
