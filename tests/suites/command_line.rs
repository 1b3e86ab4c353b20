//! The command line's contract as scripts and terminals see it: codes, forms, colour, questions.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::json;
use tempfile::TempDir;
use tollgate_tests::binary;
use tollgate_tests::http;
use tollgate_tests::launched;
use tollgate_tests::process::{Process, Signal};
use tollgate_tests::skip::skip;
use tollgate_tests::wait::{self, Probe};

const BOUND: Duration = Duration::from_secs(15);

const ESCAPE: char = '\u{1b}';

const CONFIG: &str = r#"
node: {workers: 1, drain_notice: 0s}
listeners:
  decide: {address: "127.0.0.1:0"}
  http: {address: "127.0.0.1:0"}
  admin: {address: "127.0.0.1:0"}
ratelimit_files: [limits]
telemetry: {log_format: json}
"#;

const LIMITS: &str = "
domain: shop
descriptors:
  - {key: user, rate_limit: {unit: year, requests_per_unit: 1, name: a-name-of-quite-some-length}}
";

#[tokio::test]
async fn what_is_piped_has_no_escape_codes_unless_asked_for() -> anyhow::Result<()> {
    let node = Node::start().await?;
    let key = node.spend().await?;
    let asking = ["explain", "--domain=shop", "--entry=user=alice"];
    let show = ["counters", "show", &key];
    for (call, has_colour) in [
        (&["status"][..], true),
        (&["limits", "list"], true),
        (&["limits", "show", "shop.user"], true),
        (&["counters", "find"], true),
        (&["counters", "top"], true),
        (&show, true),
        (&asking, true),
        (&["version"], false),
        (&["check", "--env"], true),
        (&["schema"], false),
        (&["completion", "bash"], false),
        (&["man"], false),
        (&["--help"], true),
    ] {
        let colour = |variables: &[(&str, &str)], more: &[&str]| -> anyhow::Result<bool> {
            let ran = node.run_with(&[call, more].concat(), variables)?;
            // No variable is set: `check --env` has no name to print.
            let is_empty = ran.stdout.is_empty() && !more.contains(&"name");
            ensure!(ran.code == 0 && !is_empty, "{call:?}: {ran:?}");
            Ok(ran.stdout.contains(ESCAPE) || ran.stderr.contains(ESCAPE))
        };
        ensure!(!colour(&[], &[])?, "{call:?}");
        ensure!(colour(&[("CLICOLOR_FORCE", "1")], &[])? == has_colour, "{call:?}");
        ensure!(!colour(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], &[])?, "{call:?}");
        if has_colour && call != ["--help"] {
            ensure!(colour(&[("NO_COLOR", "1")], &["--color=always"])?, "{call:?}");
            ensure!(!colour(&[("CLICOLOR_FORCE", "1")], &["--color=never"])?, "{call:?}");
            for form in ["json", "yaml", "name"] {
                ensure!(!colour(&[], &["-o", form, "--color=always"])?, "{call:?} {form}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn every_form_says_the_same() -> anyhow::Result<()> {
    let node = Node::start().await?;
    let key = node.spend().await?;
    let found = |form: &str| node.run(&["counters", "find", "-o", form]);
    ensure!(found("name")?.stdout == format!("{key}\n"));
    ensure!(found("yaml")?.stdout.contains(&format!("key: {key}\n")));
    ensure!(found("json")?.stdout.contains(&format!("\"key\":\"{key}\"")));
    let (table, wide) = (found("table")?.stdout, found("wide")?.stdout);
    ensure!(table.contains(&key) && !table.contains("shop.user"), "{table}");
    ensure!(wide.contains(&key) && wide.contains("shop.user"), "{wide}");
    Ok(())
}

#[tokio::test]
async fn every_code_is_seen_from_outside_and_every_failure_says_what_to_try() -> anyhow::Result<()>
{
    let node = Node::start().await?;
    let key = node.spend().await?;
    let wrong = node.folder.path().join("wrong.yaml");
    fs::write(&wrong, "nodes: 1\n")?;
    let wrong = wrong.display().to_string();
    let token = node.folder.path().join("token").display().to_string();
    fs::write(&token, "secret")?;
    let admin = format!("--endpoint=http://{}", node.admin);
    let nobody = format!("--socket={}", node.folder.path().join("none").display());
    let token = format!("--token-file={token}");
    let none = "0".repeat(32);
    for (call, code) in [
        (&["status", "--exit-code"][..], 0),
        (&["status", "--wait"], 0),
        (&["explain", "--domain=shop", "--entry=user=alice"], 0),
        (&["explain", "--domain=shop", "--entry=user=bob", "--exit-code"], 0),
        (&["limits", "show", "shop.none"], 1),
        (&["counters", "show", &none], 1),
        (&["counters", "reset", &key], 2),
        (&["status", "--endpoint=node:1"], 2),
        (&["status", "--endpoint=https://localhost:1"], 2),
        (&["status", "--endpoint=http://192.0.2.1:1", &token], 2),
        (&["status", &token], 2),
        (&["man", "none"], 2),
        (&["check", &wrong], 3),
        (&["check", &wrong, "-o", "json"], 3),
        (&["serve", "-c", &wrong], 3),
        (&["serve", "-c", "/no/such"], 3),
        (&["status", &admin], 4),
        (&["counters", "top", &admin, &token], 4),
        (&["status", &nobody], 5),
        (&["status", &nobody, "--wait", "--timeout=10ms"], 5),
        (&["explain", "--domain=shop", "--entry=user=alice", "--exit-code"], 6),
    ] {
        let ran = node.run(call)?;
        ensure!(ran.code == code, "{call:?} should end with {code}: {ran:?}");
        ensure!(!ran.stderr.contains("secret"), "{call:?}: {ran:?}");
        if !matches!(code, 0 | 6) {
            let last = ran.stderr.lines().last().unwrap_or_default();
            ensure!(last.starts_with("next: "), "{call:?}: {ran:?}");
        }
    }
    // Others can read it.
    let warned = node.run(&["status", &admin, &token])?.stderr;
    ensure!(warned.contains("warning: others can use the token"), "{warned}");
    Ok(())
}

#[tokio::test]
async fn a_watch_goes_on_until_it_is_interrupted() -> anyhow::Result<()> {
    let node = Node::start().await?;
    let mut command = node.command(&["status", "--watch=100ms", "-o", "json"])?;
    let mut process = Process::start("watch", &mut command)?;
    wait::until("three answers", BOUND, async || match process.stdout().all().len() {
        0..3 => Probe::NotYet("fewer".into()),
        _ => Probe::Holds(()),
    })
    .await?;
    process.signal(Signal::Interrupt)?;
    let exit = process.wait_exit(BOUND).await?;
    ensure!(exit.code() == Some(130), "{exit}");
    let lines = process.stdout().all();
    ensure!(lines.iter().all(|line| line.starts_with('{')), "{lines:?}");
    Ok(())
}

#[tokio::test]
async fn a_wait_lasts_until_the_node_is_there() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("admin.sock");
    let mut command = binary::command()?;
    command.args(["status", "--wait", "--timeout=30s", "-o", "name"]);
    let mut waiting = Process::start("wait", command.env("TOLLGATE_ADMIN_SOCKET", &socket))?;
    let _node = Node::start_in(folder).await?;
    let exit = waiting.wait_exit(BOUND).await?;
    ensure!(exit.code() == Some(0), "{exit}\n{}", waiting.story());
    ensure!(waiting.stdout().all().iter().any(|line| line == "decide"), "{}", waiting.story());
    Ok(())
}

#[tokio::test]
async fn a_terminal_is_coloured_and_its_width_kept_and_a_person_is_asked() -> anyhow::Result<()> {
    if !has_script() {
        skip("a_terminal_is_coloured_and_its_width_kept_and_a_person_is_asked", "no `script`");
        return Ok(());
    }
    let node = Node::start().await?;
    let key = node.spend().await?;
    let table = node.on_terminal("limits list", "")?;
    ensure!(table.contains(ESCAPE), "{table:?}");
    ensure!(table.contains('…') && !table.contains("of-quite-some-length"), "{table}");
    let wide = node.on_terminal("limits list -o wide", "")?;
    ensure!(wide.contains("a-name-of-quite-some-length"), "{wide}");
    let refused = node.on_terminal(&format!("counters reset {key}"), "no\n")?;
    ensure!(refused.contains("to go on: ") && refused.contains("nothing was changed"), "{refused}");
    ensure!(node.run(&["counters", "show", &key])?.code == 0, "another word forgot it");
    let agreed = node.on_terminal(&format!("counters reset {key}"), &format!("{key}\n"))?;
    ensure!(agreed.contains("forgotten:") && agreed.contains("after   0"), "{agreed}");
    ensure!(node.run(&["counters", "show", &key])?.code == 1, "the word forgot nothing");
    Ok(())
}

fn has_script() -> bool {
    let mut probe = Command::new("script");
    probe.args(["-qec", "stty cols 60", "/dev/null"]);
    let probe = probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    probe.is_ok_and(|status| status.success())
}

/// A node with an admin socket of the test's own.
struct Node {
    _process: Process,
    http: SocketAddr,
    admin: SocketAddr,
    socket: PathBuf,
    folder: TempDir,
}

#[derive(Debug)]
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Node {
    async fn start() -> anyhow::Result<Self> {
        Self::start_in(tempfile::tempdir()?).await
    }

    async fn start_in(folder: TempDir) -> anyhow::Result<Self> {
        fs::create_dir(folder.path().join("limits"))?;
        fs::write(folder.path().join("limits/shop.yaml"), LIMITS)?;
        let (file, socket) =
            (folder.path().join("tollgate.yaml"), folder.path().join("admin.sock"));
        fs::write(&file, CONFIG)?;
        let mut command = binary::command()?;
        command.arg("serve").arg("-c").arg(&file).env("TOLLGATE_ADMIN_SOCKET", &socket);
        let mut process = Process::start("tollgate", &mut command)?;
        let addresses = launched::ready(&mut process).await?;
        let (http, admin) = (addresses.http, addresses.admin);
        Ok(Self { _process: process, http, admin, socket, folder })
    }

    /// Spends alice's one hit; the key of her counter.
    async fn spend(&self) -> anyhow::Result<String> {
        let entries = json!([{"key": "user", "value": "alice"}]);
        let body = json!({"domain": "shop", "descriptors": [{"entries": entries}]});
        http::post(self.http, "/json", &[], body.to_string()).await?;
        let found = self.run(&["counters", "find", "-o", "name"])?.stdout;
        Ok(found.lines().next().context("no counter")?.to_owned())
    }

    fn command(&self, arguments: &[&str]) -> anyhow::Result<Command> {
        let mut command = binary::command()?;
        command.args(arguments).env("TOLLGATE_ADMIN_SOCKET", &self.socket);
        Ok(command)
    }

    fn run(&self, arguments: &[&str]) -> anyhow::Result<Ran> {
        self.run_with(arguments, &[])
    }

    fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<Ran> {
        let mut command = self.command(arguments)?;
        let output = command.envs(variables.iter().copied()).stdin(Stdio::null()).output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        Ok(Ran { code: output.status.code().context("a signal")?, stdout, stderr })
    }

    /// What a person sees who calls this on a terminal of 60 columns and types `typed`.
    fn on_terminal(&self, arguments: &str, typed: &str) -> anyhow::Result<String> {
        use std::io::Write as _;
        let program = binary::command()?;
        let program = Path::new(program.get_program()).display().to_string();
        let call = format!("stty cols 60; exec {program} {arguments}");
        let mut command = Command::new("script");
        command.args(["-qec", &call, "/dev/null"]).env_clear();
        command.envs([("PATH", std::env::var("PATH")?), ("TERM", "xterm".to_owned())]);
        command.env("SHELL", "/bin/sh").env("TOLLGATE_ADMIN_SOCKET", &self.socket);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let mut stdin = child.stdin.take().context("no standard input")?;
        stdin.write_all(typed.as_bytes())?;
        // Stays open until the call has ended: its end would end the terminal.
        let output = child.wait_with_output()?;
        drop(stdin);
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
