//! What operators see and do: the command line over the admin socket, and what TCP gives out.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tollgate_tests::binary;
use tollgate_tests::http::{self, Answer};
use tollgate_tests::launched::{self, Addresses};
use tollgate_tests::process::{Process, Signal};
use tollgate_tests::tollgate::STOP_BOUND;

const LIMITS: &str = "
domain: shop
descriptors:
  - {key: user, rate_limit: {unit: year, requests_per_unit: 3, name: per-user}}
  - key: path
    value: /pay*
    descriptors:
      - {key: user, rate_limit: {unit: day, requests_per_unit: 5}, shadow_mode: true}
  - {key: team, rate_limit: {unlimited: true}}
";

#[tokio::test]
async fn limits_are_listed_and_shown() -> anyhow::Result<()> {
    let node = Node::start().await?;
    let listed = node.json(&["limits", "list", "--domain", "shop"])?;
    let paths = listed["limits"].as_array().context("no limits")?;
    let paths: Vec<_> = paths.iter().map(|limit| limit["path"].clone()).collect();
    ensure!(paths == ["shop.user", "shop.path_/pay*.user", "shop.team"], "{listed}");
    let user = &listed["limits"][0];
    ensure!(user["limit"] == 3 && user["unit"] == "year" && user["name"] == "per-user", "{user}");
    ensure!(listed["limits"][1]["shadow"] == true, "{listed}");
    ensure!(listed["limits"][2]["unlimited"] == true, "{listed}");
    ensure!(node.json(&["limits", "list", "--domain", "other"])? == json!({"limits": []}));

    let table = node.ok(&["limits", "list"])?;
    ensure!(table.starts_with("PATH ") && table.lines().count() == 4, "{table}");
    let shown = node.ok(&["limits", "show", "shop.user"])?;
    ensure!(shown.contains("3 per 365d") && shown.contains("per-user"), "{shown}");
    let missing = node.run(&["limits", "show", "shop.nothing"])?;
    ensure!(missing.code == Some(1) && missing.stderr.contains("tollgate limits list"));
    Ok(())
}

#[tokio::test]
async fn a_counter_is_found_shown_and_reset() -> anyhow::Result<()> {
    let mut node = Node::start().await?;
    for (user, hits) in [("alice", 4), ("bob", 1)] {
        for _ in 0..hits {
            node.ask(&[("user", user)]).await?;
        }
    }
    let found = node.json(&["counters", "find", "user=ali"])?;
    ensure!(found["counters"].as_array().is_some_and(|all| all.len() == 1), "{found}");
    let row = &found["counters"][0];
    ensure!(row["label"] == "shop user=alice" && row["limit"]["path"] == "shop.user", "{row}");
    ensure!(row["hits"] == 4 && row["remaining"] == 0 && row["fill_percent"] == 100, "{row}");
    let over = node.json(&["counters", "find", "--over"])?;
    ensure!(labels(&over) == ["shop user=alice"], "{over}");
    let top = node.json(&["counters", "top", "--by", "fill", "-n", "1"])?;
    ensure!(labels(&top) == ["shop user=alice"], "{top}");
    let table = node.ok(&["counters", "top"])?;
    ensure!(table.starts_with("KEY ") && table.lines().count() == 3, "{table}");

    let key = row["key"].as_str().context("no key")?;
    let shown = node.json(&["counters", "show", key])?;
    ensure!(shown["key"] == key && shown["hits"] == 4, "{shown}");
    ensure!(node.run(&["counters", "reset", key])?.code == Some(2));
    let dry = node.ok(&["counters", "reset", key, "--dry-run"])?;
    ensure!(dry.contains("would forget") && dry.contains("shop user=alice"), "{dry}");
    ensure!(dry.ends_with("  before  4\n  after   0\n"), "{dry}");
    let dry = node.json(&["counters", "reset", key, "--dry-run"])?;
    ensure!(dry["dry_run"] == true && dry["reset"]["hits"] == 4, "{dry}");
    ensure!(node.ask(&[("user", "alice")]).await?.status == 429, "a dry run forgot");
    let reset = node.ok(&["counters", "reset", key, "--yes"])?;
    ensure!(reset.contains("forgotten") && reset.contains("shop user=alice"), "{reset}");
    ensure!(reset.ends_with("  before  5\n  after   0\n"), "{reset}");
    ensure!(node.ask(&[("user", "alice")]).await?.status == 200, "a reset forgot nothing");
    let unknown = node.run(&["counters", "show", &"0".repeat(32)])?;
    ensure!(unknown.code == Some(1) && unknown.stderr.contains("counters find"), "{unknown:?}");

    // The log is whole once the process has ended.
    node.stop().await?;
    let log = node.log();
    let audits: Vec<_> = log.iter().filter(|event| event["event"] == "audit").collect();
    let [audit] = audits[..] else { anyhow::bail!("{audits:?}") };
    ensure!(audit["action"] == "counter_reset" && audit["resource"] == key, "{audit}");
    ensure!(audit["label"] == "shop user=alice", "{audit}");
    let who = audit["who"].as_str().unwrap_or_default();
    ensure!(who.starts_with("socket:"), "{audit}");
    ensure!(audit["before"] == "5" && audit["after"] == "0", "{audit}");
    Ok(())
}

