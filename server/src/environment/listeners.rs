//! Variables of the listeners: addresses, the Unix socket, TLS, how old connections may become, and
//! how a node ends.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::values::Values;
use crate::config::{Config, excerpt, overlap};
use crate::tls::{ClientAuth, Clients, PairFiles, San, Tls};

const USE_TLS: &str = "GRPC_SERVER_USE_TLS";
const CERT: &str = "GRPC_SERVER_TLS_CERT";
const KEY: &str = "GRPC_SERVER_TLS_KEY";
/// Asks for a certificate, and lets nobody in without one.
const CLIENT_CA: &str = "GRPC_CLIENT_TLS_CACERT";
const CLIENT_SAN: &str = "GRPC_CLIENT_TLS_SAN";
/// Envoy Gateway sets it, and the reference does not read it.
const SERVER_CA: &str = "GRPC_SERVER_TLS_CA_CERT";
const CLIENT_AUTH: &str = "TOLLGATE_RLS_CLIENT_AUTH";

/// The longest notice that a node gives, as in `tollgate.yaml`.
const NOTICE_MAX: Duration = Duration::from_secs(10 * 60);

pub(super) fn read<F: Fn(&str) -> Option<String>>(values: &mut Values<F>, config: &mut Config) {
    addresses(values, config);
    let at = &mut config.listeners;
    at.decide_tls = tls(values);
    let age = &mut at.decide_age;
    for (name, length) in [
        ("GRPC_MAX_CONNECTION_AGE", &mut age.max),
        ("GRPC_MAX_CONNECTION_AGE_GRACE", &mut age.grace),
    ] {
        if let Some(set) = values.duration(name) {
            // As for grpc-go, which reads zero as never.
            *length = (set > Duration::ZERO).then_some(set);
        }
    }
    if let Some(notice) = values.duration("TOLLGATE_DRAIN_NOTICE") {
        if notice > NOTICE_MAX {
            values.refuse("TOLLGATE_DRAIN_NOTICE", "expected at most 10m", "5s is the default");
        }
        config.node.drain_notice = notice;
    }
}

fn addresses<F: Fn(&str) -> Option<String>>(values: &mut Values<F>, config: &mut Config) {
    let at = &mut config.listeners;
    at.decide = values.address(["GRPC_HOST", "GRPC_PORT"], at.decide);
    at.http = values.address(["HOST", "PORT"], at.http);
    at.admin = values.address(["DEBUG_HOST", "DEBUG_PORT"], at.admin);
    at.decide_socket = file(values, "GRPC_UDS");
    let all = [("GRPC_PORT", at.decide), ("PORT", at.http), ("DEBUG_PORT", at.admin)];
    // A port that is not served takes nobody's.
    let served = if at.decide_socket.is_some() { &all[1..] } else { &all[..] };
    for (index, later) in served.iter().enumerate() {
        served[..index].iter().for_each(|earlier| refuse_overlap(values, *later, *earlier));
    }
}

fn refuse_overlap<F: Fn(&str) -> Option<String>>(
    values: &mut Values<F>,
    (name, address): (&str, SocketAddr),
    (other, taken): (&str, SocketAddr),
) {
    if overlap(address, taken) {
        let message = format!("{address} is taken by {other}, which has {taken}");
        values.refuse(name, message, "give each listener a port of its own");
    }
}

fn tls<F: Fn(&str) -> Option<String>>(values: &mut Values<F>) -> Option<Tls> {
    if values.truth(USE_TLS) != Some(true) {
        for name in [CLIENT_CA, CLIENT_SAN, CLIENT_AUTH] {
            if file(values, name).is_some() {
                let message = format!("goes with {USE_TLS}, which is not true");
                values.refuse(name, message, "unset it to serve callers without certificates");
            }
        }
        return None;
    }
    let [cert, key] = [CERT, KEY].map(|name| {
        let path = file(values, name);
        if path.is_none() {
            values.refuse(name, format!("{USE_TLS} needs it"), "name a file in PEM");
        }
        path
    });
    let clients = clients(values);
    let tls = Tls { pair: PairFiles { cert: cert?, key: key? }, clients };
    if let Err(error) = tls.check() {
        let is_of = |path: Option<PathBuf>| path.is_some_and(|path| path == error.path);
        let names = [KEY, CLIENT_CA, SERVER_CA];
        let name = names.into_iter().find(|name| is_of(file(values, name))).unwrap_or(CERT);
        values.refuse(name, error.to_string(), "nothing is served without it");
    }
    Some(tls)
}

fn clients<F: Fn(&str) -> Option<String>>(values: &mut Values<F>) -> Option<Clients> {
    let (required, known) = (file(values, CLIENT_CA), file(values, SERVER_CA));
    let auth = match values.text(CLIENT_AUTH).as_deref() {
        None | Some("") => None,
        Some("request") => Some(ClientAuth::Request),
        Some("require") => Some(ClientAuth::Require),
        Some(other) => {
            let message = format!("expected request or require, found \"{}\"", excerpt(other));
            let help = "require refuses callers without a certificate; request counts them";
            values.refuse(CLIENT_AUTH, message, help);
            None
        }
    };
    let mut names = Vec::new();
    if let Some(text) = values.text(CLIENT_SAN).filter(|text| !text.is_empty()) {
        match San::parse(&text) {
            Some(name) => names.push(name),
            None => {
                let message = format!("expected a DNS name or a URI, found \"{}\"", excerpt(&text));
                values.refuse(CLIENT_SAN, message, "write one name");
            }
        }
    }
    let default = if required.is_some() { ClientAuth::Require } else { ClientAuth::Request };
    let Some(ca) = required.or(known) else {
        let is_asked = [(CLIENT_SAN, !names.is_empty()), (CLIENT_AUTH, auth.is_some())];
        for (name, _) in is_asked.into_iter().filter(|(_, is_asked)| *is_asked) {
            let message = format!("goes with {CLIENT_CA} or {SERVER_CA}, and neither is set");
            values.refuse(name, message, "unset it to serve callers without certificates");
        }
        return None;
    };
    Some(Clients { ca, auth: auth.unwrap_or(default), names })
}

/// A path that is set to something.
fn file<F: Fn(&str) -> Option<String>>(values: &Values<F>, name: &str) -> Option<PathBuf> {
    values.text(name).filter(|text| !text.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
#[path = "listeners_tests.rs"]
mod tests;
