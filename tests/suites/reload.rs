//! Reload: an edit of the files decides soon after, whole or not at all, and no caller notices.
//!
//! What is waited for is what the node says of itself in `/metrics`; the bound lies below the half
//! minute after which the node looks at its files by itself, so that it is the event of the file
//! system, or the signal, that is seen to work.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::task::JoinSet;
use tollgate_tests::binary;
use tollgate_tests::envoy::{self, Envoy};
use tollgate_tests::envoy_bootstrap::Bootstrap;
use tollgate_tests::envoy_route::{Route, generic_key};
use tollgate_tests::process::Signal;
use tollgate_tests::rls::{RateLimitResponse, admitted, request};
use tollgate_tests::tollgate::{ADMIN_SOCKET_VARIABLE, Tollgate};
use tollgate_tests::upstream::Upstream;
use tollgate_tests::wait::{self, Probe};

use crate::fronted::DOMAIN;

const RELOAD_BOUND: Duration = Duration::from_secs(15);

/// Rewrites of the file under traffic.
const REWRITES: usize = 10;

const CALLERS: usize = 4;

/// Bounds each caller's loop, far above what fits beside the rewrites.
const CALLS_MAX: usize = 100_000;

/// Answers that all callers together must have had from one rewrite to the next.
const ANSWERS_A_REWRITE: usize = 20;

/// How long Envoy waits for a decision here: a slow machine must not look like a failed call.
const DECISION_BOUND: Duration = Duration::from_secs(5);

fn limits(domain: &str, number: u32) -> String {
    format!(
        "
domain: {domain}
descriptors:
  - {{key: generic_key, value: tight, rate_limit: {{unit: year, requests_per_unit: 3}}}}
  - {{key: generic_key, rate_limit: {{unit: year, requests_per_unit: {number}}}}}
"
    )
}

async fn start() -> anyhow::Result<Tollgate> {
    Tollgate::builder().limits("a.yaml", &limits("a", 100)).start().await
}

#[tokio::test]
async fn an_edit_decides_from_the_next_hit_on_and_counts_are_kept() -> anyhow::Result<()> {
    let mut tollgate = start().await?;
    for _ in 0..3 {
        hit(&tollgate, "a").await?;
    }
    expect_loads(&tollgate, 1, 0).await?;
    tollgate.replace_limits("a.yaml", &limits("a", 50))?;
    expect_loads(&tollgate, 2, 0).await?;
    expect_limit(&hit(&tollgate, "a").await?, 50, 46)?;
    // In place, as a shell's redirection writes it.
    fs::write(tollgate.limits_folder().join("a.yaml"), limits("a", 40))?;
    expect_loads(&tollgate, 3, 0).await?;
    expect_limit(&hit(&tollgate, "a").await?, 40, 35)?;
    let loaded = events(&tollgate, "config_loaded");
    ensure!(loaded.len() == 3, "{loaded:?}");
    ensure!(loaded[0]["domains"] == 1 && loaded[0]["limits"] == 2, "{loaded:?}");
    ensure!(loaded[0]["hash"] != loaded[1]["hash"], "{loaded:?}");
    tollgate.stop().await
}

#[tokio::test]
async fn a_bad_edit_is_told_and_the_old_limits_decide_until_a_good_one() -> anyhow::Result<()> {
    let tollgate = start().await?;
    tollgate.replace_limits("a.yaml", "domain: a\ndescriptors: [{value: no key}]")?;
    expect_loads(&tollgate, 1, 1).await?;
    expect_metric(&tollgate, "tollgate_config_last_reload_success", "0").await?;
    expect_limit(&hit(&tollgate, "a").await?, 100, 99)?;
    let [rejected] = &events(&tollgate, "config_rejected")[..] else {
        anyhow::bail!("not one rejection: {:?}", tollgate.log());
    };
    ensure!(rejected["issues"] == 1, "{rejected}");
    let first = rejected["first"].as_str().unwrap_or_default();
    ensure!(first.contains("a.yaml:2:15") && first.contains("empty key"), "{first}");
    let shown = tollgate.admin_get("/rlconfig").await?;
    ensure!(shown.text().starts_with("# ") && shown.text().contains("empty key"), "{shown:?}");
    ensure!(shown.text().contains("requests_per_unit=100"), "{shown:?}");
    let status = binary::command()?
        .arg("status")
        .env(ADMIN_SOCKET_VARIABLE, tollgate.folder().join("admin.sock"))
        .output()?;
    let status = String::from_utf8_lossy(&status.stdout);
    ensure!(status.contains("REFUSED") && status.contains("a.yaml:2:15"), "{status}");

    tollgate.replace_limits("a.yaml", &limits("a", 60))?;
    expect_loads(&tollgate, 2, 1).await?;
    expect_metric(&tollgate, "tollgate_config_last_reload_success", "1").await?;
    expect_limit(&hit(&tollgate, "a").await?, 60, 58)
}

