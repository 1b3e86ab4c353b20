//! The pod that Envoy Gateway makes: a binary called `ratelimit` without arguments, a user that may
//! write nothing, and exactly these variables.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use tollgate_tests::ads::Ads;
use tollgate_tests::binary;
use tollgate_tests::envoy::{self, Envoy};
use tollgate_tests::envoy_bootstrap::{Bootstrap, ClientTls};
use tollgate_tests::envoy_route::{Route, request_header};
use tollgate_tests::http;
use tollgate_tests::launched::events;
use tollgate_tests::process::Process;
use tollgate_tests::skip::skip;
use tollgate_tests::tollgate::ADMIN_SOCKET_VARIABLE;
use tollgate_tests::upstream::Upstream;
use tollgate_tests::wait::{self, Probe};

use crate::xds_node::{BOUND, XdsNode, domain, text};
use crate::xds_tls::Certificates;

/// As Envoy Gateway 1.9 has them, but for paths and the server's address.
const VARIABLES: [(&str, &str); 17] = [
    ("RUNTIME_ROOT", "/data"),
    ("RUNTIME_SUBDIRECTORY", "ratelimit"),
    ("RUNTIME_IGNOREDOTFILES", "true"),
    ("RUNTIME_WATCH_ROOT", "false"),
    ("LOG_LEVEL", "info"),
    ("USE_STATSD", "false"),
    ("CONFIG_TYPE", "GRPC_XDS_SOTW"),
    ("CONFIG_GRPC_XDS_NODE_ID", "envoy-ratelimit"),
    ("GRPC_SERVER_USE_TLS", "true"),
    ("CONFIG_GRPC_XDS_SERVER_USE_TLS", "true"),
    ("FORCE_START_WITHOUT_INITIAL_CONFIG", "true"),
    ("REDIS_SOCKET_TYPE", "tcp"),
    ("REDIS_URL", "redis://redis.redis-system.svc.cluster.local:6379"),
    ("USE_PROMETHEUS", "true"),
    ("PROMETHEUS_ADDR", ":0"),
    ("PROMETHEUS_MAPPER_YAML", "/etc/statsd-exporter/conf.yaml"),
    ("CONFIG_GRPC_XDS_SERVER_TLS_SAN", "envoy-gateway"),
];

/// The user and group of the pod.
const NOBODY: &str = "65534";

