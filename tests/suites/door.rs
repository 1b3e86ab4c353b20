//! The front door: `tollgate` without arguments serves a demo and prints what to try.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tollgate_tests::binary;
use tollgate_tests::curl::Curl;
use tollgate_tests::process::{Process, Signal};
use tollgate_tests::tollgate::{ADMIN_SOCKET_VARIABLE, STOP_BOUND};
use tollgate_tests::wait::{self, Probe};

const START_BOUND: Duration = Duration::from_secs(15);

/// The demo's limit is one that a person reaches by hand.
const REPEATS_MAX: usize = 100;

#[tokio::test]
async fn what_is_printed_can_be_tried_and_ctrl_c_ends_it_well() -> anyhow::Result<()> {
    let (mut process, curls, _folder) = open().await?;
    for (number, curl) in curls.iter().enumerate() {
        let answer = curl.perform().await.with_context(|| process.story())?;
        ensure!(number > 0 || answer.status == 200, "{curl:?}: {answer:?}");
        ensure!(answer.status == 200 || answer.status == 429, "{curl:?}: {answer:?}");
    }
    // The first line, repeated, meets the limit.
    let mut statuses = Vec::new();
    while statuses.last() != Some(&429) {
        ensure!(statuses.len() < REPEATS_MAX, "no limit met: {statuses:?}");
        statuses.push(curls[0].perform().await?.status.as_u16());
    }
    let denied = curls[0].perform().await?;
    ensure!(denied.text().contains(r#""verdict":"denied""#), "{denied:?}");
    ensure!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");

    process.signal(Signal::Interrupt)?;
    let exit = process.wait_exit(STOP_BOUND).await?;
    ensure!(exit.code() == Some(0), "{exit}\n{}", process.story());
    Ok(())
}

#[tokio::test]
async fn it_prints_what_listens_where() -> anyhow::Result<()> {
    let (process, curls, _folder) = open().await?;
    let text = process.stdout().all().join("\n");
    for name in ["decide", "http", "admin"] {
        ensure!(text.contains(name), "{name} is not named in\n{text}");
    }
    let printed = addresses(&text);
    ensure!(printed.len() >= 3, "addresses {printed:?} in\n{text}");
    for address in printed {
        ensure!(address.port() != 0, "a port that is none in\n{text}");
        let connected = tokio::net::TcpStream::connect(address).await;
        connected.with_context(|| format!("nothing listens on {address}:\n{text}"))?;
    }
    let [first, ..] = &curls;
    ensure!(first.path == "/v1/check" && first.body.contains("subject"), "{first:?}");
    Ok(())
}

/// Starts the bare binary on ports of its own and reads the lines it says to try.
async fn open() -> anyhow::Result<(Process, [Curl; 3], tempfile::TempDir)> {
    let folder = tempfile::tempdir()?;
    let mut command = binary::command()?;
    command.env(ADMIN_SOCKET_VARIABLE, folder.path().join("admin.sock"));
    for listener in ["DECIDE", "HTTP", "ADMIN"] {
        command.env(format!("TOLLGATE_{listener}_ADDRESS"), "127.0.0.1:0");
    }
    let mut process = Process::start("tollgate", &mut command)?;
    let told = wait::until("three curl lines", START_BOUND, async || {
        if let Ok(Some(exit)) = process.exited() {
            return Probe::Never(format!("tollgate ended with {exit}"));
        }
        match Curl::all(&process.stdout().all()).map(<[Curl; 3]>::try_from) {
            Ok(Ok(curls)) => Probe::Holds(curls),
            Ok(Err(others)) if others.len() > 3 => Probe::Never(format!("{others:?}")),
            Ok(Err(fewer)) => Probe::NotYet(format!("{fewer:?}")),
            Err(error) => Probe::Never(format!("{error:#}")),
        }
    });
    let told = told.await;
    let curls = told.with_context(|| process.story())?;
    Ok((process, curls, folder))
}

fn addresses(text: &str) -> BTreeSet<SocketAddr> {
    let words = text.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'));
    words.filter_map(|word| word.trim_matches(['.', ':']).parse().ok()).collect()
}