#[tokio::test]
async fn a_search_goes_on_where_its_page_ended() -> anyhow::Result<()> {
    let node = Node::start().await?;
    for user in 0..7 {
        node.ask(&[("user", &format!("u{user}"))]).await?;
    }
    let mut found = Vec::new();
    let mut after = String::new();
    for _ in 0..4 {
        let mut arguments = vec!["counters", "find", "--limit", "2"];
        if !after.is_empty() {
            arguments.extend(["--after", &after]);
        }
        let page = node.json(&arguments)?;
        found.extend(labels(&page));
        after = page["next"].as_str().unwrap_or_default().to_owned();
    }
    found.sort();
    let expected: Vec<_> = (0..7).map(|user| format!("shop user=u{user}")).collect();
    ensure!(after.is_empty() && found == expected, "{found:?}, next {after:?}");
    Ok(())
}

#[tokio::test]
async fn explain_says_what_the_next_decision_does_and_spends_nothing() -> anyhow::Result<()> {
    let node = Node::start().await?;
    let arguments = ["explain", "--domain", "shop", "--entry", "user=alice"];
    for number in 0..5 {
        node.json(&arguments)?; // were it to spend, the next one would say so
        let said = node.json(&arguments)?;
        let descriptor = &said["descriptors"][0];
        ensure!(descriptor["counters"][0]["hits"] == number, "{said}");
        ensure!(descriptor["way"][0]["rule"] == "user", "{said}");
        let answer = node.ask(&[("user", "alice")]).await?;
        let did: Value = serde_json::from_slice(&answer.body)?;
        ensure!(said["overall"] == did["overallCode"], "{said} but {did}");
        let status = &did["statuses"][0];
        ensure!(descriptor["code"] == status["code"], "{said} but {did}");
        let left = status["limitRemaining"].as_u64().unwrap_or(0);
        ensure!(descriptor["remaining"] == left, "{said} but {did}");
    }
    let several = node.ok(&[
        "explain",
        "--domain=shop",
        "--descriptor=path=/pay/1,user=alice",
        "--descriptor=path=/other,user=alice",
        "--descriptor=team=red",
    ])?;
    for part in ["shadow", "no rule for `path=/other`", "unlimited", "answer  OK"] {
        ensure!(several.contains(part), "no {part:?} in\n{several}");
    }
    let unknown = node.ok(&["explain", "--domain", "other", "--entry", "user=alice"])?;
    ensure!(unknown.contains("no domain `other` is configured"), "{unknown}");
    Ok(())
}