#[tokio::test]
async fn a_file_that_comes_or_goes_counts() -> anyhow::Result<()> {
    let tollgate = start().await?;
    ensure!(limit(&hit(&tollgate, "b").await?).is_none(), "domain b is there already");
    tollgate.replace_limits("b.yaml", &limits("b", 7))?;
    expect_loads(&tollgate, 2, 0).await?;
    expect_limit(&hit(&tollgate, "b").await?, 7, 6)?;
    fs::remove_file(tollgate.limits_folder().join("b.yaml"))?;
    expect_loads(&tollgate, 3, 0).await?;
    ensure!(limit(&hit(&tollgate, "b").await?).is_none(), "domain b is still there");
    expect_limit(&hit(&tollgate, "a").await?, 100, 99)
}

#[tokio::test]
async fn the_swap_of_a_kubernetes_mount_is_followed() -> anyhow::Result<()> {
    let tollgate = start().await?;
    let folder = tollgate.limits_folder();
    mount(&folder, "..2026_01", 10)?;
    symlink("..data/k.yaml", folder.join("k.yaml"))?;
    expect_loads(&tollgate, 2, 0).await?;
    expect_limit(&hit(&tollgate, "k").await?, 10, 9)?;
    for (loads, (version, number)) in (3..).zip([("..2026_02", 20), ("..2026_03", 30)]) {
        mount(&folder, version, number)?;
        expect_loads(&tollgate, loads, 0).await?;
        expect_limit(&hit(&tollgate, "k").await?, number, number + 1 - loads)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_folder_in_the_place_of_the_old_one_is_followed() -> anyhow::Result<()> {
    let tollgate = start().await?;
    let (folder, beside) = (tollgate.limits_folder(), tollgate.folder().join("beside"));
    fs::create_dir(&beside)?;
    fs::write(beside.join("b.yaml"), limits("b", 800_000))?;
    fs::rename(&folder, tollgate.folder().join("old"))?;
    fs::rename(&beside, &folder)?;
    expect_limit_soon(&tollgate, "b", 800_000).await?;
    // The new folder is watched now, not the old one.
    tollgate.replace_limits("b.yaml", &limits("b", 900_000))?;
    expect_limit_soon(&tollgate, "b", 900_000).await
}

#[tokio::test]
async fn the_configuration_itself_is_watched_and_says_what_needs_a_restart() -> anyhow::Result<()> {
    let tollgate = start().await?;
    let text = fs::read_to_string(tollgate.config_file())?;
    ensure!(text.contains("workers: 2"), "{text}");
    let more = tollgate.folder().join("more");
    fs::create_dir(&more)?;
    fs::write(more.join("b.yaml"), limits("b", 8))?;
    let edited = text.replace("workers: 2", "workers: 1").replace("[\"limits\"]", "[limits, more]");
    tollgate.replace_config(&edited)?;
    expect_loads(&tollgate, 2, 0).await?;
    expect_limit(&hit(&tollgate, "b").await?, 8, 7)?;
    let [warning] = &events(&tollgate, "reload_needs_restart")[..] else {
        anyhow::bail!("not one warning: {:?}", tollgate.log());
    };
    ensure!(warning["keys"] == "node.workers", "{warning}");
    // What it lists now is watched, too.
    fs::write(more.join("b.yaml"), limits("b", 9))?;
    expect_loads(&tollgate, 3, 0).await?;
    expect_limit(&hit(&tollgate, "b").await?, 9, 7)
}

#[tokio::test]
async fn a_hangup_reloads_what_no_event_tells_of() -> anyhow::Result<()> {
    let mut tollgate = start().await?;
    // Behind a link that leads out of the watched folders, an edit is unseen until the next look.
    let outside = tempfile::tempdir()?;
    let target = outside.path().join("target.yaml");
    fs::write(&target, limits("h", 10))?;
    symlink(&target, tollgate.limits_folder().join("h.yaml"))?;
    expect_loads(&tollgate, 2, 0).await?;
    fs::write(&target, limits("h", 20))?;
    tollgate.process().signal(Signal::Hangup)?;
    expect_loads(&tollgate, 3, 0).await?;
    expect_limit(&hit(&tollgate, "h").await?, 20, 19)
}

#[tokio::test]
async fn no_call_fails_while_limits_are_replaced_under_traffic() -> anyhow::Result<()> {
    let name = "reload::no_call_fails_while_limits_are_replaced_under_traffic";
    let Some(binary) = envoy::binary_or_skip(name)? else {
        return Ok(());
    };
    let file = "edge.yaml";
    let tollgate = Tollgate::builder().limits(file, &limits(DOMAIN, 1_000_000)).start().await?;
    let upstream = Upstream::start().await?;
    // Closed: a call to the node that fails is a 500 and not a silent 200.
    let bootstrap = Bootstrap::new(tollgate.decide_addr(), upstream.address(), DOMAIN)
        .failure_mode_deny()
        .route(Route::new("/tight").descriptor(&[generic_key("tight")]))
        .route(Route::new("/").descriptor(&[generic_key("wide")]));
    let bootstrap = Bootstrap { timeout: DECISION_BOUND, ..bootstrap };
    let envoy = Arc::new(Envoy::start(&binary, &bootstrap).await?);
    let traffic = Traffic { envoy, over: Arc::default(), answers: Arc::default() };
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        callers.spawn(traffic.clone().run());
    }
    let rewritten = rewrite(&tollgate, file, &traffic).await;
    traffic.over.store(true, Ordering::SeqCst);
    let mut seen = Seen::default();
    for caller in callers.join_all().await {
        seen = seen.plus(caller?);
    }
    rewritten?;
    // The tight limit was never given back by a reload.
    ensure!(seen.tight_admitted == 3, "{} admitted by the limit of 3", seen.tight_admitted);
    ensure!(seen.denied > 0 && seen.admitted > 0, "{seen:?}");
    expect_loads(&tollgate, 1 + REWRITES as u32, 0).await
}

async fn rewrite(tollgate: &Tollgate, file: &str, traffic: &Traffic) -> anyhow::Result<()> {
    for rewrite in 1..=REWRITES as u32 {
        let before = traffic.answers.load(Ordering::SeqCst);
        tollgate.replace_limits(file, &limits(DOMAIN, 1_000_000 + rewrite))?;
        expect_loads(tollgate, 1 + rewrite, 0).await?;
        wait::until("answers beside the reload", RELOAD_BOUND, async || {
            let answers = traffic.answers.load(Ordering::SeqCst) - before;
            if answers < ANSWERS_A_REWRITE {
                Probe::NotYet(format!("{answers}"))
            } else {
                Probe::Holds(())
            }
        })
        .await?;
    }
    Ok(())
}

/// What all callers share.
#[derive(Clone)]
struct Traffic {
    envoy: Arc<Envoy>,
    over: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
}

/// What a caller got.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    admitted: usize,
    denied: usize,
    tight_admitted: usize,
}

