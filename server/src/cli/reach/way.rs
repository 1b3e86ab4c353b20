//! Which node is asked, and as whom: what the flags and the variables come to.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use rustls::ClientConfig;

use super::endpoint::Endpoint;
use super::token::{self, Token};
use crate::admin::{default_path, usable_path};
use crate::cli::exit::Cause;
use crate::cli::failure::{Failure, next};
use crate::tls::{ClientTls, PairFiles};

const ENDPOINT: &str = "TOLLGATE_ENDPOINT";
const TOKEN_FILE: &str = "TOLLGATE_TOKEN_FILE";
const CA_CERT: &str = "TOLLGATE_CA_CERT";
const CLIENT_CERT: &str = "TOLLGATE_CLIENT_CERT";
const CLIENT_KEY: &str = "TOLLGATE_CLIENT_KEY";

/// What the admin API speaks.
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// Which node is asked. A flag goes before its variable, an empty variable is unset.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Flags {
    /// The node's admin socket [default: $TOLLGATE_ADMIN_SOCKET, else
    /// $XDG_RUNTIME_DIR/tollgate.sock, else /tmp/tollgate-UID/admin.sock]
    #[arg(long, global = true, value_name = "PATH", conflicts_with = "endpoint")]
    socket: Option<PathBuf>,
    /// Where the node is: http://HOST:PORT, https://HOST:PORT or unix:/PATH
    /// [default: $TOLLGATE_ENDPOINT, else the socket]
    #[arg(long, global = true, value_name = "URL")]
    endpoint: Option<String>,
    /// The file that holds your token, for http(s) endpoints [default: $TOLLGATE_TOKEN_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Authorities that may vouch for an https endpoint, PEM; the system's are not asked
    /// [default: $TOLLGATE_CA_CERT]
    #[arg(long, global = true, value_name = "FILE")]
    ca_cert: Option<PathBuf>,
    /// Your certificate for an https endpoint that wants one, PEM [default: $TOLLGATE_CLIENT_CERT]
    #[arg(long, global = true, value_name = "FILE")]
    client_cert: Option<PathBuf>,
    /// The key of your certificate, PEM [default: $TOLLGATE_CLIENT_KEY]
    #[arg(long, global = true, value_name = "FILE")]
    client_key: Option<PathBuf>,
}

/// How a node is reached.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) endpoint: Endpoint,
    pub(super) token: Option<Token>,
    /// Present for https.
    pub(super) tls: Option<Arc<ClientConfig>>,
}

impl Flags {
    /// The way that the flags and the variables, whose values `look_up` knows, come to.
    pub(super) fn way(&self, look_up: impl Fn(&str) -> Option<OsString>) -> Result<Way, Failure> {
        let value = |name| look_up(name).filter(|value| !value.is_empty());
        let file =
            |flag: &Option<PathBuf>, name| flag.clone().or_else(|| value(name).map(PathBuf::from));
        let endpoint = self.chosen(value(ENDPOINT))?;
        match &endpoint {
            Endpoint::Socket(_) => {
                if let Some(flag) = self.for_tcp_only() {
                    let what = format!("{flag} is for http(s) endpoints: the socket needs none");
                    return Err(usage(&what, next::STATUS));
                }
                Ok(Way { endpoint, token: None, tls: None })
            }
            Endpoint::Tcp { is_tls, .. } => {
                let token = file(&self.token_file, TOKEN_FILE);
                let token = token.map(|path| carried(&path, &endpoint)).transpose()?;
                let pair = match (
                    file(&self.client_cert, CLIENT_CERT),
                    file(&self.client_key, CLIENT_KEY),
                ) {
                    (Some(cert), Some(key)) => Some(PairFiles { cert, key }),
                    (None, None) => None,
                    _ => {
                        let what = "--client-cert and --client-key go together";
                        return Err(usage(what, next::CERTIFICATE));
                    }
                };
                let roots = file(&self.ca_cert, CA_CERT);
                let tls = is_tls.then(|| tls(roots, pair, &endpoint)).transpose()?;
                Ok(Way { endpoint, token, tls })
            }
        }
    }

    fn chosen(&self, variable: Option<OsString>) -> Result<Endpoint, Failure> {
        let wrong = |message: String| usage(&message, next::ENDPOINT);
        let endpoint = match (&self.socket, &self.endpoint, variable) {
            (Some(path), _, _) => Endpoint::Socket(path.clone()),
            (None, Some(url), _) => Endpoint::parse(url).map_err(wrong)?,
            (None, None, Some(url)) => Endpoint::parse(&url.to_string_lossy())
                .map_err(|message| wrong(format!("{ENDPOINT}: {message}")))?,
            (None, None, None) => Endpoint::Socket(default_path()),
        };
        match endpoint {
            Endpoint::Socket(path) => Ok(Endpoint::Socket(usable_path(path).map_err(refused)?)),
            tcp => Ok(tcp),
        }
    }