#[tokio::test]
async fn the_socket_is_its_owners_and_tcp_gives_out_nothing() -> anyhow::Result<()> {
    let mut node = Node::start().await?;
    let mode = fs::metadata(node.socket())?.permissions().mode() & 0o7777;
    ensure!(mode == 0o600, "mode {mode:o}");
    for path in ["/v1", "/v1/limits", "/v1/counters", "/v1/no/such/path"] {
        for method in ["GET", "POST", "DELETE", "PATCH"] {
            let method = method.parse()?;
            let answer = http::send(node.admin, method, path, &[], Default::default()).await?;
            ensure!(answer.status == 401, "{path}: {answer:?}");
            let body: Value = serde_json::from_slice(&answer.body)?;
            ensure!(body["error"] == "unauthenticated", "{body}");
            ensure!(body["message"].as_str().is_some_and(|text| text.contains("socket")));
        }
    }
    node.stop().await?;
    ensure!(!node.socket().exists(), "the drain left the socket");
    let gone = node.run(&["status"])?;
    ensure!(gone.code == Some(5) && gone.stderr.contains("tollgate serve"), "{gone:?}");
    Ok(())
}

#[tokio::test]
async fn a_second_node_goes_on_without_the_first_ones_socket() -> anyhow::Result<()> {
    let mut first = Node::start().await?;
    let second = Node::start_at(first.socket()).await?;
    let events = second.log();
    let warned = events.iter().find(|event| event["event"] == "admin_socket_unavailable");
    let warned = warned.context("no warning")?;
    let error = warned["error"].as_str().unwrap_or_default();
    ensure!(error.contains(&first.socket().display().to_string()), "{warned}");
    ensure!(second.ask(&[("user", "a")]).await?.status == 200);
    let status = first.json(&["status"])?;
    ensure!(status["pid"] == first.process.pid(), "{status}");

    // A killed node leaves its socket; the next one takes it over.
    first.process.kill()?;
    ensure!(first.socket().exists());
    let third = Node::start_at(first.socket()).await?;
    let status = first.json(&["status"])?;
    ensure!(status["pid"] == third.process.pid(), "{status}");
    Ok(())
}

#[tokio::test]
async fn figures_and_limits_are_read_without_credentials() -> anyhow::Result<()> {
    let node = Node::start().await?;
    node.ask(&[("user", "alice")]).await?;
    let rlconfig = http::get(node.admin, "/rlconfig", &[]).await?;
    let expected = "\
shop.user: unit=YEAR requests_per_unit=3, shadow_mode: false, quota_mode: false
shop.path_/pay*.user: unit=DAY requests_per_unit=5, shadow_mode: true, quota_mode: false
shop.team: unit=UNKNOWN requests_per_unit=0, shadow_mode: false, quota_mode: false
";
    ensure!(rlconfig.status == 200 && rlconfig.text() == expected, "{}", rlconfig.text());
    let stats = http::get(node.admin, "/stats", &[]).await?.text().into_owned();
    ensure!(stats.lines().all(|line| line.split_once(": ").is_some()), "{stats}");
    let lines: Vec<_> = stats.lines().collect();
    ensure!(
        lines.contains(&"decisions_allowed: 1") && lines.contains(&"ledger_keys: 1"),
        "{stats}"
    );
    for name in ["uptime_seconds", "ledger_bytes", "config_hash", "config_loaded_at"] {
        ensure!(stats.contains(&format!("\n{name}: ")), "no {name} in\n{stats}");
    }
    let status = node.json(&["status"])?;
    ensure!(status["ready"] == true && status["config"]["limits"] == 3, "{status}");
    ensure!(stats.contains(status["config"]["hash"].as_str().context("no hash")?), "{status}");
    Ok(())
}