impl Traffic {
    async fn run(self) -> anyhow::Result<Seen> {
        let mut seen = Seen::default();
        for call in 0..CALLS_MAX {
            if self.over.load(Ordering::SeqCst) {
                return Ok(seen);
            }
            let is_tight = call % 2 == 0;
            let path = if is_tight { "/tight" } else { "/" };
            let answer = self.envoy.get(path, &[]).await?;
            match answer.status.as_u16() {
                200 if is_tight => seen.tight_admitted += 1,
                200 => seen.admitted += 1,
                429 if is_tight => seen.denied += 1,
                other => anyhow::bail!("{path} was answered {other}: {answer:?}"),
            }
            self.answers.fetch_add(1, Ordering::SeqCst);
        }
        anyhow::bail!("{CALLS_MAX} calls were not enough")
    }
}

impl Seen {
    fn plus(self, other: Self) -> Self {
        Self {
            admitted: self.admitted + other.admitted,
            denied: self.denied + other.denied,
            tight_admitted: self.tight_admitted + other.tight_admitted,
        }
    }
}

/// Puts a version of a mounted file there and swaps `..data`, as the kubelet does.
fn mount(folder: &Path, version: &str, number: u32) -> anyhow::Result<()> {
    fs::create_dir(folder.join(version))?;
    fs::write(folder.join(version).join("k.yaml"), limits("k", number))?;
    symlink(version, folder.join("..data_tmp"))?;
    fs::rename(folder.join("..data_tmp"), folder.join("..data"))?;
    Ok(())
}

