//! The example in `deploy/examples/envoy` does what README says of it: its files as they stand,
//! with ports that are free.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use tollgate_tests::envoy::{self, Envoy};
use tollgate_tests::tollgate::Tollgate;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples/envoy")
}

/// Envoy's bootstrap with Tollgate where the test has it, and listeners on free ports.
fn bootstrap(decide: SocketAddr) -> anyhow::Result<String> {
    let text = fs::read_to_string(folder().join("envoy.yaml"))?;
    // Envoy must be told where its own second listener is.
    let api = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let ports = [(8081, decide.port()), (9901, 0), (10_000, 0), (10_001, api)];
    let mut replaced = text;
    for (written, free) in ports {
        let (written, free) = (format!("port_value: {written}}}"), format!("port_value: {free}}}"));
        ensure!(replaced.contains(&written), "no `{written}` in the example");
        replaced = replaced.replace(&written, &free);
    }
    Ok(replaced)
}

#[tokio::test]
async fn the_third_request_of_a_user_is_429_and_others_pass() -> anyhow::Result<()> {
    let name = "example::the_third_request_of_a_user_is_429_and_others_pass";
    let Some(binary) = envoy::binary_or_skip(name)? else { return Ok(()) };
    let limits = fs::read_to_string(folder().join("limits/api.yaml"))?;
    // Its minute would turn during a test now and then.
    let (day, minute) = ("unit: day", "unit: minute");
    ensure!(limits.contains(minute), "{limits}");
    let tollgate =
        Tollgate::builder().limits("api.yaml", &limits.replace(minute, day)).start().await?;
    let envoy = Envoy::start_text(&binary, &bootstrap(tollgate.decide_addr())?, &[]).await?;
    let alice = [("x-user", "alice")];
    for (status, left) in [(200, "1"), (200, "0"), (429, "0")] {
        let answer = envoy.get("/api", &alice).await?;
        ensure!(answer.status == status, "{answer:?}");
        let remaining = answer.headers.get("x-ratelimit-remaining").context("no header")?;
        ensure!(remaining == left, "{remaining:?}");
    }
    for headers in [&[("x-user", "bob")] as &[_], &[]] {
        let answer = envoy.get("/api", headers).await?;
        ensure!(answer.status == 200 && answer.text() == "the API\n", "{answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn its_configuration_is_right() -> anyhow::Result<()> {
    let mut command = tollgate_tests::binary::command()?;
    let folder = folder();
    let output = command.arg("check").args([folder.join("tollgate.yaml"), folder.join("limits")]);
    let output = output.output()?;
    ensure!(output.status.success(), "{output:?}");
    Ok(())
}
