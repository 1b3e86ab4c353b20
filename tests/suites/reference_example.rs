//! The example that envoyproxy/ratelimit ships: its limits and its variables as they stand there,
//! its Envoy with nothing changed but addresses, and what its own integration tests expect of them.
//!
//! The files are not ours, so they are read from a checkout: `TOLLGATE_RATELIMIT_EXAMPLES` names
//! its folder `examples`. Without it these tests skip by name; what they rest on is tested with
//! files of our own in `semantics`.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::ensure;
use tempfile::TempDir;
use tollgate_tests::binary;
use tollgate_tests::envoy::{self, Envoy};
use tollgate_tests::launched::{self, loopback};
use tollgate_tests::process::Process;
use tollgate_tests::skip::skip;
use tollgate_tests::tollgate::ADMIN_SOCKET_VARIABLE;
use tollgate_tests::upstream::{self, Upstream};
use tollgate_tests::wait::{self, Probe};

const FOLDER_VARIABLE: &str = "TOLLGATE_RATELIMIT_EXAMPLES";

const BOUND: Duration = Duration::from_secs(15);

/// What a test needs of a minute, so that no window turns in it.
const ROOM: u64 = 20;

/// The variables of docker-compose-example.yml and of the integration tests' own compose file; the
/// folder is where the example is mounted.
const VARIABLES: [(&str, &str); 9] = [
    ("USE_STATSD", "true"),
    ("STATSD_HOST", "statsd"),
    ("STATSD_PORT", "9125"),
    ("LOG_LEVEL", "debug"),
    ("REDIS_SOCKET_TYPE", "tcp"),
    ("REDIS_URL", "redis:6379"),
    ("RUNTIME_SUBDIRECTORY", "ratelimit"),
    ("RUNTIME_WATCH_ROOT", "false"),
    ("RESPONSE_DYNAMIC_METADATA", "true"),
];

struct Example {
    envoy: Envoy,
    upstream: Upstream,
    _tollgate: Process,
    _data: TempDir,
}

impl Example {
    async fn start(name: &str) -> anyhow::Result<Option<Self>> {
        let Some(folder) = std::env::var_os(FOLDER_VARIABLE).map(PathBuf::from) else {
            skip(name, &format!("no {FOLDER_VARIABLE}"));
            return Ok(None);
        };
        let Some(binary) = envoy::binary_or_skip(name)? else { return Ok(None) };
        let data = tempfile::tempdir()?;
        symlink(folder.join("ratelimit"), data.path().join("ratelimit"))?;
        let (tollgate, decide) = start_tollgate(data.path()).await?;
        let upstream = Upstream::start().await?;
        let proxy = fs::read_to_string(folder.join("envoy/proxy.yaml"))?;
        let proxy = with_addresses(&proxy, decide, upstream.address());
        // As docker-compose-example.yml starts it: the cluster's name is a value in a descriptor.
        let arguments = ["--service-node", "proxy", "--service-cluster", "proxy"];
        let envoy = Envoy::start_text(&binary, &proxy, &arguments).await?;
        room_in_the_minute().await?;
        Ok(Some(Self { envoy, upstream, _tollgate: tollgate, _data: data }))
    }
}

async fn start_tollgate(data: &Path) -> anyhow::Result<(Process, SocketAddr)> {
    let mut command = binary::command()?;
    command.env(ADMIN_SOCKET_VARIABLE, data.join("admin.sock"));
    command.env("RUNTIME_ROOT", data).env("LOG_FORMAT", "json").envs(VARIABLES);
    loopback(&mut command);
    let mut process = Process::start("tollgate", command.arg("serve"))?;
    let decide = launched::ready(&mut process).await?.decide;
    Ok((process, decide))
}

/// The bootstrap with hosts that this machine knows: the names of the compose file's containers are
/// the only ones in it.
fn with_addresses(proxy: &str, decide: SocketAddr, upstream: SocketAddr) -> String {
    let mut port = None;
    let mut lines = Vec::new();
    for line in proxy.lines() {
        let (indent, text) = line.split_at(line.len() - line.trim_start().len());
        let host = match text {
            "address: ratelimit" => Some(decide.port()),
            "address: envoy-mock" => Some(upstream.port()),
            "address: 0.0.0.0" => Some(0),
            _ => None,
        };
        if host.is_some() {
            port = host;
            lines.push(format!("{indent}address: 127.0.0.1"));
        } else if let (true, Some(port)) = (text.starts_with("port_value:"), port) {
            lines.push(format!("{indent}port_value: {port}"));
        } else {
            lines.push(line.to_owned());
        }
    }
    lines.join("\n")
}

