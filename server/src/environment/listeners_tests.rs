//! Variables of the listeners, and what is said of wrong ones.

use std::fs;

use super::*;
use crate::config::Report;
use crate::environment::settings::Settings;

/// A folder with a certificate, its key and an authority.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["node".to_owned()]).unwrap();
        fs::write(folder.path().join("cert"), made.cert.pem()).unwrap();
        fs::write(folder.path().join("key"), made.signing_key.serialize_pem()).unwrap();
        fs::write(folder.path().join("ca"), made.cert.pem()).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// Reads variables; a value that names one of the files stands for its path.
    fn read(&self, set: &[(&str, &str)]) -> Result<Settings, Report> {
        crate::environment::read(|name: &str| {
            let (_, value) = set.iter().find(|(known, _)| *known == name)?;
            let is_file = ["cert", "key", "ca", "none"].contains(value);
            Some(if is_file { self.path(value) } else { (*value).to_owned() })
        })
    }

    fn wrong(&self, set: &[(&str, &str)]) -> Vec<String> {
        let report = self.read(set).unwrap_err();
        report.issues().iter().map(|issue| format!("{}: {}", issue.source, issue.message)).collect()
    }
}

const SERVED: [(&str, &str); 3] = [(USE_TLS, "true"), (CERT, "cert"), (KEY, "key")];

#[test]
fn tls_is_served_as_the_variables_say() {
    let files = Files::new();
    let tls = |more: &[(&str, &str)]| {
        let set: Vec<_> = SERVED.iter().chain(more).copied().collect();
        files.read(&set).unwrap().config.listeners.decide_tls.unwrap()
    };
    assert_eq!(tls(&[]).pair.key, PathBuf::from(files.path("key")));
    assert_eq!(tls(&[]).clients, None);
    for (more, expected) in [
        (&[(CLIENT_CA, "ca")][..], ClientAuth::Require),
        (&[(SERVER_CA, "ca")], ClientAuth::Request),
        (&[(SERVER_CA, "ca"), (CLIENT_AUTH, "require")], ClientAuth::Require),
        (&[(CLIENT_CA, "ca"), (CLIENT_AUTH, "request")], ClientAuth::Request),
        (&[(CLIENT_CA, "ca"), (SERVER_CA, "none")], ClientAuth::Require),
    ] {
        assert_eq!(tls(more).clients.unwrap().auth, expected, "{more:?}");
    }
    let named = tls(&[(CLIENT_CA, "ca"), (CLIENT_SAN, "envoy.infra")]).clients.unwrap();
    assert_eq!(named.names, [San::parse("envoy.infra").unwrap()]);
    for off in ["false", "0"] {
        let set = [(USE_TLS, off), (CERT, "none"), (SERVER_CA, "none")];
        assert_eq!(files.read(&set).unwrap().config.listeners.decide_tls, None);
    }
}

#[test]
fn what_would_be_less_safe_than_it_looks_is_refused() {
    let files = Files::new();
    let off = format!("goes with {USE_TLS}, which is not true");
    for name in [CLIENT_CA, CLIENT_SAN, CLIENT_AUTH] {
        assert_eq!(files.wrong(&[(name, "ca")]), [format!("{name}: {off}")]);
    }
    for (name, value) in [(CLIENT_SAN, "envoy"), (CLIENT_AUTH, "require")] {
        let set: Vec<_> = SERVED.into_iter().chain([(name, value)]).collect();
        let expected = format!("{name}: goes with {CLIENT_CA} or {SERVER_CA}, and neither is set");
        assert_eq!(files.wrong(&set), [expected]);
    }
    let set: Vec<_> = SERVED.into_iter().chain([(CLIENT_CA, "ca"), (CLIENT_SAN, "::1")]).collect();
    let expected = format!("{CLIENT_SAN}: expected a DNS name or a URI, found \"::1\"");
    assert_eq!(files.wrong(&set), [expected]);
}

#[test]
fn files_that_are_missing_or_wrong_are_told_with_their_variable() {
    let files = Files::new();
    let needed = format!("{USE_TLS} needs it");
    let expected = [format!("{CERT}: {needed}"), format!("{KEY}: {needed}")];
    assert_eq!(files.wrong(&[(USE_TLS, "true")]), expected);
    for (set, name) in [
        ([(USE_TLS, "true"), (CERT, "none"), (KEY, "key"), (CLIENT_CA, "ca")], CERT),
        ([(USE_TLS, "true"), (CERT, "cert"), (KEY, "ca"), (CLIENT_CA, "cert")], KEY),
        ([(USE_TLS, "true"), (CERT, "cert"), (KEY, "key"), (CLIENT_CA, "none")], CLIENT_CA),
        ([(USE_TLS, "true"), (CERT, "cert"), (KEY, "key"), (SERVER_CA, "none")], SERVER_CA),
    ] {
        let wrong = files.wrong(&set);
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert!(wrong[0].starts_with(&format!("{name}: ")), "{wrong:?}");
    }
}

#[test]
fn ages_are_those_of_the_reference_unless_set() {
    let files = Files::new();
    let age = |set: &[(&str, &str)]| {
        let age = files.read(set).unwrap().config.listeners.decide_age;
        [age.max, age.grace].map(|length| length.map(|length| length.as_millis()))
    };
    let (max, grace) = ("GRPC_MAX_CONNECTION_AGE", "GRPC_MAX_CONNECTION_AGE_GRACE");
    assert_eq!(age(&[]), [Some(86_400_000), Some(3_600_000)]);
    assert_eq!(age(&[(max, "1h30m"), (grace, "300ms")]), [Some(5_400_000), Some(300)]);
    assert_eq!(age(&[(max, "0"), (grace, "0s")]), [None, None]);
    let wrong = files.wrong(&[(max, "24"), (grace, "-1h"), ("TOLLGATE_DRAIN_NOTICE", "1h")]);
    assert_eq!(wrong.len(), 3, "{wrong:?}");
}

#[test]
fn a_socket_stands_in_for_the_port() {
    let files = Files::new();
    let set = [("GRPC_UDS", "/run/rls.sock"), ("GRPC_PORT", "8080")];
    let at = files.read(&set).unwrap().config.listeners;
    assert_eq!(at.decide_socket, Some(PathBuf::from("/run/rls.sock")));
    assert_eq!(files.read(&[("GRPC_UDS", "")]).unwrap().config.listeners.decide_socket, None);
}