/// A folder with the binary under the reference's name, which everybody may read.
fn installed(folder: &Path) -> anyhow::Result<()> {
    let command = binary::command()?;
    fs::copy(command.get_program(), folder.join("tollgate"))?;
    symlink("tollgate", folder.join("ratelimit"))?;
    for path in [folder.to_owned(), folder.join("tollgate")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// The link, run as the pod runs it; none where this process may not change its user.
fn as_nobody(folder: &Path) -> Option<Command> {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--no-new-privs"]);
    command.arg("--bounding-set=-all").arg("--inh-caps=-all");
    let mut probe = Command::new("setpriv");
    probe.args(command.get_args()).arg("true");
    let is_permitted = probe.output().is_ok_and(|output| output.status.success());
    command.arg(folder.join("ratelimit")).env_clear().current_dir("/proc");
    is_permitted.then_some(command)
}

fn variables(command: &mut Command, ads: &Ads, certs: &Path) {
    let path = |name: &str| certs.join(name);
    command.envs(VARIABLES);
    command.env("CONFIG_GRPC_XDS_SERVER_URL", format!("localhost:{}", ads.address().port()));
    for (name, file) in [
        ("GRPC_SERVER_TLS_CERT", "tls.crt"),
        ("GRPC_SERVER_TLS_KEY", "tls.key"),
        ("GRPC_SERVER_TLS_CA_CERT", "ca.crt"),
        ("CONFIG_GRPC_XDS_CLIENT_TLS_CERT", "tls.crt"),
        ("CONFIG_GRPC_XDS_CLIENT_TLS_KEY", "tls.key"),
        ("CONFIG_GRPC_XDS_SERVER_TLS_CACERT", "ca.crt"),
    ] {
        command.env(name, text(&path(file)));
    }
    // What a test needs beside that: ports, and a log to find them in.
    command.env("LOG_FORMAT", "json");
    for port in ["PORT", "GRPC_PORT", "DEBUG_PORT"] {
        command.env(port, "0");
    }
}

#[tokio::test]
async fn the_pod_of_envoy_gateway_runs() -> anyhow::Result<()> {
    const NAME: &str = "pod::the_pod_of_envoy_gateway_runs";
    let certificates = Certificates::new()?;
    let certs = certificates.folder();
    fs::set_permissions(certs, fs::Permissions::from_mode(0o755))?;
    let folder = tempfile::tempdir()?;
    installed(folder.path())?;
    let Some(mut command) = as_nobody(folder.path()) else {
        skip(NAME, "setpriv may not change the user here");
        return Ok(());
    };
    let tls = certificates.server(&["envoy-gateway"])?;
    let ads = Ads::start("1", vec![domain("default/eg/http", 2, true)], Some(tls))?;
    variables(&mut command, &ads, certs);
    let node = XdsNode::ready(command, folder).await?;
    wait::until("limits", BOUND, async || match ask(&node).await {
        Ok(200) => Probe::Holds(()),
        other => Probe::NotYet(format!("{other:?}")),
    })
    .await?;
    through_envoy(NAME, &node, certs).await?;
    let page = figures(&node).await?;
    let over = "ratelimit_service_rate_limit_over_limit{domain=\"default/eg/http\",key1=\"k\"} 1";
    ensure!(page.contains(over), "no {over} in\n{page}");
    ensure!(http::get(node.http, "/healthcheck", &[]).await?.status == 200);
    ensure!(ads.seen()[0].request.node.as_ref().is_some_and(|node| node.id == "envoy-ratelimit"));
    let ignored = events(&node.process, "environment_ignored");
    ensure!(ignored.len() == 1 && ignored[0]["level"] == "WARN", "{ignored:?}");
    let names = ignored[0]["names"].as_str().context("no names")?;
    ensure!(names.contains("REDIS_URL"), "{names}");
    ensure!(!node.process.story().contains("redis.redis-system"), "the URL is a secret");
    let status = fs::read_to_string(format!("/proc/{}/status", node.process.pid()))?;
    ensure!(status.contains(&format!("Uid:\t{NOBODY}\t{NOBODY}")), "{status}");
    ensure!(status.contains("CapEff:\t0000000000000000"), "{status}");
    node.stop().await
}

#[tokio::test]
async fn the_references_name_with_arguments_is_the_command_line() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    installed(folder.path())?;
    let mut command = Command::new(folder.path().join("ratelimit"));
    let mut process = Process::start("ratelimit", command.arg("--version").env_clear())?;
    ensure!(process.wait_exit(BOUND).await?.success());
    let said = process.stdout().all().join("\n");
    ensure!(said.starts_with("tollgate "), "{said}");
    // And another name without arguments is not the reference.
    symlink("tollgate", folder.path().join("other"))?;
    let mut command = Command::new(folder.path().join("other"));
    command.env_clear().env("TOLLGATE_DECIDE_ADDRESS", "nonsense");
    command.env(ADMIN_SOCKET_VARIABLE, folder.path().join("admin.sock"));
    let mut process = Process::start("other", &mut command)?;
    ensure!(process.wait_exit(BOUND).await?.code() == Some(2));
    Ok(())
}

/// Envoy asks as the gateway's does: over TLS without a name, with the certificate that it shares
/// with the pod. Each value has its own count.
async fn through_envoy(name: &str, node: &XdsNode, certs: &Path) -> anyhow::Result<()> {
    let Some(binary) = envoy::binary_or_skip(name)? else { return Ok(()) };
    let upstream = Upstream::start().await?;
    let pair = ["tls.crt", "tls.key"].map(|file| certs.join(file));
    let tls = ClientTls { ca: certs.join("ca.crt"), pair: Some(pair), alpn: false };
    let route = Route::new("/").descriptor(&[request_header("x-k", "k")]);
    let mut bootstrap = Bootstrap::new(node.decide, upstream.address(), "default/eg/http");
    (bootstrap.tls, bootstrap.failure_mode_deny) = (Some(tls), true);
    bootstrap.timeout = BOUND;
    let envoy = Envoy::start(&binary, &bootstrap.route(route)).await?;
    for status in [200, 200, 429] {
        let answer = envoy.get("/", &[("x-k", "envoy")]).await?;
        ensure!(answer.status == status, "{answer:?} is not {status}\n{}", node.process.story());
    }
    Ok(())
}

/// What the pod's Prometheus port shows.
async fn figures(node: &XdsNode) -> anyhow::Result<String> {
    let listening = events(&node.process, "listening");
    let page = listening.iter().find(|event| event["listener"] == "ratelimit_prometheus");
    let address = page.and_then(|event| event["address"].as_str()).context("no page")?;
    let address: SocketAddr = address.parse()?;
    // It listens everywhere; a wildcard cannot be called everywhere.
    let address = SocketAddr::from(([127, 0, 0, 1], address.port()));
    Ok(http::get(address, "/metrics", &[]).await?.text().into_owned())
}

/// The status of one peek over JSON.
async fn ask(node: &XdsNode) -> anyhow::Result<u16> {
    let body = r#"{"domain":"default/eg/http","descriptors":[{"entries":[{"key":"k"}],"hitsAddend":"0"}]}"#;
    let answer = http::post(node.http, "/json", &[], Bytes::from_static(body.as_bytes())).await?;
    Ok(answer.status.as_u16())
}
