//! What clients of Envoy see while Tollgate is down: what Envoy's failure mode says, and no more.
//!
//! The traffic asks for a key that is spent. So a 429 is a decision of the running node, a 500 is a
//! refused request without a decision, and a 200 is either let through without one or admitted by a
//! node that started afresh: counts in memory do not outlive the process, which is stated.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use tollgate_tests::envoy::{self, Envoy};
use tollgate_tests::envoy_bootstrap::Bootstrap;
use tollgate_tests::envoy_route::{Route, generic_key};
use tollgate_tests::tollgate::Tollgate;
use tollgate_tests::wait::{self, Probe};

use crate::fronted::Fronted;

const LIMITS: &str = "
domain: edge
descriptors:
  - {key: generic_key, value: spent, rate_limit: {unit: year, requests_per_unit: 3}}
";
const LIMIT: usize = 3;

/// The bound of the traffic loop, far above what the phases need.
const REQUESTS_MAX: usize = 200_000;

/// Answers that a phase must see before the next one begins.
const ANSWERS_A_PHASE: usize = 25;

/// For the answers of one phase.
const PHASE_BOUND: Duration = Duration::from_secs(30);

#[tokio::test]
async fn requests_pass_while_the_node_is_down_and_the_mode_is_open() -> anyhow::Result<()> {
    let name = "failure_mode::requests_pass_while_the_node_is_down_and_the_mode_is_open";
    let Some(binary) = envoy::binary_or_skip(name)? else {
        return Ok(());
    };
    let answers = ride(&binary, |bootstrap| bootstrap, Ending::Stop).await?;
    answers.expect_only(&[200, 429])?;
    answers.expect_in(Phase::Up, &[429])?;
    answers.expect_in(Phase::Down, &[200])?;
    answers.expect_in(Phase::UpAgain, &[200, 429])?;
    let admitted = answers.count_in(Phase::UpAgain, 200);
    ensure!(admitted <= LIMIT, "{admitted} admitted by the fresh node: {answers:?}");
    answers.expect_last(429)
}

#[tokio::test]
async fn requests_pass_after_a_crash_when_the_mode_is_open() -> anyhow::Result<()> {
    let name = "failure_mode::requests_pass_after_a_crash_when_the_mode_is_open";
    let Some(binary) = envoy::binary_or_skip(name)? else {
        return Ok(());
    };
    let answers = ride(&binary, |bootstrap| bootstrap, Ending::Kill).await?;
    answers.expect_only(&[200, 429])?;
    answers.expect_in(Phase::Down, &[200])?;
    answers.expect_last(429)
}

#[tokio::test]
async fn requests_are_refused_while_the_node_is_down_and_the_mode_is_closed() -> anyhow::Result<()>
{
    let name = "failure_mode::requests_are_refused_while_the_node_is_down_and_the_mode_is_closed";
    let Some(binary) = envoy::binary_or_skip(name)? else {
        return Ok(());
    };
    let answers = ride(&binary, Bootstrap::failure_mode_deny, Ending::Stop).await?;
    answers.expect_only(&[200, 429, 500])?;
    answers.expect_in(Phase::Up, &[429])?;
    answers.expect_in(Phase::Down, &[500])?;
    // Nothing but the fresh node admits: exactly its limit, and all of it reached the upstream.
    let admitted = answers.count(200);
    ensure!(admitted == LIMIT, "{admitted} admitted by the fresh node: {answers:?}");
    ensure!(answers.arrived == admitted as u64, "{} arrived: {answers:?}", answers.arrived);
    answers.expect_last(429)
}

/// Spends the limit, and then keeps asking while the node goes down and comes back.
async fn ride(
    binary: &Path,
    arrange: impl FnOnce(Bootstrap) -> Bootstrap,
    ending: Ending,
) -> anyhow::Result<Answers> {
    let route = Route::new("/").descriptor(&[generic_key("spent")]);
    let fronted = Fronted::start(binary, LIMITS, |bootstrap| arrange(bootstrap.route(route)));
    let fronted = fronted.await?;
    for _ in 0..LIMIT {
        fronted.expect("/", &[], 200).await?;
    }
    fronted.expect("/", &[], 429).await?;
    let before = fronted.upstream.arrived();

    let Fronted { envoy, mut tollgate, upstream } = fronted;
    let traffic = Traffic::new(&envoy);
    let (sent, conducted) = tokio::join!(traffic.send(), traffic.conduct(&mut tollgate, ending));
    conducted?;
    sent?;
    Ok(Answers { all: traffic.answers.into_inner(), arrived: upstream.arrived() - before })
}

