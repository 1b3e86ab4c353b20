//! The variables of the xDS client: what they mean, and what is wrong with them.

use super::*;
use crate::environment::read;

fn settings(variables: &[(&str, &str)]) -> Result<Settings, String> {
    let strings = |name: &str| {
        let all = variables.iter().chain(&[("CONFIG_TYPE", "GRPC_XDS_SOTW")]);
        all.copied().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    };
    let read = read(strings).map_err(|report| report.to_string())?;
    assert!(read.config.ratelimit_files.is_empty());
    Ok(read.xds.unwrap())
}

#[test]
fn nothing_but_the_type_gives_the_references_server_and_our_waits() {
    let read = settings(&[]).unwrap();
    assert_eq!((read.target.to_string(), &*read.node_id), ("localhost:18000".into(), "default"));
    assert_eq!((read.tls, read.backoff), (None, Backoff::default()));
    assert_eq!(read.message_bytes_max, 64 << 20);
}

#[test]
fn the_environment_of_envoy_gateway_is_taken_over() {
    let read = settings(&[
        ("CONFIG_GRPC_XDS_SERVER_URL", "envoy-gateway:18001"),
        ("CONFIG_GRPC_XDS_NODE_ID", "envoy-ratelimit"),
        ("CONFIG_GRPC_XDS_SERVER_USE_TLS", "true"),
        ("CONFIG_GRPC_XDS_CLIENT_TLS_CERT", "/certs/tls.crt"),
        ("CONFIG_GRPC_XDS_CLIENT_TLS_KEY", "/certs/tls.key"),
        ("CONFIG_GRPC_XDS_SERVER_TLS_CACERT", "/certs/ca.crt"),
    ])
    .unwrap();
    assert_eq!(read.node_id, "envoy-ratelimit");
    let identity = PairFiles { cert: "/certs/tls.crt".into(), key: "/certs/tls.key".into() };
    let tls = ClientTls { identity: Some(identity), roots: Some("/certs/ca.crt".into()) };
    assert_eq!((read.tls, read.server_name), (Some(tls), None));
}

#[test]
fn metadata_headers_waits_and_sizes_are_read() {
    let read = settings(&[
        ("CONFIG_GRPC_XDS_NODE_METADATA", "a=1,b=c=d"),
        ("CONFIG_GRPC_XDS_CLIENT_ADDITIONAL_HEADERS", "authorization:Bearer x:y,a:b"),
        ("XDS_CLIENT_BACKOFF_INITIAL_INTERVAL", "500ms"),
        ("XDS_CLIENT_BACKOFF_MAX_INTERVAL", "1m1.5s"),
        ("XDS_CLIENT_BACKOFF_JITTER", "false"),
        ("XDS_CLIENT_MAX_MSG_SIZE_IN_BYTES", "1048576"),
    ])
    .unwrap();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(read.node_metadata, [pair("a", "1"), pair("b", "c=d")]);
    let mut headers = Headers::default();
    assert!(headers.add("authorization", "Bearer x:y") && headers.add("a", "b"));
    assert_eq!(read.headers, headers);
    let longest = Duration::from_millis(61_500);
    let backoff = Backoff { first: Duration::from_millis(500), longest, jitter: false };
    assert_eq!((read.backoff, read.message_bytes_max), (backoff, 1 << 20));
}

#[test]
fn a_bound_that_is_set_alone_keeps_the_other_on_its_side() {
    let seconds = Duration::from_secs;
    let read = settings(&[("XDS_CLIENT_BACKOFF_INITIAL_INTERVAL", "20s")]).unwrap();
    assert_eq!((read.backoff.first, read.backoff.longest), (seconds(20), seconds(20)));
    let read = settings(&[("XDS_CLIENT_BACKOFF_MAX_INTERVAL", "50ms")]).unwrap();
    assert_eq!(read.backoff.first, Duration::from_millis(50));
}

#[test]
fn everything_that_is_wrong_is_told_and_no_secret_is() {
    let told = settings(&[
        ("CONFIG_GRPC_XDS_NODE_METADATA", "key1:val1"),
        ("CONFIG_GRPC_XDS_CLIENT_ADDITIONAL_HEADERS", "a:b,hunter2"),
        ("CONFIG_GRPC_XDS_SERVER_USE_TLS", "true"),
        ("CONFIG_GRPC_XDS_CLIENT_TLS_KEY", "/certs/tls.key"),
        ("CONFIG_GRPC_XDS_SERVER_TLS_SAN", "a b"),
        ("XDS_CLIENT_BACKOFF_INITIAL_INTERVAL", "10"),
        ("XDS_CLIENT_BACKOFF_MAX_INTERVAL", "0s"),
        ("XDS_CLIENT_BACKOFF_JITTER", "yes"),
        ("XDS_CLIENT_MAX_MSG_SIZE_IN_BYTES", "4MB"),
    ])
    .unwrap_err();
    for line in [
        "CONFIG_GRPC_XDS_NODE_METADATA: expected name=value, found \"key1:val1\"",
        "CONFIG_GRPC_XDS_CLIENT_ADDITIONAL_HEADERS: expected name:value, item 2 is none",
        "CONFIG_GRPC_XDS_CLIENT_TLS_CERT: is not set, CONFIG_GRPC_XDS_CLIENT_TLS_KEY is",
        "CONFIG_GRPC_XDS_SERVER_TLS_SAN: is no name that a certificate can have",
        "XDS_CLIENT_BACKOFF_INITIAL_INTERVAL: expected a duration, found \"10\"",
        "XDS_CLIENT_BACKOFF_MAX_INTERVAL: expected a duration above zero, found \"0s\"",
        "XDS_CLIENT_BACKOFF_JITTER: expected a boolean, found \"yes\"",
        "XDS_CLIENT_MAX_MSG_SIZE_IN_BYTES: expected a whole number from 1 to 1073741824, found",
    ] {
        assert!(told.contains(line), "no `{line}` in\n{told}");
    }
    assert!(!told.contains("hunter2"), "{told}");
    let told = settings(&[("CONFIG_GRPC_XDS_SERVER_URL", "http://user:hunter2@gw")]).unwrap_err();
    assert!(told.contains("CONFIG_GRPC_XDS_SERVER_URL: expected a host"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
}
