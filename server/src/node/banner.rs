//! What a person sees who starts Tollgate without arguments.

use std::net::SocketAddr;

use super::Addresses;

/// What listens where, three requests worth trying, and what comes next.
pub(super) fn text(addresses: &Addresses) -> String {
    let Addresses { decide, http, admin } = addresses;
    let (http_host, admin_host) = (reachable(*http), reachable(*admin));
    format!(
        "\
tollgate {version} is ready

  decide  {decide:<22}  gRPC: Envoy's rate-limit service v3, tollgate.v1, health
  http    {http:<22}  /v1/check, /json, /healthcheck
  admin   {admin:<22}  /livez, /readyz, /metrics

Try these; the limit `demo` allows each client 5 hits in any minute, the 6th gets 429:

  curl -i -d '{BODY}' http://{http_host}/v1/check
  curl -i http://{http_host}/healthcheck
  curl -s http://{admin_host}/metrics

`tollgate status`, `limits`, `counters` and `explain` look into this node. Your own limits:
`tollgate serve --config FILE`; `tollgate check FILE` says what is wrong with a file. Ctrl-C
drains and ends.
",
        version = env!("CARGO_PKG_VERSION"),
    )
}

const BODY: &str = r#"{"subject":{"limit":{"name":"demo","values":{"client":"alice"}}}}"#;

/// An address that a client on this machine can use: a wildcard is listened on, not called.
fn reachable(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_lines_can_be_tried_and_name_addresses_that_can_be_called() {
        let addresses = Addresses {
            decide: "[::]:8081".to_owned(),
            http: "[::]:8080".parse().unwrap(),
            admin: "127.0.0.1:6070".parse().unwrap(),
        };
        let text = text(&addresses);
        let curls: Vec<_> = text.lines().filter(|line| line.starts_with("  curl ")).collect();
        assert_eq!(curls.len(), 3);
        assert!(curls[0].ends_with("http://localhost:8080/v1/check"));
        assert!(curls[2].ends_with("http://127.0.0.1:6070/metrics"));
    }
}