#[tokio::test]
async fn a_wrong_call_is_told_from_a_failure() -> anyhow::Result<()> {
    let node = Node::start().await?;
    for wrong in [
        &["counters", "show", "xyz"][..],
        &["counters", "find", "--limit", "1001"],
        &["counters", "reset", &"0".repeat(32), "--yes", "--dry-run"],
        &["explain", "--domain", "shop"],
        &["explain", "--domain", "shop", "--entry", "no-value"],
        &["limits"],
        &["admin", "token", "create", "--name", "a b", "--role", "viewer"],
        &["status", "-o", "xml"],
    ] {
        let ran = node.run(wrong)?;
        ensure!(ran.code == Some(2) && ran.stdout.is_empty(), "{wrong:?}: {ran:?}");
        let last = ran.stderr.lines().last().unwrap_or_default();
        ensure!(last.starts_with("next: tollgate "), "{wrong:?}: {ran:?}");
    }
    Ok(())
}

fn labels(page: &Value) -> Vec<String> {
    let rows = page["counters"].as_array().into_iter().flatten();
    rows.filter_map(|row| row["label"].as_str().map(str::to_owned)).collect()
}

/// A node with an admin socket of the test's own.
struct Node {
    process: Process,
    http: SocketAddr,
    admin: SocketAddr,
    socket: PathBuf,
    _folder: TempDir,
}

/// What a command said, and how it ended.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Node {
    async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("admin.sock");
        Self::launch(folder, socket).await
    }

    /// A node that is told to use another one's socket.
    async fn start_at(socket: &Path) -> anyhow::Result<Self> {
        Self::launch(tempfile::tempdir()?, socket.to_owned()).await
    }

    async fn launch(folder: TempDir, socket: PathBuf) -> anyhow::Result<Self> {
        fs::create_dir(folder.path().join("limits"))?;
        fs::write(folder.path().join("limits/shop.yaml"), LIMITS)?;
        let any = r#"{address: "127.0.0.1:0"}"#;
        let config = format!(
            "node: {{workers: 1, drain_notice: 0s}}\nlisteners: {{decide: {any}, http: {any}, admin: {any}}}\n\
             ratelimit_files: [limits]\ntelemetry: {{log_format: json}}\n"
        );
        let file = folder.path().join("tollgate.yaml");
        fs::write(&file, config)?;
        let mut command = binary::command()?;
        command.arg("serve").arg("-c").arg(&file).env("TOLLGATE_ADMIN_SOCKET", &socket);
        let mut process = Process::start("tollgate", &mut command)?;
        let Addresses { http, admin, .. } = launched::ready(&mut process).await?;
        Ok(Self { process, http, admin, socket, _folder: folder })
    }

    fn socket(&self) -> &Path {
        &self.socket
    }

    fn log(&self) -> Vec<Value> {
        launched::all_events(&self.process)
    }

    async fn stop(&mut self) -> anyhow::Result<()> {
        self.process.signal(Signal::Terminate)?;
        let exit = self.process.wait_exit(STOP_BOUND).await?;
        ensure!(exit.code() == Some(0), "{exit}\n{}", self.process.story());
        Ok(())
    }

    /// One hit for one descriptor.
    async fn ask(&self, entries: &[(&str, &str)]) -> anyhow::Result<Answer> {
        let entry = |(key, value): &(&str, &str)| json!({"key": key, "value": value});
        let entries: Vec<_> = entries.iter().map(entry).collect();
        let body = json!({"domain": "shop", "descriptors": [{"entries": entries}]});
        http::post(self.http, "/json", &[], body.to_string()).await
    }

    /// Runs the command line against this node.
    fn run(&self, arguments: &[&str]) -> anyhow::Result<Ran> {
        let mut command = binary::command()?;
        let output = command.args(arguments).env("TOLLGATE_ADMIN_SOCKET", &self.socket).output()?;
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        Ok(Ran { code: output.status.code(), stdout, stderr })
    }

    /// The same, for what must succeed.
    fn ok(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let ran = self.run(arguments)?;
        ensure!(ran.code == Some(0) && ran.stderr.is_empty(), "{arguments:?}: {ran:?}");
        Ok(ran.stdout)
    }

    fn json(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let arguments = [arguments, &["-o", "json"]].concat();
        Ok(serde_json::from_str(&self.ok(&arguments)?)?)
    }
}
