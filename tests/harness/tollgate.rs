//! A Tollgate node of a test: its configuration, its process, its addresses.
//!
//! The node listens on ports the system chose and says on standard error which; a node that is
//! started again gets the same ports back. The harness reads three events of the JSON log
//! (`listening`, `ready`, and the exit status as the last word) and nothing else of it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

use crate::binary;
use crate::held_port::HeldPort;
use crate::http::{self, Answer};
use crate::launched::{self, Addresses};
use crate::process::{Process, Signal};
use crate::rls::RateLimitServiceClient;
use crate::shape::{LIMITS_FOLDER, Shape};

/// From SIGTERM to the exit: above any drain that Tollgate's defaults allow.
pub const STOP_BOUND: Duration = Duration::from_secs(30);

/// For connecting, and for one call on the typed client.
const CALL_BOUND: Duration = Duration::from_secs(5);

const CONFIG_FILE: &str = "tollgate.yaml";

/// Where a node puts its admin socket: beside its files, never where a developer's own node has it.
pub const ADMIN_SOCKET_VARIABLE: &str = "TOLLGATE_ADMIN_SOCKET";

/// What to start; see [`Tollgate::builder`].
#[derive(Debug, Clone)]
pub struct Builder {
    shape: Shape,
    limits: Vec<(String, String)>,
    /// Files beside the configuration.
    files: Vec<(String, String)>,
}

impl Builder {
    /// Adds a ratelimit file.
    #[must_use]
    pub fn limits(mut self, file: &str, yaml: &str) -> Self {
        self.limits.push((file.to_owned(), yaml.to_owned()));
        self
    }

    /// Sets the number of decision cores; 2 unless said.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.shape.workers = workers;
        self
    }

    /// Puts a file beside the configuration.
    #[must_use]
    pub fn file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }

    /// Sets how long the node serves on when it is told to end; not at all unless said.
    #[must_use]
    pub fn drain_notice(mut self, length: &str) -> Self {
        self.shape.drain_notice = length.to_owned();
        self
    }

    /// Adds keys to the decide listener, as they stand in a flow mapping.
    #[must_use]
    pub fn decide(mut self, keys: &str) -> Self {
        self.shape.decide.push_str(&format!(", {keys}"));
        self
    }

    /// Adds keys to the http listener, likewise.
    #[must_use]
    pub fn http(mut self, keys: &str) -> Self {
        self.shape.http.push_str(&format!(", {keys}"));
        self
    }

    /// Adds keys to the operators' listener, likewise.
    #[must_use]
    pub fn admin(mut self, keys: &str) -> Self {
        self.shape.admin.push_str(&format!(", {keys}"));
        self
    }

    /// Bounds the files that the process may open, beyond what it could raise itself.
    #[must_use]
    pub fn open_files(mut self, most: usize) -> Self {
        self.shape.open_files = Some(most);
        self
    }

    /// Adds sections to the configuration, as they stand in the file.
    #[must_use]
    pub fn sections(mut self, yaml: &str) -> Self {
        self.shape.sections.push_str(yaml);
        self.shape.sections.push('\n');
        self
    }

    /// Adds keys to `telemetry`, as they stand between braces: `statsd: {…}`.
    #[must_use]
    pub fn telemetry(mut self, yaml: &str) -> Self {
        self.shape.telemetry.push_str(", ");
        self.shape.telemetry.push_str(yaml);
        self
    }

    /// Writes the files, starts the node and waits until it is ready.
    ///
    /// # Errors
    /// When it is not ready in time, with what it logged.
    pub async fn start(self) -> anyhow::Result<Tollgate> {
        let folder = tempfile::tempdir()?;
        let limits = folder.path().join(LIMITS_FOLDER);
        fs::create_dir(&limits)?;
        for (file, yaml) in &self.limits {
            fs::write(limits.join(file), yaml)?;
        }
        for (name, text) in &self.files {
            fs::write(folder.path().join(name), text)?;
        }
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let wanted = Addresses { decide: any, http: any, admin: any };
        let (process, addresses) = launch(folder.path(), &self.shape, wanted).await?;
        Ok(Tollgate { process, addresses, shape: self.shape, held: Vec::new(), folder })
    }
}

/// A node. Dropped, its process is killed.
#[derive(Debug)]
pub struct Tollgate {
    process: Process,
    addresses: Addresses,
    shape: Shape,
    /// The node's ports while it is down.
    held: Vec<HeldPort>,
    folder: TempDir,
}

impl Tollgate {
    /// A node with two decision cores, without limits.
    #[must_use]
    pub fn builder() -> Builder {
        Builder { shape: Shape::default(), limits: Vec::new(), files: Vec::new() }
    }

    /// The gRPC listener for proxies, if it has no socket.
    #[must_use]
    pub fn decide_addr(&self) -> SocketAddr {
        self.addresses.decide
    }

    /// The HTTP listener for services.
    #[must_use]
    pub fn http_addr(&self) -> SocketAddr {
        self.addresses.http
    }

