//! The document of what is served over HTTP (`docs/openapi.yaml`) beside a real node: schemathesis
//! makes requests that fit it and ones that do not, and looks at every answer.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::process::Command;
use tollgate_tests::http;
use tollgate_tests::skip::skip;
use tollgate_tests::tollgate::Tollgate;

/// The Python that has schemathesis.
const PYTHON_VARIABLE: &str = "TOLLGATE_PYTHON";

/// For one run; it takes a few seconds.
const RUN_BOUND: Duration = Duration::from_secs(120);

/// Requests for each operation in its random phase. Its other phase tries each bound of a schema.
const EXAMPLES: &str = "10";

const LIMITS: &str =
    "limits: {demo: {by: [client], limit: 5, window: 365d, algorithm: sliding_window}}\n";

/// Every check holds but these.
///
/// A request that fits the schema may still be wrong: a burst beside a window, a value for a key
/// that the limit does not count by, neither of which a schema says. The others are of things that
/// are made and deleted over an API, which here only tokens are, and those are left alone.
const EXCLUDED: &str = "positive_data_acceptance,use_after_free,ensure_resource_availability,object_level_authorization";

/// What is right here and nowhere else.
const SETTINGS: &str = r#"
[generation]
database = "none"

# A check that nobody waits for any more (`timeout_seconds: 0`) is told so, with a status that its
# caller asked for. Nothing else may end in 5xx.
[[operations]]
include-path = "/v1/check"
checks.not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 504]

# Of several checks each is decided by itself: one that is wrong is told in the answer of the others.
# The same types are refused as a whole by /v1/check.
[[operations]]
include-path = "/v1/check/batch"
checks.negative_data_rejection.expected-statuses = [200, 400, 401, 403, 404, 503]
"#;

/// A run of schemathesis against one listener.
struct Run<'a> {
    python: &'a Path,
    /// Which operations: those with this tag.
    tag: &'a str,
    address: SocketAddr,
    token: Option<&'a str>,
    /// What is run.
    phases: &'a str,
}

impl Run<'_> {
    /// Fails with all that was found.
    async fn pass(&self) -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let settings = folder.path().join("schemathesis.toml");
        fs::write(&settings, SETTINGS)?;
        let mut command = python(self.python);
        command.arg("-m").arg("schemathesis.cli").arg("--config-file").arg(&settings);
        command.arg("run").arg(document()?);
        command.args(["--url", &format!("http://{}", self.address), "--include-tag", self.tag]);
        command.args(["--phases", self.phases, "--seed", "1", "--max-examples", EXAMPLES]);
        command.args(["--exclude-checks", EXCLUDED, "--continue-on-failure", "--no-color"]);
        command.args(["--warnings", "off", "--output-sanitize", "false"]);
        if let Some(token) = self.token {
            command.args(["--header", &format!("Authorization: Bearer {token}")]);
        }
        command.current_dir(folder.path());
        let output = tokio::time::timeout(RUN_BOUND, command.output()).await;
        let output = output.context("schemathesis was not done in time")??;
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        let known = if self.token.is_some() { "a token" } else { "no token" };
        ensure!(output.status.success(), "{} with {known}: {said}{errors}", self.tag);
        // Nothing selected would be a success, too.
        let tested = said.lines().find_map(|line| line.trim().strip_prefix("Tested: "));
        let tested: u32 = tested.context("it tested nothing")?.parse()?;
        ensure!(tested >= 10, "only {tested} operations: {said}");
        Ok(())
    }
}

/// The document.
fn document() -> anyhow::Result<PathBuf> {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.yaml");
    Ok(document.canonicalize()?)
}

/// A Python that dies with its test.
fn python(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.kill_on_drop(true).stdin(Stdio::null());
    command
}

/// The Python that has schemathesis.
async fn python_or_skip(name: &str) -> anyhow::Result<Option<PathBuf>> {
    let Some(program) = std::env::var_os(PYTHON_VARIABLE).map(PathBuf::from) else {
        skip(name, "TOLLGATE_PYTHON names no Python");
        return Ok(None);
    };
    let import = python(&program).args(["-c", "import schemathesis"]).output().await?;
    if !import.status.success() {
        skip(name, "Python has no schemathesis");
        return Ok(None);
    }
    Ok(Some(program))
}

/// A new token.
fn token(node: &Tollgate, arguments: &[&str]) -> anyhow::Result<String> {
    let mut create = node.command_line()?;
    create.args(["admin", "token", "create", "--name", "t", "-o", "json"]).args(arguments);
    let output = create.output()?;
    let said: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    said["token"].as_str().map(str::to_owned).context("no token")
}

#[tokio::test]
async fn both_listeners_serve_the_document_to_everybody() -> anyhow::Result<()> {
    let node = Tollgate::builder().start().await?;
    let document = fs::read_to_string(document()?)?;
    for address in [node.http_addr(), node.admin_addr()] {
        let answer = http::get(address, "/openapi.yaml", &[]).await?;
        ensure!(answer.status == 200 && answer.text() == document, "{address}: {}", answer.status);
        let kind = answer.headers.get("content-type").context("no type")?;
        ensure!(kind == "text/yaml; charset=utf-8", "{kind:?}");
        let answer = http::post(address, "/openapi.yaml", &[], "").await?;
        ensure!(answer.status == 405, "{answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_http_listener_is_what_its_document_says() -> anyhow::Result<()> {
    let name = "schemathesis::the_http_listener_is_what_its_document_says";
    let Some(python) = python_or_skip(name).await? else { return Ok(()) };
    let node = Tollgate::builder().sections(LIMITS).start().await?;
    let permissions = ["inline_limits", "refund", "reset"].map(|one| ["--permission", one]);
    let all = [&["--role", "caller"], permissions.as_flattened()].concat();
    let all = token(&node, &all)?;
    for token in [None, Some(&*all)] {
        let address = node.http_addr();
        // Chains of calls, too: what is reserved is committed or cancelled.
        let phases = "coverage,fuzzing,stateful";
        Run { python: &python, tag: "decisions", address, token, phases }.pass().await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_admin_listener_is_what_its_document_says() -> anyhow::Result<()> {
    let name = "schemathesis::the_admin_listener_is_what_its_document_says";
    let Some(python) = python_or_skip(name).await? else { return Ok(()) };
    let node = Tollgate::builder().sections(LIMITS).start().await?;
    // Counters to be found.
    let call = r#"{"subject": {"limit": {"name": "demo", "values": {"client": "alice"}}}}"#;
    let check = http::post(node.http_addr(), "/v1/check", &[], call).await?;
    ensure!(check.status == 200, "{check:?}");
    let [admin, viewer] = ["admin", "viewer"].map(|role| token(&node, &["--role", role]));
    let (admin, viewer) = (admin?, viewer?);
    for token in [Some(&*admin), Some(&*viewer), None] {
        let address = node.admin_addr();
        // No chains of calls: they would find this test's own tokens in a list and revoke them.
        let phases = "coverage,fuzzing";
        Run { python: &python, tag: "admin", address, token, phases }.pass().await?;
    }
    Ok(())
}
