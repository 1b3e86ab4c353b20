//! The variables of the reference's xDS client.

use std::path::PathBuf;
use std::time::Duration;

use super::table::find;
use super::values::Values;
use crate::config::excerpt;
use crate::tls::{ClientTls, PairFiles};
use crate::xds::{Backoff, Headers, Settings, Target};

/// Bytes of a response unless said: a thousand times a usual one.
const MESSAGE_BYTES: usize = 64 << 20;

/// The most that may be asked for; what a node has in memory while it reads a response is a few
/// times as much.
const MESSAGE_BYTES_MAX: usize = 1 << 30;

/// Characters of the name of a node or of an item of its metadata.
const TEXT_BYTES_MAX: usize = 4_096;

/// Reads them. What is wrong is among the issues of `values`; the settings are of no use then.
pub(super) fn settings<F: Fn(&str) -> Option<String>>(values: &mut Values<F>) -> Option<Settings> {
    let target = target(values)?;
    let node_id = text(values, "CONFIG_GRPC_XDS_NODE_ID");
    if node_id.len() > TEXT_BYTES_MAX {
        let message = format!("is longer than {TEXT_BYTES_MAX} bytes");
        values.refuse("CONFIG_GRPC_XDS_NODE_ID", message, "it is a name");
    }
    let (tls, server_name) = tls(values, &target);
    Some(Settings {
        node_id,
        node_metadata: metadata(values),
        headers: headers(values),
        tls,
        server_name,
        backoff: backoff(values),
        message_bytes_max: message_bytes_max(values),
        target,
    })
}

fn text<F: Fn(&str) -> Option<String>>(values: &Values<F>, name: &str) -> String {
    let default = || find(name).map_or("", |variable| variable.default).to_owned();
    values.text(name).unwrap_or_else(default)
}

fn target<F: Fn(&str) -> Option<String>>(values: &mut Values<F>) -> Option<Target> {
    const NAME: &str = "CONFIG_GRPC_XDS_SERVER_URL";
    let url = text(values, NAME);
    let target = Target::parse(&url);
    if target.is_none() {
        // Not repeated: a URL may hold a password.
        values.refuse(NAME, "expected a host and a port", "write it as envoy-gateway:18001");
    }
    target
}

/// As the reference takes them: `name=value`, joined by commas.
fn metadata<F: Fn(&str) -> Option<String>>(values: &mut Values<F>) -> Vec<(String, String)> {
    const NAME: &str = "CONFIG_GRPC_XDS_NODE_METADATA";
    let text = text(values, NAME);
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("is longer than {TEXT_BYTES_MAX} bytes");
        values.refuse(NAME, message, "it introduces the node, no more");
        return Vec::new();
    }
    let mut pairs = Vec::new();
    for item in text.split(',').filter(|item| !item.is_empty()) {
        match item.split_once('=') {
            Some((name, value)) => pairs.push((name.to_owned(), value.to_owned())),
            None => {
                let message = format!("expected name=value, found \"{}\"", excerpt(item));
                values.refuse(NAME, message, "join several by commas");
            }
        }
    }
    pairs
}

/// As Go's envconfig takes a map: `name:value`, joined by commas. Errors repeat no part of it.
fn headers<F: Fn(&str) -> Option<String>>(values: &mut Values<F>) -> Headers {
    const NAME: &str = "CONFIG_GRPC_XDS_CLIENT_ADDITIONAL_HEADERS";
    let text = text(values, NAME);
    let mut headers = Headers::default();
    for (at, item) in text.split(',').enumerate().filter(|(_, item)| !item.trim().is_empty()) {
        let added = item.split_once(':').is_some_and(|(name, value)| headers.add(name, value));
        if !added {
            let message = format!("expected name:value, item {} is none", at + 1);
            let help = "names and values are those of gRPC metadata; join several by commas";
            values.refuse(NAME, message, help);
        }
    }
    headers
}

