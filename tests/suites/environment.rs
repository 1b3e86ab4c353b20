//! The environment of envoyproxy/ratelimit: a node that is started by its variables alone.
//!
//! What each variable means is tested with the server; here it is seen that a process lives by
//! them: it answers, reloads, warns, and refuses what would be less safe than it looks.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;
use tollgate_tests::binary;
use tollgate_tests::http;
use tollgate_tests::launched::{self, Addresses, events, loopback};
use tollgate_tests::process::{Process, Signal};
use tollgate_tests::rls::{
    RateLimitRequest, RateLimitResponse, RateLimitServiceClient, admitted, request,
};
use tollgate_tests::tollgate::{ADMIN_SOCKET_VARIABLE, STOP_BOUND};
use tollgate_tests::wait::{self, Probe};
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

const BOUND: Duration = Duration::from_secs(15);

fn limits(number: u32) -> String {
    format!(
        "domain: d\ndescriptors: [{{key: k, rate_limit: {{unit: year, requests_per_unit: {number}}}}}]"
    )
}

/// Releases of a runtime directory, and the link to the current one.
struct Runtime(TempDir);

impl Runtime {
    fn new() -> anyhow::Result<Self> {
        Ok(Self(tempfile::tempdir()?))
    }

    fn root(&self) -> PathBuf {
        self.0.path().join("current")
    }

    /// Writes a release with this file of limits.
    fn release(&self, name: &str, yaml: &str) -> anyhow::Result<()> {
        let folder = self.0.path().join(name).join("ratelimit/config");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("a.yaml"), yaml)?;
        Ok(())
    }

    /// Makes a release the current one, as the reference expects it: by one rename of a link.
    fn swap(&self, name: &str) -> anyhow::Result<()> {
        let next = self.0.path().join("next");
        symlink(name, &next)?;
        fs::rename(next, self.root())?;
        Ok(())
    }
}

/// A process and where it listens.
struct Node {
    process: Process,
    decide: SocketAddr,
    http: SocketAddr,
    admin: SocketAddr,
}