async fn hit(tollgate: &Tollgate, domain: &str) -> anyhow::Result<RateLimitResponse> {
    let mut client = tollgate.rls().await?;
    let asked = request(domain, &[("generic_key", "any")]);
    let answer = client.should_rate_limit(asked).await?.into_inner();
    ensure!(admitted(&answer)?, "denied below the limit: {answer:?}");
    Ok(answer)
}

fn limit(answer: &RateLimitResponse) -> Option<u32> {
    let status = answer.statuses.first()?;
    status.current_limit.as_ref().map(|limit| limit.requests_per_unit)
}

fn expect_limit(answer: &RateLimitResponse, number: u32, remaining: u32) -> anyhow::Result<()> {
    let status = answer.statuses.first().context("no status")?;
    ensure!(
        limit(answer) == Some(number) && status.limit_remaining == remaining,
        "not {remaining} of {number}: {answer:?}"
    );
    Ok(())
}

/// Hits until the limit has this number; for where it cannot be told how often is reloaded.
async fn expect_limit_soon(tollgate: &Tollgate, domain: &str, number: u32) -> anyhow::Result<()> {
    wait::until("the new limit", RELOAD_BOUND, async || match hit(tollgate, domain).await {
        Ok(answer) if limit(&answer) == Some(number) => Probe::Holds(()),
        Ok(answer) => Probe::NotYet(format!("{answer:?}")),
        Err(error) => Probe::Never(format!("{error:#}")),
    })
    .await
}

/// Waits until this many contents were taken over, and this many refused, and no more.
async fn expect_loads(tollgate: &Tollgate, ok: u32, failed: u32) -> anyhow::Result<()> {
    let expected = [ok, failed].map(|count| count.to_string());
    let names = ["ok", "failed"]
        .map(|result| format!("tollgate_config_loads_total{{result=\"{result}\"}}"));
    wait::until("loads of the configuration", RELOAD_BOUND, async || {
        let metrics = match tollgate.admin_get("/metrics").await {
            Ok(answer) => answer.text().into_owned(),
            Err(error) => return Probe::Never(format!("{error:#}")),
        };
        let found = names.each_ref().map(|name| metric(&metrics, name).unwrap_or_default());
        if found == expected { Probe::Holds(()) } else { Probe::NotYet(format!("{found:?}")) }
    })
    .await
}

async fn expect_metric(tollgate: &Tollgate, name: &str, value: &str) -> anyhow::Result<()> {
    let metrics = tollgate.admin_get("/metrics").await?.text().into_owned();
    ensure!(metric(&metrics, name).as_deref() == Some(value), "not {name} {value}: {metrics}");
    Ok(())
}

fn metric(metrics: &str, name: &str) -> Option<String> {
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ').map(ToOwned::to_owned);
    metrics.lines().find_map(value)
}

fn events(tollgate: &Tollgate, event: &str) -> Vec<Value> {
    tollgate.log().into_iter().filter(|line| line["event"] == event).collect()
}