#[derive(Debug, Clone, Copy)]
enum Ending {
    Stop,
    Kill,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Up,
    Stopping,
    Down,
    Starting,
    UpAgain,
    Over,
}

/// An answer, with the phase in which it was asked for if it also came in that phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    phase: Option<Phase>,
    status: u16,
}

struct Traffic<'a> {
    envoy: &'a Envoy,
    phase: Cell<Phase>,
    answers: RefCell<Vec<Seen>>,
}

impl<'a> Traffic<'a> {
    fn new(envoy: &'a Envoy) -> Self {
        Self { envoy, phase: Cell::new(Phase::Up), answers: RefCell::default() }
    }

    async fn send(&self) -> anyhow::Result<()> {
        for _ in 0..REQUESTS_MAX {
            let asked = self.phase.get();
            if asked == Phase::Over {
                return Ok(());
            }
            let status = self.envoy.get("/", &[]).await?.status.as_u16();
            let phase = Some(asked).filter(|asked| *asked == self.phase.get());
            self.answers.borrow_mut().push(Seen { phase, status });
        }
        anyhow::bail!("{REQUESTS_MAX} requests were not enough, in {:?}", self.phase.get())
    }

    /// Leads through the phases; ends the traffic also when one fails.
    async fn conduct(&self, tollgate: &mut Tollgate, ending: Ending) -> anyhow::Result<()> {
        let led = self.lead(tollgate, ending).await;
        self.phase.set(Phase::Over);
        led
    }

    async fn lead(&self, tollgate: &mut Tollgate, ending: Ending) -> anyhow::Result<()> {
        self.enough().await?;
        self.phase.set(Phase::Stopping);
        match ending {
            Ending::Stop => tollgate.stop().await?,
            Ending::Kill => tollgate.kill()?,
        }
        // One answer more: Envoy has noticed what became of its connection.
        self.one_more().await?;
        self.phase.set(Phase::Down);
        self.enough().await?;
        self.phase.set(Phase::Starting);
        tollgate.start_again().await?;
        self.one_more().await?;
        self.phase.set(Phase::UpAgain);
        self.enough().await
    }

    async fn enough(&self) -> anyhow::Result<()> {
        let phase = self.phase.get();
        let what = format!("{ANSWERS_A_PHASE} answers in {phase:?}");
        wait::until(&what, PHASE_BOUND, async || {
            let answers = self.answers.borrow();
            let count = answers.iter().filter(|seen| seen.phase == Some(phase)).count();
            if count < ANSWERS_A_PHASE {
                Probe::NotYet(format!("{count}"))
            } else {
                Probe::Holds(())
            }
        })
        .await
    }

    async fn one_more(&self) -> anyhow::Result<()> {
        let before = self.answers.borrow().len();
        wait::until("one more answer", PHASE_BOUND, async || {
            // The first to end may have been asked for earlier; the second was not.
            let more = self.answers.borrow().len() - before;
            if more < 2 { Probe::NotYet(format!("{more}")) } else { Probe::Holds(()) }
        })
        .await
    }
}

/// What the traffic got, in order.
struct Answers {
    all: Vec<Seen>,
    arrived: u64,
}

impl std::fmt::Debug for Answers {
    /// Runs of equal answers, so that a failure stays readable.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for run in self.all.chunk_by(|one, other| one == other) {
            let Seen { phase, status } = run[0];
            write!(formatter, "[{} × {status} in {phase:?}] ", run.len())?;
        }
        Ok(())
    }
}

impl Answers {
    fn count(&self, status: u16) -> usize {
        self.all.iter().filter(|seen| seen.status == status).count()
    }

    fn count_in(&self, phase: Phase, status: u16) -> usize {
        let wanted = Seen { phase: Some(phase), status };
        self.all.iter().filter(|seen| **seen == wanted).count()
    }

    fn expect_only(&self, allowed: &[u16]) -> anyhow::Result<()> {
        let other = self.all.iter().find(|seen| !allowed.contains(&seen.status));
        ensure!(other.is_none(), "{other:?} is none of {allowed:?}: {self:?}");
        Ok(())
    }

    fn expect_in(&self, phase: Phase, allowed: &[u16]) -> anyhow::Result<()> {
        let mut within = self.all.iter().filter(|seen| seen.phase == Some(phase));
        let other = within.find(|seen| !allowed.contains(&seen.status));
        ensure!(other.is_none(), "{other:?} is none of {allowed:?}: {self:?}");
        Ok(())
    }

    fn expect_last(&self, status: u16) -> anyhow::Result<()> {
        let last = self.all.last().map(|seen| seen.status);
        ensure!(last == Some(status), "the last is {last:?}, not {status}: {self:?}");
        Ok(())
    }
}