/// A process with these variables, which may end at once.
fn spawn(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<Process> {
    let mut command = binary::command()?;
    command.env(ADMIN_SOCKET_VARIABLE, folder.join("admin.sock"));
    command
        .env("LOG_FORMAT", "json")
        .env("TOLLGATE_DRAIN_NOTICE", "0s")
        .envs(variables.iter().copied());
    loopback(&mut command);
    Process::start("tollgate", command.args(arguments))
}

impl Node {
    async fn start(runtime: &Runtime, variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        let root = runtime.root().display().to_string();
        let mut all = vec![("RUNTIME_ROOT", &*root), ("RUNTIME_SUBDIRECTORY", "ratelimit")];
        all.extend(variables);
        Self::ready(spawn(runtime.0.path(), &["serve"], &all)?).await
    }

    async fn ready(mut process: Process) -> anyhow::Result<Self> {
        let Addresses { decide, http, admin } = launched::ready(&mut process).await?;
        Ok(Self { process, decide, http, admin })
    }

    async fn channel(&self) -> anyhow::Result<Channel> {
        Ok(Endpoint::from_shared(format!("http://{}", self.decide))?.connect().await?)
    }

    async fn ask(&self) -> anyhow::Result<Result<RateLimitResponse, tonic::Status>> {
        let mut client = RateLimitServiceClient::new(self.channel().await?);
        let asked: RateLimitRequest = request("d", &[("k", "v")]);
        Ok(client.should_rate_limit(asked).await.map(tonic::Response::into_inner))
    }

    async fn health(&self) -> anyhow::Result<ServingStatus> {
        let mut client = HealthClient::new(self.channel().await?);
        let asked = HealthCheckRequest { service: "ratelimit".into() };
        Ok(client.check(asked).await?.into_inner().status())
    }

    async fn expect_limit_soon(&self, number: u32) -> anyhow::Result<()> {
        wait::until("the new limit", BOUND, async || match self.ask().await {
            Ok(Ok(answer)) if limit(&answer) == Some(number) => Probe::Holds(()),
            Ok(answer) => Probe::NotYet(format!("{answer:?}")),
            Err(error) => Probe::Never(format!("{error:#}")),
        })
        .await
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        self.process.signal(Signal::Terminate)?;
        let exit = self.process.wait_exit(STOP_BOUND).await?;
        ensure!(exit.success(), "{exit}");
        Ok(())
    }
}

#[tokio::test]
async fn variables_alone_start_a_node_that_answers_and_follows_the_link() -> anyhow::Result<()> {
    let runtime = Runtime::new()?;
    runtime.release("one", &limits(2))?;
    runtime.release("two", &limits(9))?;
    fs::create_dir(runtime.0.path().join("one/ratelimit/config/team"))?;
    runtime.swap("one")?;
    let redis = [
        ("REDIS_URL", "redis:6379"),
        ("REDIS_SOCKET_TYPE", "tcp"),
        ("BACKEND_TYPE", "redis"),
        ("LIMIT_RESPONSE_HEADERS_ENABLED", "true"),
    ];
    let node = Node::start(&runtime, &redis).await?;
    let answer = node.ask().await??;
    ensure!(admitted(&answer)? && limit(&answer) == Some(2), "{answer:?}");
    let names: Vec<_> = answer.response_headers_to_add.iter().map(|h| h.key.as_str()).collect();
    ensure!(names == ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"], "{names:?}");
    ensure!(admitted(&node.ask().await??)? && !admitted(&node.ask().await??)?);
    let ignored = events(&node.process, "environment_ignored");
    ensure!(ignored.len() == 1, "{ignored:?}");
    ensure!(ignored[0]["names"] == "BACKEND_TYPE, REDIS_SOCKET_TYPE, REDIS_URL", "{ignored:?}");
    ensure!(ignored[0]["level"] == "WARN", "{ignored:?}");
    let folders = events(&node.process, "folder_ignored");
    ensure!(folders.len() == 1, "{folders:?}");

    runtime.swap("two")?;
    node.expect_limit_soon(9).await?;
    runtime.release("two", &limits(8))?;
    node.expect_limit_soon(8).await?;
    node.stop().await
}

#[tokio::test]
async fn without_files_that_are_right_calls_fail_until_there_are_some() -> anyhow::Result<()> {
    let runtime = Runtime::new()?;
    runtime.release("one", "domain: ''")?;
    runtime.swap("one")?;
    let node = Node::start(&runtime, &[("HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED", "1")]).await?;
    let error = node.ask().await?.err().context("an answer without a configuration")?;
    ensure!(error.code() == tonic::Code::Unknown, "{error:?}");
    ensure!(error.message() == "no rate limit configuration loaded", "{error:?}");
    ensure!(node.health().await? == ServingStatus::NotServing);
    ensure!(http::get(node.http, "/healthcheck", &[]).await?.status == 500);
    ensure!(http::get(node.admin, "/readyz", &[]).await?.status == 503);
    ensure!(http::get(node.admin, "/livez", &[]).await?.status == 200);
    let shown = http::get(node.admin, "/rlconfig", &[]).await?.text().into_owned();
    ensure!(shown.contains("config file cannot have empty domain"), "{shown}");
    let metrics = http::get(node.admin, "/metrics", &[]).await?.text().into_owned();
    ensure!(metrics.contains("tollgate_config_last_reload_success 0"), "{metrics}");
    ensure!(metrics.contains("reason=\"not_loaded\"} 1"), "{metrics}");

    runtime.release("one", &limits(5))?;
    node.expect_limit_soon(5).await?;
    ensure!(http::get(node.admin, "/readyz", &[]).await?.status == 200);
    wait::until("health", BOUND, async || match node.health().await {
        Ok(ServingStatus::Serving) => Probe::Holds(()),
        Ok(status) => Probe::NotYet(format!("{status:?}")),
        Err(error) => Probe::Never(format!("{error:#}")),
    })
    .await?;
    ensure!(http::get(node.http, "/healthcheck", &[]).await?.status == 200);
    node.stop().await
}

#[tokio::test]
async fn a_missing_root_is_no_reason_to_end_either() -> anyhow::Result<()> {
    let runtime = Runtime::new()?;
    let node = Node::start(&runtime, &[]).await?;
    let error = node.ask().await?.err().context("an answer without a configuration")?;
    ensure!(error.code() == tonic::Code::Unknown, "{error:?}");
    // The reference's default: health waits for nothing.
    ensure!(node.health().await? == ServingStatus::Serving);
    node.stop().await
}

#[tokio::test]
async fn what_would_be_less_safe_keeps_the_node_from_starting() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let variables = [("GRPC_SERVER_USE_TLS", "true"), ("GRPC_SERVER_TLS_KEY", "none.key")];
    let mut variables = variables.to_vec();
    variables.push(("SHADOW_MODE", "yes"));
    for arguments in [&["serve"] as &[_], &["check", "--env"]] {
        let mut process = spawn(folder.path(), arguments, &variables)?;
        let exit = process.wait_exit(BOUND).await?;
        ensure!(exit.code() == Some(3), "{exit}");
        let said = process.stderr().all().join("\n");
        for line in [
            "GRPC_SERVER_TLS_CERT: GRPC_SERVER_USE_TLS needs it",
            "SHADOW_MODE: expected a boolean, found \"yes\"",
        ] {
            ensure!(said.contains(line), "no `{line}` in\n{said}");
        }
        ensure!(!said.contains("listening"), "{said}");
    }
    Ok(())
}

#[tokio::test]
async fn check_shows_every_variable_and_no_secret() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let variables = [("REDIS_AUTH", "hunter2"), ("RUNTIME_ROOT", "/data")];
    let mut process = spawn(folder.path(), &["check", "--env"], &variables)?;
    let exit = process.wait_exit(BOUND).await?;
    ensure!(exit.success(), "{exit}");
    let shown = process.stdout().all().join("\n");
    for (name, value) in
        [("REDIS_AUTH", "(set)"), ("RUNTIME_ROOT", "\"/data\""), ("USE_STATSD", "-")]
    {
        let is_line = |line: &str| {
            let mut words = line.split_whitespace();
            words.next() == Some(name) && words.next() == Some(value)
        };
        ensure!(shown.lines().any(is_line), "no {name} {value} in\n{shown}");
    }
    ensure!(!shown.contains("hunter2"), "{shown}");
    Ok(())
}