fn tls<F: Fn(&str) -> Option<String>>(
    values: &mut Values<F>,
    target: &Target,
) -> (Option<ClientTls>, Option<String>) {
    const SAN: &str = "CONFIG_GRPC_XDS_SERVER_TLS_SAN";
    let path = |values: &Values<F>, name: &str| {
        let text = values.text(name).filter(|text| !text.is_empty());
        text.map(PathBuf::from)
    };
    if values.truth("CONFIG_GRPC_XDS_SERVER_USE_TLS") != Some(true) {
        return (None, None);
    }
    let cert = path(values, "CONFIG_GRPC_XDS_CLIENT_TLS_CERT");
    let key = path(values, "CONFIG_GRPC_XDS_CLIENT_TLS_KEY");
    let identity = match (cert, key) {
        (Some(cert), Some(key)) => Some(PairFiles { cert, key }),
        (None, None) => None,
        (cert, _) => {
            let [set, other] =
                ["CONFIG_GRPC_XDS_CLIENT_TLS_CERT", "CONFIG_GRPC_XDS_CLIENT_TLS_KEY"];
            let (unset, set) = if cert.is_some() { (other, set) } else { (set, other) };
            values.refuse(unset, format!("is not set, {set} is"), "set both or neither");
            None
        }
    };
    let roots = path(values, "CONFIG_GRPC_XDS_SERVER_TLS_CACERT");
    let server_name = values.text(SAN).filter(|name| !name.is_empty());
    let name = server_name.clone().unwrap_or_else(|| target.host.clone());
    if rustls::pki_types::ServerName::try_from(name).is_err() {
        let told = if server_name.is_some() { SAN } else { "CONFIG_GRPC_XDS_SERVER_URL" };
        values.refuse(told, "is no name that a certificate can have", "write a DNS name");
    }
    (Some(ClientTls { identity, roots }), server_name)
}

fn backoff<F: Fn(&str) -> Option<String>>(values: &mut Values<F>) -> Backoff {
    const LONGEST: &str = "XDS_CLIENT_BACKOFF_MAX_INTERVAL";
    let ours = Backoff::default();
    let first = duration(values, "XDS_CLIENT_BACKOFF_INITIAL_INTERVAL");
    let longest = duration(values, LONGEST);
    let jitter = values.truth("XDS_CLIENT_BACKOFF_JITTER").unwrap_or(ours.jitter);
    let first = first.unwrap_or(ours.first.min(longest.unwrap_or(ours.longest)));
    let longest = longest.unwrap_or(ours.longest.max(first));
    if longest < first {
        let message = "is shorter than XDS_CLIENT_BACKOFF_INITIAL_INTERVAL";
        values.refuse(LONGEST, message, "the wait doubles from the one to the other");
    }
    Backoff { first, longest, jitter }
}

/// A duration as Go writes it, above zero.
fn duration<F: Fn(&str) -> Option<String>>(values: &mut Values<F>, name: &str) -> Option<Duration> {
    let text = values.text(name)?;
    let length = values.duration(name)?;
    if length.is_zero() {
        let message = format!("expected a duration above zero, found \"{}\"", excerpt(&text));
        values.refuse(name, message, "write it as 10s, 1m30s or 500ms");
        return None;
    }
    Some(length)
}

fn message_bytes_max<F: Fn(&str) -> Option<String>>(values: &mut Values<F>) -> usize {
    const NAME: &str = "XDS_CLIENT_MAX_MSG_SIZE_IN_BYTES";
    let Some(text) = values.text(NAME).filter(|text| !text.is_empty()) else {
        return MESSAGE_BYTES;
    };
    let number = text.parse().ok().filter(|number| (1..=MESSAGE_BYTES_MAX).contains(number));
    number.unwrap_or_else(|| {
        let wanted = format!("expected a whole number from 1 to {MESSAGE_BYTES_MAX}");
        values.refuse(NAME, format!("{wanted}, found \"{}\"", excerpt(&text)), "64 MiB unless set");
        MESSAGE_BYTES
    })
}

#[cfg(test)]
#[path = "xds_tests.rs"]
mod tests;
