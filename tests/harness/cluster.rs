//! Three nodes of one cluster, each a process, all by one file.
//!
//! Their peers' addresses must stand in the file before anybody listens, so the ports are taken from
//! the system and held until their nodes have them.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};

use crate::binary;
use crate::held_port::HeldPort;
use crate::launched::{self, Addresses};
use crate::process::{Process, Signal};
use crate::rls::RateLimitServiceClient;
use crate::tollgate::ADMIN_SOCKET_VARIABLE;
use crate::wait::{self, Probe};

/// The names of the nodes.
pub const NAMES: [&str; 3] = ["a", "b", "c"];

/// From the start of the last node until every group has a leader that every node knows.
const WHOLE_BOUND: Duration = Duration::from_secs(20);

/// For connecting, and for one call on the typed client.
const CALL_BOUND: Duration = Duration::from_secs(5);

const CONFIG_FILE: &str = "tollgate.yaml";
const SECRET_FILE: &str = "cluster.secret";
const LIMITS_FILE: &str = "limits.yaml";

/// One node of a cluster. Dropped, its process is killed.
#[derive(Debug)]
pub struct Node {
    name: &'static str,
    process: Process,
    addresses: Addresses,
    socket: PathBuf,
}

/// A cluster of three nodes on this machine.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    folder: TempDir,
}

impl Cluster {
    /// Starts three nodes with these rate-limit files' text and these sections beside the cluster's,
    /// and waits until the cluster is whole for each of them.
    ///
    /// # Errors
    /// When it is not in time, with what the nodes logged.
    pub async fn start(limits: &str, sections: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join(SECRET_FILE), "the secret of three nodes under test")?;
        fs::write(folder.path().join(LIMITS_FILE), limits)?;
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listeners = NAMES.map(|_| std::net::TcpListener::bind(any));
        let mut members = String::new();
        let mut held = Vec::new();
        for (name, listener) in NAMES.into_iter().zip(listeners) {
            let address = listener?.local_addr()?;
            held.push(HeldPort::hold(address)?);
            members.push_str(&format!("    {name}: {{address: \"{address}\"}}\n"));
        }
        let config = format!(
            "node: {{workers: 1, drain_notice: 0s}}\n\
             listeners:\n  decide: {{address: \"127.0.0.1:0\"}}\n  http: {{address: \"127.0.0.1:0\"}}\n  \
             admin: {{address: \"127.0.0.1:0\"}}\n\
             cluster:\n  secret: \"${{file:{SECRET_FILE}}}\"\n  members:\n{members}\
             ratelimit_files: [\"{LIMITS_FILE}\"]\ntelemetry: {{log_format: json}}\n{sections}\n"
        );
        fs::write(folder.path().join(CONFIG_FILE), config)?;
        let mut started = Vec::new();
        for name in NAMES {
            let socket = folder.path().join(format!("{name}.sock"));
            let mut command = binary::command()?;
            command.args(["serve", "--node", name, "--config"]);
            command.arg(folder.path().join(CONFIG_FILE)).env(ADMIN_SOCKET_VARIABLE, &socket);
            started.push((name, Process::start(name, &mut command)?, socket));
        }
        let mut nodes = Vec::new();
        for (name, mut process, socket) in started {
            let addresses = launched::ready(&mut process).await?;
            nodes.push(Node { name, process, addresses, socket });
        }
        drop(held);
        let cluster = Self { nodes, folder };
        cluster.wait_whole().await?;
        Ok(cluster)
    }

    /// The nodes that were not killed.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node of this name, to be signalled.
    ///
    /// # Errors
    /// When it was killed.
    pub fn node(&mut self, name: &str) -> anyhow::Result<&mut Node> {
        let found = self.nodes.iter_mut().find(|node| node.name == name);
        found.with_context(|| format!("no node {name}"))
    }

    /// Kills a node as a crash would.
    ///
    /// # Errors
    /// When there is none of this name, or the system refuses.
    pub fn kill(&mut self, name: &str) -> anyhow::Result<()> {
        self.node(name)?.process.kill()?;
        self.nodes.retain(|node| node.name != name);
        Ok(())
    }

    /// The name of the leader of a group, as the first of the others than `except` sees it.
    ///
    /// # Errors
    /// When there is none in time.
    pub async fn leader(&self, group: u64, except: &str) -> anyhow::Result<String> {
        let node = self.nodes.iter().find(|node| node.name != except).context("no node")?;
        wait::until(&format!("a leader of group {group}"), WHOLE_BOUND, async || {
            let leader = node.leader(group).ok().flatten().filter(|leader| leader != except);
            leader.map_or_else(|| Probe::NotYet("none".to_owned()), Probe::Holds)
        })
        .await
    }

    /// Waits until every group has a leader that every node knows.
    ///
    /// # Errors
    /// When that takes too long.
    pub async fn wait_whole(&self) -> anyhow::Result<()> {
        for node in &self.nodes {
            let whole = wait::until("a whole cluster", WHOLE_BOUND, async || match node.status() {
                Ok(status) if status["is_whole"] == true => Probe::Holds(()),
                Ok(status) => Probe::NotYet(status.to_string()),
                Err(error) => Probe::NotYet(format!("{error:#}")),
            });
            whole.await.with_context(|| node.process.story())?;
        }
        Ok(())
    }

    /// The file that every node was started with.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join(CONFIG_FILE)
    }
}

impl Node {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Its process.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Has it stand still until [`Node::resume`], as a long pause of its machine would.
    ///
    /// # Errors
    /// When it has ended.
    pub fn pause(&mut self) -> anyhow::Result<()> {
        self.process.signal(Signal::Stop)
    }

    /// Has it go on.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        self.process.signal(Signal::Continue)
    }

    /// What `tollgate ARGUMENTS -o json` prints of it.
    ///
    /// # Errors
    /// When that fails or is no JSON.
    pub fn asked(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let mut command = binary::command()?;
        command.args(arguments).args(["-o", "json"]).env(ADMIN_SOCKET_VARIABLE, &self.socket);
        let output = command.output().context("cannot run tollgate")?;
        let words = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "tollgate {arguments:?}: {}: {words}", output.status);
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// What `tollgate cluster status` says.
    ///
    /// # Errors
    /// As of [`Node::asked`].
    pub fn status(&self) -> anyhow::Result<Value> {
        self.asked(&["cluster", "status"])
    }

    /// The leader of a group, as it sees it.
    ///
    /// # Errors
    /// As of [`Node::asked`].
    pub fn leader(&self, group: u64) -> anyhow::Result<Option<String>> {
        let status = self.status()?;
        let groups = status["groups"].as_array().context("no groups")?;
        let found = groups.iter().find(|one| one["group"] == group);
        Ok(found.and_then(|group| group["leader"].as_str()).map(str::to_owned))
    }

    /// A rate-limit client on a new connection.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn rls(&self) -> anyhow::Result<RateLimitServiceClient<Channel>> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.addresses.decide))?;
        let endpoint = endpoint.connect_timeout(CALL_BOUND).timeout(CALL_BOUND);
        let channel = endpoint.connect().await.with_context(|| self.process.story())?;
        Ok(RateLimitServiceClient::new(channel))
    }
}
