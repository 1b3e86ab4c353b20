//! TLS and Unix sockets between a real Envoy and Tollgate: certificates of both sides, their
//! renewal under load, connections that end by age.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tollgate_tests::certificates::{Authority, Issued};
use tollgate_tests::envoy::{self, Envoy};
use tollgate_tests::envoy_bootstrap::{Bootstrap, ClientTls, Route, generic_key};
use tollgate_tests::tollgate::{Builder, Tollgate};
use tollgate_tests::upstream::Upstream;
use tollgate_tests::wait::{self, Probe};

use crate::load::Load;

const LIMITS: &str = "
domain: edge
descriptors:
  - {key: generic_key, value: many, rate_limit: {unit: year, requests_per_unit: 1000000}}
  - {key: generic_key, value: one, rate_limit: {unit: year, requests_per_unit: 1}}
";

/// The name in the node's certificate.
const NODE: &str = "node.test";

/// For a change that the node or Envoy is to notice.
const BOUND: Duration = Duration::from_secs(20);

/// Answers of a load before and after what happens in it.
const STEADY: usize = 60;

/// Who vouches, a folder with everybody's files, and what the clients' side is made of.
struct World {
    authority: Authority,
    folder: tempfile::TempDir,
    binary: PathBuf,
}

impl World {
    /// None where there is no Envoy.
    fn new(name: &str) -> anyhow::Result<Option<Self>> {
        let Some(binary) = envoy::binary_or_skip(name)? else { return Ok(None) };
        let world = Self { authority: Authority::new()?, folder: tempfile::tempdir()?, binary };
        fs::write(world.path("ca.pem"), world.authority.pem())?;
        Ok(Some(world))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A certificate that is mounted as `node`, version by version.
    fn mount(&self, version: &str) -> anyhow::Result<Issued> {
        let issued = self.authority.issue(NODE)?;
        issued.mount(self.folder.path(), "node", version)?;
        Ok(issued)
    }

    /// Writes a certificate for Envoy.
    fn pair(&self, authority: &Authority, name: &str) -> anyhow::Result<[PathBuf; 2]> {
        let issued = authority.issue(name)?;
        let [cert, key] = ["crt", "key"].map(|kind| self.path(&format!("{name}.{kind}")));
        fs::write(&cert, issued.cert)?;
        fs::write(&key, issued.key)?;
        Ok([cert, key])
    }

    /// A node with the mounted certificate, and more keys in its section `tls`.
    fn node(&self, more: &str) -> Builder {
        let [cert, key] = ["node.crt", "node.key"].map(|name| self.path(name));
        let (cert, key) = (cert.display(), key.display());
        let tls = format!("tls: {{cert: {cert}, key: {key}{more}}}");
        Tollgate::builder().limits("edge.yaml", LIMITS).decide(&tls)
    }

    fn client(&self, pair: Option<[PathBuf; 2]>, alpn: bool) -> ClientTls {
        ClientTls { ca: self.path("ca.pem"), pair, alpn }
    }

    async fn envoy(&self, bootstrap: Bootstrap) -> anyhow::Result<Envoy> {
        let route = |path: &str, value| Route::new(path).descriptor(&[generic_key(value)]);
        let bootstrap = bootstrap.route(route("/many", "many")).route(route("/one", "one"));
        Envoy::start(&self.binary, &bootstrap.failure_mode_deny()).await
    }
}

/// Expects decisions: one passes, the next is over.
async fn decides(envoy: &Envoy) -> anyhow::Result<()> {
    for status in [200, 429, 429] {
        let answer = envoy.get("/one", &[]).await?;
        ensure!(answer.status == status, "not {status} but {answer:?}");
    }
    Ok(())
}

/// Waits for a line of the node's metrics.
async fn metric(node: &Tollgate, line: &str) -> anyhow::Result<()> {
    wait::until(line, BOUND, async || match node.admin_get("/metrics").await {
        Ok(answer) if answer.text().lines().any(|found| found == line) => Probe::Holds(()),
        Ok(answer) => {
            let name = line.split('{').next().unwrap_or_default();
            let text = answer.text();
            let found: Vec<_> = text.lines().filter(|line| line.starts_with(name)).collect();
            Probe::NotYet(format!("{found:?}"))
        }
        Err(error) => Probe::NotYet(format!("{error:#}")),
    })
    .await
}

#[tokio::test]
async fn envoy_asks_over_tls_without_a_name_with_and_without_alpn() -> anyhow::Result<()> {
    let name = "tls::envoy_asks_over_tls_without_a_name_with_and_without_alpn";
    let Some(world) = World::new(name)? else { return Ok(()) };
    world.mount("1")?;
    for alpn in [false, true] {
        let node = world.node("").start().await?;
        let upstream = Upstream::start().await?;
        let bootstrap = Bootstrap::new(node.decide_addr(), upstream.address(), "edge");
        let envoy = world.envoy(bootstrap.tls(world.client(None, alpn))).await?;
        decides(&envoy).await?;
        // Whoever speaks in the clear is not answered.
        let mut clear = TcpStream::connect(node.decide_addr()).await?;
        clear.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
        let mut said = Vec::new();
        let ended = tokio::time::timeout(BOUND, clear.read_to_end(&mut said)).await;
        // An alert of TLS (RFC 8446 §6), or nothing: no frame of HTTP/2.
        ensure!(ended.is_ok() && said.first().is_none_or(|kind| *kind == 21), "{said:?}");
        metric(&node, r#"tollgate_tls_handshake_failures_total{listener="decide"} 1"#).await?;
    }
    Ok(())
}

#[tokio::test]
async fn envoy_is_let_in_by_the_name_in_its_certificate() -> anyhow::Result<()> {
    let name = "tls::envoy_is_let_in_by_the_name_in_its_certificate";
    let Some(world) = World::new(name)? else { return Ok(()) };
    world.mount("1")?;
    let ca = world.path("ca.pem");
    let keys =
        format!(", client_ca: {}, client_auth: require, client_sans: [envoy.infra]", ca.display());
    let node = world.node(&keys).start().await?;
    let upstream = Upstream::start().await?;
    let bootstrap = || Bootstrap::new(node.decide_addr(), upstream.address(), "edge");
    let strangers = Authority::new()?;
    for pair in [
        None,
        Some(world.pair(&world.authority, "other.infra")?),
        Some(world.pair(&strangers, "envoy.infra")?),
    ] {
        let envoy = world.envoy(bootstrap().tls(world.client(pair.clone(), true))).await?;
        let answer = envoy.get("/one", &[]).await?;
        ensure!(answer.status == 500, "{pair:?} was let in: {answer:?}");
    }
    ensure!(upstream.arrived() == 0);
    let own = world.pair(&world.authority, "envoy.infra")?;
    decides(&world.envoy(bootstrap().tls(world.client(Some(own), true))).await?).await
}

#[tokio::test]
async fn a_caller_without_a_certificate_is_counted_where_one_is_asked_for() -> anyhow::Result<()> {
    let name = "tls::a_caller_without_a_certificate_is_counted_where_one_is_asked_for";
    let Some(world) = World::new(name)? else { return Ok(()) };
    world.mount("1")?;
    let keys = format!(", client_ca: {}", world.path("ca.pem").display());
    let node = world.node(&keys).start().await?;
    let upstream = Upstream::start().await?;
    let bootstrap = || Bootstrap::new(node.decide_addr(), upstream.address(), "edge");
    let own = world.pair(&world.authority, "envoy.infra")?;
    let known = world.envoy(bootstrap().tls(world.client(Some(own), false))).await?;
    ensure!(known.get("/many", &[]).await?.status == 200);
    metric(&node, r#"tollgate_unauthenticated_peers_total{listener="decide"} 0"#).await?;
    let unknown = world.envoy(bootstrap().tls(world.client(None, false))).await?;
    ensure!(unknown.get("/many", &[]).await?.status == 200);
    metric(&node, r#"tollgate_unauthenticated_peers_total{listener="decide"} 1"#).await
}

#[tokio::test]
async fn a_certificate_is_renewed_under_load_and_a_broken_one_is_not_taken() -> anyhow::Result<()> {
    let name = "tls::a_certificate_is_renewed_under_load_and_a_broken_one_is_not_taken";
    let Some(world) = World::new(name)? else { return Ok(()) };
    let first = world.mount("1")?;
    // Connections end often, so that many handshakes fall into the renewal.
    let node = world.node("").decide("max_connection_age: 300ms").start().await?;
    let upstream = Upstream::start().await?;
    let bootstrap = Bootstrap::new(node.decide_addr(), upstream.address(), "edge");
    let envoy = world.envoy(bootstrap.tls(world.client(None, true))).await?;
    let load = Load::new(&envoy, "/many");
    load.none_fails(async {
        load.answers(STEADY).await?;
        ensure!(first.is(&world.authority.shown(node.decide_addr(), NODE).await?));
        let second = world.mount("2")?;
        shows(&world, &node, &second).await?;
        load.answers(STEADY).await?;
        // A key without its certificate, as a writer leaves it who is not done.
        let broken = world.authority.issue(NODE)?;
        fs::write(world.path("..2/node.key"), &broken.key)?;
        metric(&node, r#"tollgate_tls_last_reload_success{listener="decide"} 0"#).await?;
        let rejected = |event: &serde_json::Value| event["event"] == "tls_rejected";
        ensure!(node.log().iter().any(rejected), "{:?}", node.log());
        ensure!(second.is(&world.authority.shown(node.decide_addr(), NODE).await?));
        load.answers(STEADY).await?;
        fs::write(world.path("..2/node.crt"), &broken.cert)?;
        shows(&world, &node, &broken).await?;
        metric(&node, r#"tollgate_tls_last_reload_success{listener="decide"} 1"#).await?;
        load.answers(STEADY).await
    })
    .await?;
    let made = envoy.counter("cluster.tollgate.upstream_cx_total").await?;
    ensure!(made > 2, "Envoy has connected only {made} times: ages do nothing");
    Ok(())
}

/// Waits until a new connection is shown this certificate.
async fn shows(world: &World, node: &Tollgate, issued: &Issued) -> anyhow::Result<()> {
    wait::until("the new certificate", BOUND, async || {
        match world.authority.shown(node.decide_addr(), NODE).await {
            Ok(shown) if issued.is(&shown) => Probe::Holds(()),
            Ok(_) => Probe::NotYet("another one".into()),
            Err(error) => Probe::Never(format!("{error:#}")),
        }
    })
    .await
}

#[tokio::test]
async fn connections_end_by_age_under_load_and_no_call_fails() -> anyhow::Result<()> {
    let name = "tls::connections_end_by_age_under_load_and_no_call_fails";
    let Some(world) = World::new(name)? else { return Ok(()) };
    let node = Tollgate::builder().limits("edge.yaml", LIMITS);
    let node = node.decide("max_connection_age: 100ms").start().await?;
    let upstream = Upstream::start().await?;
    let bootstrap = Bootstrap::new(node.decide_addr(), upstream.address(), "edge");
    let envoy = world.envoy(bootstrap).await?;
    let load = Load::new(&envoy, "/many");
    load.none_fails(async {
        wait::until("ten connections", BOUND, async || {
            let made = envoy.counter("cluster.tollgate.upstream_cx_total").await;
            match made {
                Ok(made) if made >= 10 => Probe::Holds(()),
                made => Probe::NotYet(format!("{made:?}")),
            }
        })
        .await
    })
    .await
}

#[tokio::test]
async fn envoy_asks_over_a_unix_socket_which_goes_with_its_node() -> anyhow::Result<()> {
    let name = "tls::envoy_asks_over_a_unix_socket_which_goes_with_its_node";
    let Some(world) = World::new(name)? else { return Ok(()) };
    let socket = world.path("rls.sock");
    // A socket that a killed process left.
    drop(std::os::unix::net::UnixListener::bind(&socket)?);
    let of_node = |socket: &Path| {
        let keys = format!("socket: {}", socket.display());
        Tollgate::builder().limits("edge.yaml", LIMITS).decide(&keys)
    };
    let mut node = of_node(&socket).start().await?;
    let second = of_node(&socket).start().await.err().context("two nodes share a socket")?;
    ensure!(format!("{second:#}").contains("belongs to a running node"), "{second:#}");
    let upstream = Upstream::start().await?;
    let bootstrap = Bootstrap::new(node.decide_addr(), upstream.address(), "edge");
    let envoy = world.envoy(bootstrap.pipe(&socket)).await?;
    decides(&envoy).await?;
    node.stop().await?;
    ensure!(!socket.exists());
    Ok(())
}

#[tokio::test]
async fn the_http_listener_speaks_tls_too() -> anyhow::Result<()> {
    let authority = Authority::new()?;
    let issued = authority.issue(NODE)?;
    let node = Tollgate::builder().file("a.crt", &issued.cert).file("a.key", &issued.key);
    let mut node = node.http("tls: {cert: a.crt, key: a.key}").start().await?;
    ensure!(issued.is(&authority.shown(node.http_addr(), NODE).await?));
    ensure!(node.http_get("/healthcheck").await.is_err());
    // Whoever does not shake hands holds nothing up, neither others nor the end.
    let silent = TcpStream::connect(node.http_addr()).await?;
    ensure!(issued.is(&authority.shown(node.http_addr(), NODE).await?));
    node.stop().await?;
    drop(silent);
    let cut_off = |event: &serde_json::Value| event["event"] == "drain_cut_off";
    ensure!(!node.log().iter().any(cut_off), "{:?}", node.log());
    Ok(())
}
