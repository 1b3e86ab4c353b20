//! The examples in `docs/examples` do what their README says, with nothing but the published
//! `.proto` files.
//!
//! Python's packages are in the environment that `cargo xtask test` makes; Go's toolchain and
//! modules are used where the machine has them.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::process::Command;
use tollgate_tests::skip::skip;
use tollgate_tests::tollgate::Tollgate;

/// The Python that has grpcio-tools.
const PYTHON_VARIABLE: &str = "TOLLGATE_PYTHON";

/// For one program, building included: a Go toolchain compiles gRPC from source.
const PROGRAM_BOUND: Duration = Duration::from_secs(300);

const LIMITS: &str =
    "limits: {demo: {by: [client], limit: 5, window: 365d, algorithm: sliding_window}}\n";

/// What README shows, but for the wait, which is the window's.
const EXPECTED: [&str; 7] = [
    "check: allowed, 4 left",
    "check with a key: allowed, 3 left",
    "the same again: allowed, 3 left",
    "reserve 3: allowed, 0 left",
    "commit 1: 1 spent, 2 left",
    "check: allowed, 1 left",
    "check: allowed, 0 left",
];

const PLUGINS: [&str; 2] = [
    "google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.11",
    "google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A command that dies with its test.
fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.kill_on_drop(true).stdin(Stdio::null());
    command
}

/// Runs to the end; what it wrote to standard output.
async fn output(command: &mut Command) -> anyhow::Result<String> {
    let shown = format!("{:?}", command.as_std());
    let output = tokio::time::timeout(PROGRAM_BOUND, command.output()).await;
    let output = output.with_context(|| format!("{shown}: not done in time"))??;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{shown}: {} {errors}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// The Python that has what the example needs.
async fn python_or_skip(name: &str) -> Option<PathBuf> {
    let python = std::env::var_os(PYTHON_VARIABLE).map(PathBuf::from);
    let Some(python) = python else {
        skip(name, "TOLLGATE_PYTHON names no Python");
        return None;
    };
    let import = output(command(&python).args(["-c", "import grpc, grpc_tools"])).await;
    if import.is_err() {
        skip(name, "Python has no grpcio-tools");
        return None;
    }
    Some(python)
}

fn expect(printed: &str) -> anyhow::Result<()> {
    let mut lines = printed.lines();
    let first: Vec<_> = lines.by_ref().take(EXPECTED.len()).collect();
    ensure!(first == EXPECTED, "{printed}");
    let last = lines.next().context("the denial is missing")?;
    ensure!(last.starts_with("check: denied, again in ") && lines.next().is_none(), "{printed}");
    Ok(())
}

#[tokio::test]
async fn python_asks_with_the_published_files_alone() -> anyhow::Result<()> {
    let name = "languages::python_asks_with_the_published_files_alone";
    let Some(python) = python_or_skip(name).await else { return Ok(()) };
    let tollgate = Tollgate::builder().sections(LIMITS).start().await?;
    let mut ask = command(python);
    ask.arg(root().join("docs/examples/python/ask.py"))
        .arg("--proto")
        .arg(root().join("proto"))
        .args(["--target", &tollgate.decide_addr().to_string(), "--value", "client=alice"]);
    expect(&output(&mut ask).await?)
}

#[tokio::test]
async fn go_asks_with_the_published_files_alone() -> anyhow::Result<()> {
    let name = "languages::go_asks_with_the_published_files_alone";
    if output(command("go").arg("version")).await.is_err() {
        skip(name, "no Go toolchain");
        return Ok(());
    }
    let Some(python) = python_or_skip(name).await else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let bin = folder.path().join("bin");
    for plugin in PLUGINS {
        let install = output(command("go").args(["install", plugin]).env("GOBIN", &bin)).await;
        if let Err(error) = install {
            skip(name, &format!("Go's modules are out of reach: {error:#}"));
            return Ok(());
        }
    }
    for file in ["go.mod", "go.sum", "main.go"] {
        fs::copy(root().join("docs/examples/go").join(file), folder.path().join(file))?;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(bin).chain(std::env::split_paths(&path)))?;
    let mut protoc = command(python);
    protoc.args(["-m", "grpc_tools.protoc", "-I"]).arg(root().join("proto"));
    for plugin in ["go", "go-grpc"] {
        protoc
            .arg(format!("--{plugin}_out=."))
            .arg(format!("--{plugin}_opt=module=example.com/ask"));
        let package = "Mtollgate/v1/decisions.proto=example.com/ask/tollgatev1";
        protoc.arg(format!("--{plugin}_opt={package}"));
    }
    protoc.arg("tollgate/v1/decisions.proto").current_dir(folder.path()).env("PATH", path);
    output(&mut protoc).await?;
    let mut build = command("go");
    output(build.args(["build", "-mod=readonly", "-o", "ask", "."]).current_dir(folder.path()))
        .await?;

    let tollgate = Tollgate::builder().sections(LIMITS).start().await?;
    let mut ask = command(folder.path().join("ask"));
    ask.args(["--target", &tollgate.decide_addr().to_string(), "--value", "client=alice"]);
    expect(&output(&mut ask).await?)
}
