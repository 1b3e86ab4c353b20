//! The section `listeners`: sockets, TLS and ages.

use std::fs;

use super::*;
use crate::access::{Permission, Role};

/// A folder with a certificate, its key and an authority.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["node".to_owned()]).unwrap();
    for (name, text) in [
        ("cert.pem", made.cert.pem()),
        ("key.pem", made.signing_key.serialize_pem()),
        ("ca.pem", made.cert.pem()),
        ("other.pem", "nothing".to_owned()),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn read(text: &str) -> Result<Config, Vec<String>> {
    let folder = folder();
    let config = Config::parse("t.yaml", text, folder.path());
    let line = |issue: &Issue| format!("{}: {}", issue.path, issue.message);
    config.map_err(|report| report.issues().iter().map(line).collect())
}

#[test]
fn tls_names_files_beside_the_configuration() {
    let folder = folder();
    let text = "listeners: {decide: {tls: {cert: cert.pem, key: key.pem, client_ca: ca.pem, \
                client_auth: require, client_sans: [envoy.infra, 'spiffe://t/envoy']}}}";
    let config = Config::parse("t.yaml", text, folder.path()).unwrap();
    let tls = config.listeners.decide_tls.unwrap();
    assert_eq!(tls.pair.cert, folder.path().join("cert.pem"));
    let clients = tls.clients.unwrap();
    assert_eq!((clients.auth, clients.names.len()), (crate::tls::ClientAuth::Require, 2));
    assert_eq!(config.listeners.http_tls, None);
}

#[test]
fn what_is_half_said_is_told_with_its_key() {
    for (tls, expected) in [
        ("cert: cert.pem", "cert: goes with `key`, which is not set"),
        ("key: key.pem", "key: goes with `cert`, which is not set"),
        ("client_ca: ca.pem", "client_ca: goes with `cert`, which is not set"),
        ("client_auth: require", "client_auth: goes with `client_ca`, which is not set"),
        ("client_sans: [a]", "client_sans: goes with `client_ca`, which is not set"),
    ] {
        let wrong = read(&format!("listeners: {{http: {{tls: {{{tls}}}}}}}")).unwrap_err();
        assert_eq!(wrong, [format!("listeners.http.tls.{expected}")]);
    }
    let text = "listeners: {decide: {tls: {cert: cert.pem, key: key.pem, client_ca: ca.pem, \
                client_sans: [a, 10.0.0.1]}}}";
    let expected =
        "listeners.decide.tls.client_sans[1]: expected a DNS name or a URI, found \"10.0.0.1\"";
    assert_eq!(read(text).unwrap_err(), [expected]);
}

#[test]
fn files_that_are_wrong_are_told_with_their_key() {
    for (tls, key) in [
        ("cert: none.pem, key: key.pem", "cert"),
        ("cert: other.pem, key: key.pem", "cert"),
        ("cert: cert.pem, key: other.pem", "key"),
        ("cert: cert.pem, key: key.pem, client_ca: other.pem", "client_ca"),
    ] {
        let wrong = read(&format!("listeners: {{decide: {{tls: {{{tls}}}}}}}")).unwrap_err();
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert!(wrong[0].starts_with(&format!("listeners.decide.tls.{key}: /")), "{wrong:?}");
    }
}

#[test]
fn a_socket_stands_in_for_the_address_which_others_may_have_then() {
    let text = "listeners: {decide: {socket: rls.sock}, http: {address: '[::]:8081'}}";
    let socket = read(text).unwrap().listeners.decide_socket.unwrap();
    assert!(socket.is_absolute() && socket.ends_with("rls.sock"));
    let long = "a".repeat(108);
    let wrong = read(&format!("listeners: {{decide: {{socket: /{long}}}}}")).unwrap_err();
    let expected = "listeners.decide.socket: expected at most 107 bytes, found ";
    assert!(wrong.len() == 1 && wrong[0].starts_with(expected), "{wrong:?}");
}

#[test]
fn ages_may_have_no_end_and_no_length_beyond_the_range() {
    let ages = |max: &str, grace: &str| {
        read(&format!(
            "listeners: {{decide: {{max_connection_age: {max}, max_connection_age_grace: {grace}}}}}"
        ))
    };
    let age = ages("1h", "0s").unwrap().listeners.decide_age;
    assert_eq!(age, Age { max: Some(Duration::from_secs(3_600)), grace: None });
    assert_eq!(ages("366d", "366d").unwrap_err().len(), 2);
    let wrong = read("node: {drain_notice: 11m}").unwrap_err();
    assert_eq!(wrong, ["node.drain_notice: expected 0s to 10m, found 11m"]);
}

#[test]
fn roles_and_permissions_are_read_and_what_is_half_said_is_told() {
    let folder = folder();
    let text = "listeners: {decide: {permissions: [refund, reset]}, admin: {tokens_file: t.json, \
                tls: {cert: cert.pem, key: key.pem, client_ca: ca.pem}, \
                roles: [{san: '*.ops.test', role: operator}]}}";
    let config = Config::parse("t.yaml", text, folder.path()).unwrap();
    let at = &config.listeners;
    assert!(at.decide_permissions.iter().eq([Permission::Refund, Permission::Reset]));
    assert_eq!(at.http_permissions, PermissionSet::NONE);
    assert_eq!(at.tokens_file, Some(folder.path().join("t.json")));
    let [rule] = &at.admin_roles[..] else { panic!("{at:?}") };
    assert_eq!((rule.san.to_string().as_str(), rule.role), ("*.ops.test", Role::Operator));
    assert!(at.admin_tls.is_some());

    for (admin, expected) in [
        ("roles: [{san: a.b, role: admin}]", "roles: goes with `tls.client_ca`, which is not set"),
        (
            "tls: {cert: cert.pem, key: key.pem, client_ca: ca.pem}, roles: [{san: 10.0.0.1, role: admin}]",
            "roles[0].san: expected a DNS name or a URI, found \"10.0.0.1\"",
        ),
    ] {
        let wrong = read(&format!("listeners: {{admin: {{{admin}}}}}")).unwrap_err();
        assert_eq!(wrong, [format!("listeners.admin.{expected}")]);
    }
    for wrong in ["admin: {roles: [{san: a.b, role: root}]}", "http: {permissions: [all]}"] {
        assert!(read(&format!("listeners: {{{wrong}}}")).is_err(), "{wrong}");
    }
}

#[test]
fn an_open_admin_listener_is_warned_of() {
    for (admin, is_warned) in [
        ("address: '127.0.0.1:1'", false),
        ("address: '[::1]:1'", false),
        ("address: '[::ffff:127.0.0.1]:1'", false),
        ("address: '0.0.0.0:1'", true),
        ("address: '[::]:1'", true),
        ("address: '[::]:1', tls: {cert: cert.pem, key: key.pem}", false),
    ] {
        let config = read(&format!("listeners: {{admin: {{{admin}}}}}")).unwrap();
        assert_eq!(config.listeners.warning().is_some(), is_warned, "{admin}");
    }
}