/// The example's windows are minutes that begin with the clock's.
#[expect(clippy::disallowed_methods, reason = "the windows of a real process turn with the clock")]
async fn room_in_the_minute() -> anyhow::Result<()> {
    wait::until("room in the minute", Duration::from_secs(ROOM + 5), async || {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        match 60 - now.as_secs() % 60 {
            left if left > ROOM => Probe::Holds(()),
            left => Probe::NotYet(format!("{left} s")),
        }
    })
    .await
}

#[tokio::test]
async fn the_example_limits_what_its_integration_tests_say() -> anyhow::Result<()> {
    let name = "reference_example::the_example_limits_what_its_integration_tests_say";
    let Some(example) = Example::start(name).await? else { return Ok(()) };
    // The route that names clusters: 1 a minute for proxy → mock.
    example.envoy.expect("/test", &[], &[200, 429]).await?;
    example.envoy.expect("/header", &[("foo", "a")], &[200, 200, 429]).await?;
    example
        .envoy
        .expect("/twoheader", &[("foo", "pelle"), ("baz", "not-so-shady")], &[200, 200, 200, 429])
        .await?;
    // A shadow never stops anybody.
    example.envoy.expect("/twoheader", &[("foo", "pelle"), ("baz", "shady")], &[200; 6]).await?;
    example.envoy.expect("/unspec", &[("unspec", "unspecified_value")], &[200, 200, 429]).await?;
    // A request without the header has no descriptor.
    example.envoy.expect("/unspec", &[], &[200; 4]).await
}

#[tokio::test]
async fn limits_of_the_example_replace_each_other() -> anyhow::Result<()> {
    let name = "reference_example::limits_of_the_example_replace_each_other";
    let Some(example) = Example::start(name).await? else { return Ok(()) };
    let banned = [("foo", "bkthomps"), ("bar", "banned")];
    example.envoy.expect("/twoheader", &banned, &[429]).await?;
    let with = |destination| {
        [banned[0], banned[1], ("source_cluster", "proxy"), ("destination_cluster", destination)]
    };
    example.envoy.expect("/fourheader", &with("mock"), &[429]).await?;
    example.envoy.expect("/fourheader", &with("override"), &[200, 200, 429]).await?;
    let mine = [("foo", "my_foo"), ("bar", "bkthomps"), ("source_cluster", "proxy")];
    let to = |destination| [mine[0], mine[1], mine[2], ("destination_cluster", destination)];
    example.envoy.expect("/fourheader", &to("bkthomps"), &[200, 200, 429]).await?;
    example.envoy.expect("/fourheader", &to("not_bkthomps"), &[200, 429]).await?;
    let account =
        [mine[0], mine[1], mine[2], ("destination_cluster", "fake"), ("category", "account")];
    example.envoy.expect("/fiveheader", &account, &[200, 200, 200, 200, 429]).await
}

#[tokio::test]
async fn quota_of_the_example_is_spent_by_requests_and_by_answers() -> anyhow::Result<()> {
    let name = "reference_example::quota_of_the_example_is_spent_by_requests_and_by_answers";
    let Some(example) = Example::start(name).await? else { return Ok(()) };
    // Two services share it: 1 and 2 a minute, and the request passes while one has some left.
    example.envoy.expect("/quota", &[], &[200, 200, 429]).await?;
    let arrived = example.upstream.arrived();
    ensure!(arrived == 2, "{arrived} requests reached the upstream");
    let answer = example.envoy.get("/", &[]).await?;
    ensure!(answer.status == 404 && !answer.text().contains(upstream::BODY), "{answer:?}");
    Ok(())
}

#[tokio::test]
async fn answers_of_the_example_are_charged_when_they_end() -> anyhow::Result<()> {
    let name = "reference_example::answers_of_the_example_are_charged_when_they_end";
    let Some(example) = Example::start(name).await? else { return Ok(()) };
    // A hit of nought asks, and the end of the answer charges 1 of 2. The reference's own test lets
    // a third pass: the request that finds exactly nothing left is not over yet.
    let mut statuses = Vec::new();
    for charged in 1_u64..=4 {
        let answer = example.envoy.get("/tokenquota", &[]).await?;
        statuses.push(answer.status.as_u16());
        let counter = "cluster.ratelimit.upstream_rq_total";
        // Envoy charges after it has answered: wait until it has asked both times.
        let asked = if answer.status == 200 { 2 * charged } else { break };
        wait::until("the charge", BOUND, async || match example.envoy.counter(counter).await {
            Ok(count) if count >= asked => Probe::Holds(()),
            Ok(count) => Probe::NotYet(format!("{count} calls")),
            Err(error) => Probe::Never(format!("{error:#}")),
        })
        .await?;
    }
    ensure!(statuses == [200, 200, 200, 429], "{statuses:?}");
    Ok(())
}
