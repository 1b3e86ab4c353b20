//! A node that is started by the environment and gets its limits from an xDS server, and short ways
//! to write resources.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use prost::Message as _;
use tempfile::TempDir;
use tollgate_proto::xds::{RateLimitConfig, RateLimitDescriptor, RateLimitPolicy, RateLimitUnit};
use tollgate_tests::ads::{Ads, Any, RATE_LIMIT_CONFIG, Seen};
use tollgate_tests::binary;
use tollgate_tests::http;
use tollgate_tests::launched::{self, Addresses, loopback};
use tollgate_tests::process::{Process, Signal};
use tollgate_tests::rls::{
    RateLimitRequest, RateLimitResponse, RateLimitServiceClient, admitted, hits, request,
};
use tollgate_tests::tollgate::{ADMIN_SOCKET_VARIABLE, STOP_BOUND};
use tollgate_tests::wait::{self, Probe};
use tonic::transport::Endpoint;

pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// A limit of this many in a year, on the last of `keys`; a key is `key` or `key=value`.
pub(crate) fn chain(keys: &[&str], number: u32) -> RateLimitDescriptor {
    let mut keys = keys.iter().rev();
    let leaf = keys.next().map(|key| node(key)).unwrap_or_default();
    let limit = RateLimitPolicy {
        unit: RateLimitUnit::Year as i32,
        requests_per_unit: number,
        ..Default::default()
    };
    let leaf = RateLimitDescriptor { rate_limit: Some(limit), ..leaf };
    keys.fold(leaf, |inner, key| RateLimitDescriptor { descriptors: vec![inner], ..node(key) })
}

fn node(text: &str) -> RateLimitDescriptor {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    RateLimitDescriptor { key: key.into(), value: value.into(), ..Default::default() }
}

pub(crate) fn resource(domain: &str, descriptors: Vec<RateLimitDescriptor>) -> Any {
    let config = RateLimitConfig { name: domain.into(), domain: domain.into(), descriptors };
    Any { type_url: RATE_LIMIT_CONFIG.into(), value: config.encode_to_vec() }
}

/// Domain with the one rule `k`, good or not.
pub(crate) fn domain(name: &str, number: u32, is_good: bool) -> Any {
    let mut descriptors = vec![chain(&["k"], number)];
    if !is_good {
        descriptors.push(chain(&["k"], number));
    }
    resource(name, descriptors)
}

/// A running node.
pub(crate) struct XdsNode {
    pub(crate) process: Process,
    pub(crate) decide: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) admin: SocketAddr,
    _folder: TempDir,
}

impl XdsNode {
    /// Starts one that follows `ads`, with variables beside those for that.
    pub(crate) async fn start(ads: &Ads, variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        let url = ads.address().to_string();
        let mut all = vec![("CONFIG_GRPC_XDS_SERVER_URL", &*url)];
        all.extend(variables);
        Self::start_anywhere(&all).await
    }

    /// Starts one that follows whatever the variables say.
    pub(crate) async fn start_anywhere(variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut command = binary::command()?;
        command.arg("serve").env("CONFIG_TYPE", "GRPC_XDS_SOTW").env("LOG_FORMAT", "json");
        command.env(ADMIN_SOCKET_VARIABLE, folder.path().join("admin.sock"));
        loopback(&mut command);
        command.envs(variables.iter().copied());
        Self::ready(command, folder).await
    }

    /// Runs `command` until the node is ready.
    pub(crate) async fn ready(mut command: Command, folder: TempDir) -> anyhow::Result<Self> {
        let mut process = Process::start("tollgate", &mut command)?;
        let Addresses { decide, http, admin } = launched::ready(&mut process).await?;
        Ok(Self { process, decide, http, admin, _folder: folder })
    }

    pub(crate) async fn ask(
        &self,
        domain: &str,
        entries: &[(&str, &str)],
    ) -> anyhow::Result<Result<RateLimitResponse, tonic::Status>> {
        self.call(request(domain, entries)).await
    }

    async fn call(
        &self,
        asked: RateLimitRequest,
    ) -> anyhow::Result<Result<RateLimitResponse, tonic::Status>> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.decide))?;
        let mut client = RateLimitServiceClient::new(endpoint.connect().await?);
        Ok(client.should_rate_limit(asked).await.map(tonic::Response::into_inner))
    }

    /// The number of the limit that `k` meets in this domain now; none if it meets none. A peek:
    /// who waits for a change asks often, and must not spend what the limit allows.
    pub(crate) async fn limit(&self, domain: &str) -> anyhow::Result<Option<u32>> {
        let mut peek = request(domain, &[("k", "v")]);
        peek.descriptors.first_mut().context("no descriptor")?.hits_addend = Some(hits(0));
        let answer = self.call(peek).await??;
        ensure!(admitted(&answer)?, "{answer:?}");
        number_in(&answer)
    }

    /// Waits until `k` meets a limit of this number, and spends nothing of it.
    pub(crate) async fn expect(&self, domain: &str, number: u32) -> anyhow::Result<()> {
        let what = format!("limit {number} in {domain}");
        let seen = wait::until(&what, BOUND, async || match self.limit(domain).await {
            Ok(limit) if limit == Some(number) => Probe::Holds(()),
            other => Probe::NotYet(format!("{other:?}")),
        });
        seen.await.with_context(|| self.process.story())
    }

    /// Waits for a line of the metrics.
    pub(crate) async fn expect_metric(&self, line: &str) -> anyhow::Result<()> {
        wait::until(line, BOUND, async || match http::get(self.admin, "/metrics", &[]).await {
            Ok(answer) if answer.text().lines().any(|found| found == line) => Probe::Holds(()),
            Ok(answer) => {
                let shown = answer.text();
                let ours = shown.lines().filter(|line| line.contains("xds"));
                Probe::NotYet(ours.collect::<Vec<_>>().join("; "))
            }
            Err(error) => Probe::NotYet(format!("{error:#}")),
        })
        .await
    }

    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        self.process.signal(Signal::Terminate)?;
        let exit = self.process.wait_exit(STOP_BOUND).await?;
        ensure!(exit.success(), "{exit}");
        Ok(())
    }
}

/// The number of the limit that was met.
fn number_in(answer: &RateLimitResponse) -> anyhow::Result<Option<u32>> {
    let first = answer.statuses.first().context("no status")?;
    Ok(first.current_limit.as_ref().map(|limit| limit.requests_per_unit))
}

/// Waits until the server has seen this many requests, and gives them.
pub(crate) async fn requests(ads: &Ads, count: usize) -> anyhow::Result<Vec<Seen>> {
    wait::until("requests", BOUND, async || {
        let seen = ads.seen();
        if seen.len() >= count { Probe::Holds(seen) } else { Probe::NotYet(format!("{seen:?}")) }
    })
    .await
}

/// A path as a variable's value.
pub(crate) fn text(path: &Path) -> &str {
    let path: &OsStr = path.as_os_str();
    path.to_str().unwrap_or_default()
}