    /// A flag that says nothing over a socket.
    fn for_tcp_only(&self) -> Option<&'static str> {
        let flags = [
            (&self.token_file, "--token-file"),
            (&self.ca_cert, "--ca-cert"),
            (&self.client_cert, "--client-cert"),
            (&self.client_key, "--client-key"),
        ];
        flags.into_iter().find_map(|(flag, name)| flag.as_ref().map(|_| name))
    }
}

fn refused(error: crate::admin::SocketError) -> Failure {
    Failure::new(Cause::NotAdmitted, error, next::ENDPOINT)
}

fn usage(what: &str, next: &'static str) -> Failure {
    Failure::new(Cause::Usage, what, next)
}

/// The token that goes to an endpoint; never where others on the network would read it.
fn carried(path: &Path, endpoint: &Endpoint) -> Result<Token, Failure> {
    if endpoint.is_exposed() {
        let what = format!(
            "the token is not sent to {endpoint}: whoever is on the way would read it. Use https://, \
             or ask on the node's own machine"
        );
        return Err(usage(&what, next::AUTHORITIES));
    }
    token::read(path).map_err(|message| usage(&message, next::TOKEN))
}

fn tls(
    roots: Option<PathBuf>,
    identity: Option<PairFiles>,
    endpoint: &Endpoint,
) -> Result<Arc<ClientConfig>, Failure> {
    if roots.is_none() {
        let what = format!(
            "who may vouch for {endpoint}? Name the authorities with --ca-cert: those of the system \
             are not asked"
        );
        return Err(usage(&what, next::AUTHORITIES));
    }
    let config = ClientTls { identity, roots }.load();
    let config = config.map_err(|error| usage(&error.to_string(), next::AUTHORITIES))?;
    let mut config = ClientConfig::clone(&config);
    config.alpn_protocols = vec![ALPN_HTTP1.to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cli::exit::Exit;

    fn flags(endpoint: Option<&str>) -> Flags {
        Flags { endpoint: endpoint.map(str::to_owned), ..Flags::default() }
    }

    fn unset(_: &str) -> Option<OsString> {
        None
    }

    fn refusal(flags: &Flags) -> String {
        let failure = flags.way(unset).unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage, "{failure}");
        failure.to_string()
    }

    #[test]
    fn a_flag_goes_before_the_variable_and_the_socket_is_the_default() {
        let set = |name: &str| (name == ENDPOINT).then(|| OsString::from("http://a:1"));
        let shown = |flags: &Flags| flags.way(set).unwrap().endpoint.to_string();
        assert_eq!(shown(&flags(None)), "http://a:1");
        assert_eq!(shown(&flags(Some("http://b:2"))), "http://b:2");
        assert_eq!(shown(&flags(Some("unix:/c"))), "/c");
        let socket = Flags { socket: Some("/d".into()), ..Flags::default() };
        assert_eq!(shown(&socket), "/d");
        let empty = |name: &str| (name == ENDPOINT).then(OsString::new);
        assert!(matches!(flags(None).way(empty).unwrap().endpoint, Endpoint::Socket(_)));
        let wrong = |name: &str| (name == ENDPOINT).then(|| OsString::from("a:1"));
        let failure = flags(None).way(wrong).unwrap_err();
        assert!(failure.what().starts_with("TOLLGATE_ENDPOINT: an endpoint is"), "{failure}");
    }

    #[test]
    fn a_token_goes_only_where_nobody_reads_it_on_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        fs::write(&file, "secret").unwrap();
        let with = |url| Flags { token_file: Some(file.clone()), ..flags(Some(url)) };
        for url in ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1"] {
            assert!(with(url).way(unset).unwrap().token.is_some(), "{url}");
        }
        for url in ["http://10.0.0.1:1", "http://node:1"] {
            let text = refusal(&with(url));
            assert!(text.contains("not sent") && !text.contains("secret"), "{text}");
            assert!(flags(Some(url)).way(unset).unwrap().token.is_none(), "{url}");
        }
        assert!(refusal(&with("unix:/a")).contains("--token-file is for http(s)"));
        // The variable may be set for other calls.
        let set = |name: &str| (name == TOKEN_FILE).then(|| file.clone().into_os_string());
        assert!(flags(Some("unix:/a")).way(set).unwrap().token.is_none());
        assert!(flags(Some("http://[::1]:1")).way(set).unwrap().token.is_some());
    }

    #[test]
    fn https_needs_authorities_and_a_certificate_its_key() {
        assert!(refusal(&flags(Some("https://a:1"))).contains("--ca-cert"));
        let half = Flags { client_cert: Some("a".into()), ..flags(Some("https://a:1")) };
        assert!(refusal(&half).contains("go together"));
        let missing = Flags { ca_cert: Some("/no/such".into()), ..flags(Some("https://a:1")) };
        assert!(refusal(&missing).contains("/no/such"));
        let folder = tempfile::tempdir().unwrap();
        let authority = folder.path().join("ca.pem");
        let made = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
        fs::write(&authority, made.cert.pem()).unwrap();
        let right = Flags { ca_cert: Some(authority), ..flags(Some("https://a:1")) };
        let tls = right.way(unset).unwrap().tls.unwrap();
        assert_eq!(tls.alpn_protocols, [ALPN_HTTP1]);
    }
}