#[tokio::test]
async fn a_file_wins_and_one_warning_names_the_variables() -> anyhow::Result<()> {
    let runtime = Runtime::new()?;
    runtime.release("one", &limits(2))?;
    let file = runtime.0.path().join("tollgate.yaml");
    let yaml = "
listeners:
  decide: {address: '127.0.0.1:0'}
  http: {address: '127.0.0.1:0'}
  admin: {address: '127.0.0.1:0'}
ratelimit_files: [one/ratelimit/config]
telemetry: {log_format: json}
";
    fs::write(&file, yaml)?;
    let file = file.display().to_string();
    let variables = [("SHADOW_MODE", "true"), ("GRPC_SERVER_USE_TLS", "true")];
    let node = Node::ready(spawn(runtime.0.path(), &["serve", "-c", &file], &variables)?).await?;
    let overridden = events(&node.process, "environment_overridden");
    ensure!(overridden.len() == 1, "{overridden:?}");
    let names = overridden[0]["names"].as_str().unwrap_or_default();
    ensure!(names.contains("SHADOW_MODE") && names.contains("GRPC_SERVER_USE_TLS"), "{names}");
    for admits in [true, true, false] {
        ensure!(admitted(&node.ask().await??)? == admits, "SHADOW_MODE won");
    }
    node.stop().await
}

fn limit(answer: &RateLimitResponse) -> Option<u32> {
    let current = answer.statuses.first()?.current_limit.as_ref()?;
    Some(current.requests_per_unit)
}