    /// The operator's listener.
    #[must_use]
    pub fn admin_addr(&self) -> SocketAddr {
        self.addresses.admin
    }

    /// The node's process.
    #[must_use]
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The folder with the node's files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file with its configuration.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.folder().join(CONFIG_FILE)
    }

    /// The command line, to be run against this node over its admin socket.
    ///
    /// # Errors
    /// When there is no binary.
    pub fn command_line(&self) -> anyhow::Result<std::process::Command> {
        let mut command = binary::command()?;
        command.env(ADMIN_SOCKET_VARIABLE, self.folder().join("admin.sock"));
        Ok(command)
    }

    /// The folder with its ratelimit files.
    #[must_use]
    pub fn limits_folder(&self) -> PathBuf {
        self.folder().join(LIMITS_FOLDER)
    }

    /// Puts a ratelimit file into the folder as editors do: written beside, renamed over the old.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn replace_limits(&self, file: &str, yaml: &str) -> anyhow::Result<()> {
        replace(&self.limits_folder().join(file), yaml)
    }

    /// Replaces its configuration likewise.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn replace_config(&self, yaml: &str) -> anyhow::Result<()> {
        replace(&self.config_file(), yaml)
    }

    /// The JSON lines of its log, oldest first; other lines are left out.
    #[must_use]
    pub fn log(&self) -> Vec<Value> {
        launched::all_events(&self.process)
    }

    /// Sends SIGTERM, waits for the drain and expects exit code 0; keeps the ports for a new start.
    ///
    /// # Errors
    /// When it does not end in time, or with another status.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.process.signal(Signal::Terminate)?;
        self.ended_well().await
    }

    /// Waits for the end of a node that was told to stop, as [`Tollgate::stop`] does.
    ///
    /// # Errors
    /// When it does not end in time, or with another status than 0.
    pub async fn ended_well(&mut self) -> anyhow::Result<()> {
        let exit = self.process.wait_exit(STOP_BOUND).await?;
        ensure!(exit.code() == Some(0), "tollgate ended with {exit}\n{}", self.process.story());
        self.hold_ports()
    }

    /// Kills it as a crash would; keeps the ports for a new start.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        self.hold_ports()
    }

    /// Starts a stopped node again, on the same ports and files.
    ///
    /// # Errors
    /// When it is not ready in time.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        let launched = launch(self.folder.path(), &self.shape, self.addresses).await?;
        (self.process, self.addresses) = launched;
        self.held.clear();
        Ok(())
    }

    /// Stops it and starts it again.
    ///
    /// # Errors
    /// As of the two steps.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.stop().await?;
        self.start_again().await
    }

    /// A new connection to the decide listener.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn channel(&self) -> anyhow::Result<Channel> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.addresses.decide))?;
        let endpoint = endpoint.connect_timeout(CALL_BOUND).timeout(CALL_BOUND);
        endpoint.connect().await.with_context(|| self.process.story())
    }

    /// A rate-limit client on a new connection.
    ///
    /// # Errors
    /// When the connection cannot be made.
    pub async fn rls(&self) -> anyhow::Result<RateLimitServiceClient<Channel>> {
        Ok(RateLimitServiceClient::new(self.channel().await?))
    }

    /// A GET on the HTTP listener.
    ///
    /// # Errors
    /// When there is no whole answer in time.
    pub async fn http_get(&self, path: &str) -> anyhow::Result<Answer> {
        http::get(self.addresses.http, path, &[]).await
    }

    /// A GET on the operator's listener.
    ///
    /// # Errors
    /// When there is no whole answer in time.
    pub async fn admin_get(&self, path: &str) -> anyhow::Result<Answer> {
        http::get(self.addresses.admin, path, &[]).await
    }

    fn hold_ports(&mut self) -> anyhow::Result<()> {
        let Addresses { decide, http, admin } = self.addresses;
        self.held =
            [decide, http, admin].map(HeldPort::hold).into_iter().collect::<Result<_, _>>()?;
        Ok(())
    }
}

async fn launch(
    folder: &Path,
    shape: &Shape,
    wanted: Addresses,
) -> anyhow::Result<(Process, Addresses)> {
    let config = folder.join(CONFIG_FILE);
    fs::write(&config, shape.text(wanted))?;
    let mut command = match shape.open_files {
        None => binary::command()?,
        Some(most) => binary::command_with_open_files(most)?,
    };
    command.env(ADMIN_SOCKET_VARIABLE, folder.join("admin.sock"));
    let mut process = Process::start("tollgate", command.arg("serve").arg("-c").arg(&config))?;
    let addresses = launched::ready_on(&mut process, Some(wanted)).await?;
    Ok((process, addresses))
}

fn replace(file: &Path, text: &str) -> anyhow::Result<()> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    // A hidden file never is a ratelimit file, so a half-written one does not count.
    let beside = file.with_file_name(format!(".{name}.new"));
    fs::write(&beside, text)?;
    fs::rename(&beside, file).with_context(|| format!("cannot replace {}", file.display()))
}
