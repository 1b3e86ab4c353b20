//! How evenly the cores of one Tollgate are loaded, by the number of connections.
//!
//! The driver takes a core for itself and gives every connection the same number of calls in
//! flight; what is read is the time that each core's thread was on a CPU.

use std::num::NonZeroUsize;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use tollgate_benches::drive::Shape;
use tollgate_benches::usage;

use crate::cases::Case;
use crate::extent::Extent;
use crate::report::Spread;
use crate::rounds::{check, warmed};
use crate::servers::Starter;

/// The name that `--case` knows it by.
pub(crate) const NAME: &str = "core-load";

/// Names of the threads that serve, as the runtime gives them.
const CORE: &str = "core-";

/// The load of the cores in one shape.
#[derive(Debug, Serialize)]
pub(crate) struct Balance {
    pub(crate) cores: usize,
    pub(crate) connections: usize,
    pub(crate) streams: usize,
    /// CPU time of the busiest core, divided by the mean over the cores.
    pub(crate) max_to_mean: Spread,
}

/// Reads every shape, each time with a server that has seen no other connection: what a reading
/// leaves behind would load the next one.
pub(crate) async fn measure(
    case: &Case,
    starter: &Starter,
    cores: NonZeroUsize,
    extent: &Extent,
) -> anyhow::Result<Vec<Balance>> {
    let mut balances = Vec::new();
    for shape in &extent.shapes {
        let mut rounds = Vec::new();
        for round in 0..extent.rounds {
            eprintln!("{NAME}: {} connections, round {}", shape.connections, round + 1);
            let read = read(case, starter, cores, *shape, round, extent).await;
            rounds.push(read.with_context(|| format!("{NAME}: {shape:?}"))?);
        }
        balances.push(Balance {
            cores: cores.get(),
            connections: shape.connections,
            streams: shape.streams,
            max_to_mean: Spread::of(rounds.into_iter()),
        });
    }
    Ok(balances)
}

async fn read(
    case: &Case,
    starter: &Starter,
    cores: NonZeroUsize,
    shape: Shape,
    round: u32,
    extent: &Extent,
) -> anyhow::Result<f64> {
    let server = starter.start_tollgate()?;
    let reading = (case.expected, extent.length);
    let (fleet, work) = warmed(case, &server, shape, round, reading).await?;
    let before = usage::threads(server.pid(), CORE)?;
    check(&fleet.run(&work).await?, case.expected)?;
    let after = usage::threads(server.pid(), CORE)?;
    let spent = |((_, after), (_, before)): (&Thread, &Thread)| after.saturating_sub(*before);
    let mut spent: Vec<Duration> = after.iter().zip(&before).map(spent).collect();
    // The other listeners' cores have the same names and nothing to do.
    spent.sort_unstable_by(|a, b| b.cmp(a));
    spent.truncate(cores.get());
    Ok(max_to_mean(&spent))
}

type Thread = (String, Duration);

/// One if all are equal; as many as there are if one does everything.
fn max_to_mean(spent: &[Duration]) -> f64 {
    let most = spent.iter().max().map_or(0.0, Duration::as_secs_f64);
    let sum: f64 = spent.iter().map(Duration::as_secs_f64).sum();
    if sum > 0.0 { most * spent.len() as f64 / sum } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_cores_are_one_and_a_lone_busy_core_is_their_number() {
        let millis =
            |all: &[u64]| all.iter().map(|n| Duration::from_millis(*n)).collect::<Vec<_>>();
        assert!((max_to_mean(&millis(&[5, 5])) - 1.0).abs() < 1e-9);
        assert!((max_to_mean(&millis(&[0, 8, 0, 0])) - 4.0).abs() < 1e-9);
        assert!(max_to_mean(&[]).abs() < 1e-9);
    }
}
