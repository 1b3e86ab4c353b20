//! The measuring: both servers in the same round, one after the other, taking turns in going
//! first.
//!
//! A machine has slow spells; what both sides meet alike cancels out in the ratio of one round.
//! Every answer is checked: a run with a single failed or unexpected answer is no measurement.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::Code;
use tollgate_benches::drive::{Fleet, Length, Order, RLS_PATH, Shape, Work};
use tollgate_benches::outcome::Outcome;
use tollgate_benches::process::ServerProcess;
use tollgate_benches::usage;

use crate::cases::Case;
use crate::extent::Extent;
use crate::report::Row;
use crate::servers::{Servers, Side, Starter};

/// Calls that nothing is measured of, on every new set of connections.
pub(crate) const WARM_UP: Length = Length::Calls(2_000);

/// The connections over which every request goes once.
const TOUCH: Shape = Shape { connections: 8, streams: 16 };

/// A reading that is not over by then has met a server that does not answer.
pub(crate) const RUN_TIME_MAX: Duration = Duration::from_secs(120);

/// One reading of one server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) requests_per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) cpu_us_per_decision: f64,
    pub(crate) rss_bytes: u64,
}

/// The readings of one round, taken side by side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    pub(crate) floor: Sample,
    pub(crate) tollgate: Sample,
}

/// Measures one case in all shapes, with servers of its own so that the memory is the case's.
pub(crate) async fn measure(
    case: &Case,
    starter: &Starter,
    extent: &Extent,
) -> anyhow::Result<Vec<Row>> {
    let servers = starter.start()?;
    for side in [Side::Floor, Side::Tollgate] {
        verify(case, side, servers.of(side)).await?;
        touch(case, side, servers.of(side)).await?;
    }
    let mut pairs: Vec<_> = extent.shapes.iter().map(|_| Vec::new()).collect();
    for round in 0..extent.rounds {
        eprintln!("{}: round {} of {}", case.name, round + 1, extent.rounds);
        for (shape, pairs) in extent.shapes.iter().zip(&mut pairs) {
            pairs.push(pair(case, *shape, round, &servers, extent.length).await?);
        }
    }
    let rows = extent.shapes.iter().zip(&pairs);
    Ok(rows.map(|(shape, pairs)| Row::of(case.name, *shape, pairs)).collect())
}

/// One whole answer, looked at before anything is timed.
async fn verify(case: &Case, side: Side, server: &ServerProcess) -> anyhow::Result<()> {
    let shape = Shape { connections: 1, streams: 1 };
    let fleet = Fleet::connect(server.address(), RLS_PATH, shape).await?;
    let answer = fleet
        .ask(case.bodies.first(), RUN_TIME_MAX)
        .await
        .with_context(|| format!("{}: the first call to {side:?}", case.name))?;
    let expected = expected(case, side);
    ensure!(
        answer.overall_code() == expected && answer.statuses.len() == case.descriptors,
        "{}: {side:?} answered {:?} with {} statuses where {expected:?} with {} was due",
        case.name,
        answer.overall_code(),
        answer.statuses.len(),
        case.descriptors,
    );
    Ok(())
}

/// Every request once, so that no reading makes buckets: what is measured is a key that comes back.
async fn touch(case: &Case, side: Side, server: &ServerProcess) -> anyhow::Result<()> {
    let fleet = Fleet::connect(server.address(), RLS_PATH, TOUCH).await?;
    let work = Work {
        bodies: case.bodies.clone(),
        order: Order::InTurn,
        length: Length::Calls(case.bodies.count()),
        seed: 0,
        time_max: RUN_TIME_MAX,
    };
    check(&fleet.run(&work).await?, expected(case, side))
}

async fn pair(
    case: &Case,
    shape: Shape,
    round: u32,
    servers: &Servers,
    length: Length,
) -> anyhow::Result<Pair> {
    let read = async |side| {
        sample(case, shape, round, side, servers.of(side), length).await.with_context(|| {
            format!("{}: {side:?}, {}x{}", case.name, shape.connections, shape.streams)
        })
    };
    // Going second may be an advantage or not: neither side has it always.
    if round.is_multiple_of(2) {
        let floor = read(Side::Floor).await?;
        Ok(Pair { floor, tollgate: read(Side::Tollgate).await? })
    } else {
        let tollgate = read(Side::Tollgate).await?;
        Ok(Pair { floor: read(Side::Floor).await?, tollgate })
    }
}

/// Connections to `server` that have answered for a while, and the work of a reading of this length.
pub(crate) async fn warmed(
    case: &Case,
    server: &ServerProcess,
    shape: Shape,
    round: u32,
    (expected, length): (Code, Length),
) -> anyhow::Result<(Fleet, Work)> {
    let fleet = Fleet::connect(server.address(), RLS_PATH, shape).await?;
    let mut work = Work {
        bodies: case.bodies.clone(),
        order: Order::Drawn,
        length: WARM_UP,
        seed: u64::from(round),
        time_max: RUN_TIME_MAX,
    };
    check(&fleet.run(&work).await?, expected)?;
    work.length = length;
    Ok((fleet, work))
}

async fn sample(
    case: &Case,
    shape: Shape,
    round: u32,
    side: Side,
    server: &ServerProcess,
    length: Length,
) -> anyhow::Result<Sample> {
    let (fleet, work) = warmed(case, server, shape, round, (expected(case, side), length)).await?;
    let before = usage::cpu_time(server.pid())?;
    let outcome = fleet.run(&work).await?;
    let cpu = usage::cpu_time(server.pid())?.saturating_sub(before);
    check(&outcome, expected(case, side))?;
    let micros = |quantile| outcome.latency.value_at_quantile(quantile) as f64 / 1_000.0;
    Ok(Sample {
        requests_per_second: outcome.per_second(),
        p50_us: micros(0.5),
        p99_us: micros(0.99),
        p999_us: micros(0.999),
        cpu_us_per_decision: cpu.as_secs_f64() * 1e6 / outcome.answered() as f64,
        rss_bytes: usage::resident_bytes(server.pid())?,
    })
}

fn expected(case: &Case, side: Side) -> Code {
    match side {
        Side::Floor => Code::Ok,
        Side::Tollgate => case.expected,
    }
}

pub(crate) fn check(outcome: &Outcome, expected: Code) -> anyhow::Result<()> {
    if let Some(failure) = &outcome.first_failure {
        bail!("{} calls failed, the first of them: {failure}", outcome.failed);
    }
    let unexpected = match expected {
        Code::Ok => outcome.over + outcome.other,
        Code::OverLimit => outcome.ok + outcome.other,
        Code::Unknown => outcome.ok + outcome.over,
    };
    ensure!(unexpected == 0, "{unexpected} answers were not {expected:?}");
    Ok(())
}
