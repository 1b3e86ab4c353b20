//! The two servers that are compared, started as child processes on loopback.
//!
//! Both get the same number of workers and an empty environment, so that no variable of the
//! shell changes what is measured.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use tempfile::TempDir;
use tollgate_benches::node;
use tollgate_benches::process::{Announces, ServerProcess};

use crate::cases::LIMITS;

/// Twice the most that any case has, so that nothing is evicted.
const KEYS_MAX: usize = 2_000_000;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The server that decides nothing.
    Floor,
    /// Tollgate.
    Tollgate,
}

/// How to start both; keeps Tollgate's configuration on disk as long as it lives.
#[derive(Debug)]
pub(crate) struct Starter {
    floor: PathBuf,
    tollgate: PathBuf,
    workers: NonZeroUsize,
    files: TempDir,
}

/// Both, running.
#[derive(Debug)]
pub(crate) struct Servers {
    floor: ServerProcess,
    tollgate: ServerProcess,
}

impl Starter {
    /// Writes the configuration; without a given path the binaries are those built beside this
    /// one.
    pub(crate) fn new(
        floor: Option<&Path>,
        tollgate: Option<&Path>,
        workers: NonZeroUsize,
    ) -> anyhow::Result<Self> {
        let files = TempDir::with_prefix("tollgate-bench-").context("a temporary directory")?;
        let limits = files.path().join("limits");
        fs::create_dir(&limits)?;
        fs::write(limits.join("bench.yaml"), LIMITS)?;
        fs::write(config_path(&files), config(workers, &limits))?;
        let built = std::env::current_exe().context("the path of this program")?;
        Ok(Self {
            floor: floor.map_or_else(|| built.with_file_name("floor-rls"), Path::to_owned),
            tollgate: tollgate.map_or_else(|| built.with_file_name("tollgate"), Path::to_owned),
            workers,
            files,
        })
    }

    /// Starts both and waits until both serve.
    pub(crate) fn start(&self) -> anyhow::Result<Servers> {
        Ok(Servers { floor: self.start_floor()?, tollgate: self.start_tollgate()? })
    }

    fn start_floor(&self) -> anyhow::Result<ServerProcess> {
        let mut command = Command::new(&self.floor);
        command.env_clear().args(["--address", "127.0.0.1:0"]);
        command.arg("--workers").arg(self.workers.to_string());
        let ready = |line: &str| line.strip_prefix("listening ")?.parse().ok();
        Ok(ServerProcess::start(command, Announces::OnStdout, node::START_TIME_MAX, ready)?)
    }

    /// Starts Tollgate alone.
    pub(crate) fn start_tollgate(&self) -> anyhow::Result<ServerProcess> {
        Ok(node::start(&self.tollgate, &config_path(&self.files))?)
    }
}

impl Servers {
    /// The one of that side.
    pub(crate) fn of(&self, side: Side) -> &ServerProcess {
        match side {
            Side::Floor => &self.floor,
            Side::Tollgate => &self.tollgate,
        }
    }
}

fn config_path(files: &TempDir) -> PathBuf {
    files.path().join("tollgate.yaml")
}

fn config(workers: NonZeroUsize, limits: &Path) -> String {
    // Debug quotes the path; a YAML double-quoted scalar has the same escapes for what a path holds.
    format!(
        "node: {{workers: {workers}}}\n\
         listeners:\n  \
           decide: {{address: \"127.0.0.1:0\"}}\n  \
           http: {{address: \"127.0.0.1:0\"}}\n  \
           admin: {{address: \"127.0.0.1:0\"}}\n\
         ledger: {{keys_max: {KEYS_MAX}}}\n\
         ratelimit_files: [{limits:?}]\n\
         telemetry: {{log_format: json}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_names_the_workers_and_the_limits() {
        let text = config(NonZeroUsize::new(3).unwrap(), Path::new("/a b/limits"));
        assert!(text.starts_with("node: {workers: 3}\nlisteners:\n  decide: {"), "{text}");
        assert!(text.contains("\nratelimit_files: [\"/a b/limits\"]\n"), "{text}");
    }
}
