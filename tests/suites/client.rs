//! The client crate's example before a real node: what its callers get, with curl's lines.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tollgate_tests::binary;
use tollgate_tests::curl::Curl;
use tollgate_tests::process::Process;
use tollgate_tests::skip;
use tollgate_tests::tollgate::Tollgate;
use tollgate_tests::wait::{self, Probe};

const BOUND: Duration = Duration::from_secs(15);

/// The example as cargo builds it with the tests of the whole workspace; absent where only some
/// packages were tested.
fn example_or_skip(name: &str) -> anyhow::Result<Option<PathBuf>> {
    let file = format!("examples/axum{}", std::env::consts::EXE_SUFFIX);
    let path = binary::profile_folder()?.join(file);
    if path.is_file() {
        return Ok(Some(path));
    }
    skip::skip(name, "the example is not built: cargo build -p tollgate-client --examples");
    Ok(None)
}

async fn listening(process: &mut Process) -> anyhow::Result<String> {
    let address = wait::until("the example's address", BOUND, async || {
        if let Ok(Some(exit)) = process.exited() {
            return Probe::Never(format!("it ended with {exit}"));
        }
        let lines = process.stdout().all();
        let address = lines.iter().find_map(|line| line.strip_prefix("listening on "));
        address.map_or_else(|| Probe::NotYet(lines.join("\n")), |at| Probe::Holds(at.to_owned()))
    });
    let address = address.await;
    address.with_context(|| process.story())
}

#[tokio::test]
async fn the_example_lets_three_pass_and_tells_the_fourth_when_to_come_back() -> anyhow::Result<()>
{
    let name = "client::the_example_lets_three_pass_and_tells_the_fourth_when_to_come_back";
    let Some(example) = example_or_skip(name)? else { return Ok(()) };
    let limit = "limits:\n  hello: {by: [client], limit: 3, window: 365d}";
    let tollgate = Tollgate::builder().sections(limit).start().await?;
    let endpoint = format!("http://{}", tollgate.decide_addr());
    let mut service =
        Process::start("axum", Command::new(example).args([&endpoint, "127.0.0.1:0"]))?;
    let address = listening(&mut service).await?;

    let alice = Curl::parse(&format!("curl -i -H 'x-client: alice' http://{address}/"))?;
    for left in [2, 1, 0] {
        let answer = alice.perform().await?;
        ensure!(answer.status == 200, "{answer:?}\n{}", service.story());
        let told = answer.header("ratelimit").context("no RateLimit")?;
        ensure!(told.starts_with(&format!("\"hello\";r={left};t=")), "{told}");
        let policy = answer.header("ratelimit-policy");
        ensure!(policy == Some("\"hello\";q=3;w=31536000"), "{policy:?}");
    }
    let denied = alice.perform().await?;
    ensure!(denied.status == 429, "{denied:?}");
    let wait: u64 = denied.header("retry-after").context("no Retry-After")?.parse()?;
    ensure!((1..=31_536_000).contains(&wait), "{wait}");
    ensure!(denied.text().contains("\"error\":\"over_limit\""), "{denied:?}");

    let bob = Curl::parse(&format!("curl -H 'x-client: bob' http://{address}/"))?;
    ensure!(bob.perform().await?.status == 200, "another client has a limit of its own");
    Ok(())
}
