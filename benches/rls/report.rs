//! The report: one object, and the table made from it.
//!
//! Every figure is the median of the rounds; where a spread matters, least and most stand beside
//! it. The ratio is taken within a round and only then over the rounds.

use std::fmt;

use serde::Serialize;
use tollgate_benches::drive::Shape;
use tollgate_benches::machine::Machine;

use crate::balance::Balance;
use crate::extent::Extent;
use crate::in_process::InProcess;
use crate::memory::Memory;
use crate::rounds::{Pair, Sample};

/// All of one run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    #[serde(flatten)]
    pub(crate) extent: Extent,
    pub(crate) rows: Vec<Row>,
    pub(crate) in_process: Vec<InProcess>,
    pub(crate) balances: Vec<Balance>,
    pub(crate) memories: Vec<Memory>,
}

/// One case in one shape.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    case: &'static str,
    connections: usize,
    streams: usize,
    floor: Figures,
    tollgate: Figures,
    /// CPU per decision of Tollgate, divided by the floor's of the same round.
    ratio_to_floor: Spread,
}

/// One server's figures.
#[derive(Debug, Serialize)]
struct Figures {
    requests_per_second: Spread,
    p50_us: Spread,
    p99_us: Spread,
    p999_us: Spread,
    cpu_us_per_decision: Spread,
    /// The most of all rounds.
    rss_bytes: u64,
}

/// A figure over the rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

impl Report {
    /// A report without figures so far.
    pub(crate) fn new(machine: Machine, extent: Extent) -> Self {
        Self {
            machine,
            extent,
            rows: Vec::new(),
            in_process: Vec::new(),
            balances: Vec::new(),
            memories: Vec::new(),
        }
    }
}

impl Row {
    /// Sums the rounds up.
    pub(crate) fn of(case: &'static str, shape: Shape, pairs: &[Pair]) -> Self {
        let ratio =
            |pair: &Pair| pair.tollgate.cpu_us_per_decision / pair.floor.cpu_us_per_decision;
        Self {
            case,
            connections: shape.connections,
            streams: shape.streams,
            floor: Figures::of(pairs.iter().map(|pair| pair.floor)),
            tollgate: Figures::of(pairs.iter().map(|pair| pair.tollgate)),
            ratio_to_floor: Spread::of(pairs.iter().map(ratio)),
        }
    }
}

impl Figures {
    fn of(samples: impl Iterator<Item = Sample> + Clone) -> Self {
        let spread = |figure: fn(Sample) -> f64| Spread::of(samples.clone().map(figure));
        Self {
            requests_per_second: spread(|sample| sample.requests_per_second),
            p50_us: spread(|sample| sample.p50_us),
            p99_us: spread(|sample| sample.p99_us),
            p999_us: spread(|sample| sample.p999_us),
            cpu_us_per_decision: spread(|sample| sample.cpu_us_per_decision),
            rss_bytes: samples.map(|sample| sample.rss_bytes).max().unwrap_or_default(),
        }
    }
}

impl Spread {
    /// Of no values at all it is zero; an even number of them has the mean of the middle two.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.map(rounded).collect();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
        let count = sorted.len();
        Self {
            median: rounded((at(count.saturating_sub(1) / 2) + at(count / 2)) / 2.0),
            min: at(0),
            max: at(count.saturating_sub(1)),
        }
    }
}

/// To a thousandth, below which these figures say nothing.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { cpu, cores, kernel, rustc, version, commit, load_average, profile } =
            &self.machine;
        let Extent { rounds, workers, .. } = &self.extent;
        writeln!(out, "{cpu}, {cores} cores, Linux {kernel}; {rustc}")?;
        writeln!(
            out,
            "tollgate-benches {version}, commit {commit}, {profile} build; load average before: \
             {load_average}"
        )?;
        writeln!(
            out,
            "{rounds} rounds of {} each; {workers} worker(s) where nothing else is said; median \
             (min-max); the driver shares the machine",
            self.extent.told()
        )?;
        self.write_rows(out)?;
        self.write_in_process(out)?;
        self.write_balances(out)?;
        self.write_memories(out)
    }
}

impl Report {
    fn write_rows(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.is_empty() {
            return Ok(());
        }
        writeln!(
            out,
            "\n{:<17} {:>5} {:<8} {:>9} {:>7} {:>7} {:>8} {:>20} {:>7} {:>18}",
            "case",
            "shape",
            "server",
            "req/s",
            "p50 µs",
            "p99 µs",
            "p99.9 µs",
            "CPU µs/decision",
            "RSS MiB",
            "÷ floor (CPU)"
        )?;
        for row in &self.rows {
            write_line(out, row, "floor", &row.floor, "1")?;
            write_line(out, row, "tollgate", &row.tollgate, &row.ratio_to_floor.to_string())?;
        }
        Ok(())
    }

    fn write_in_process(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.in_process.is_empty() {
            return Ok(());
        }
        writeln!(out, "\n{:<17} {:>24}", "case", "in-process ns/decision")?;
        for InProcess { case, nanos_per_decision } in &self.in_process {
            writeln!(out, "{case:<17} {nanos_per_decision:>24.0}")?;
        }
        Ok(())
    }

    fn write_balances(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.balances.is_empty() {
            return Ok(());
        }
        writeln!(out, "\n{:>5} {:>6} {:>24}", "cores", "shape", "busiest core ÷ mean")?;
        for Balance { cores, connections, streams, max_to_mean } in &self.balances {
            let shape = format!("{connections}x{streams}");
            writeln!(out, "{cores:>5} {shape:>6} {:>24}", max_to_mean.to_string())?;
        }
        Ok(())
    }

    fn write_memories(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.memories.is_empty() {
            return Ok(());
        }
        let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let [keys, idle, full, each] = ["keys", "idle MiB", "full MiB", "B/key"];
        writeln!(out, "\n{:<15} {keys:>9} {idle:>9} {full:>9} {each:>7}", "rule")?;
        for Memory { rule, keys, idle_bytes, full_bytes, bytes_per_key } in &self.memories {
            let (idle, full) = (mebibytes(*idle_bytes), mebibytes(*full_bytes));
            writeln!(out, "{rule:<15} {keys:>9} {idle:>9.1} {full:>9.1} {bytes_per_key:>7.1}")?;
        }
        Ok(())
    }
}

fn write_line(
    out: &mut fmt::Formatter<'_>,
    row: &Row,
    server: &str,
    figures: &Figures,
    ratio: &str,
) -> fmt::Result {
    writeln!(
        out,
        "{:<17} {:>5} {server:<8} {:>9.0} {:>7.0} {:>7.0} {:>8.0} {:>20} {:>7.1} {ratio:>18}",
        row.case,
        format!("{}x{}", row.connections, row.streams),
        figures.requests_per_second.median,
        figures.p50_us.median,
        figures.p99_us.median,
        figures.p999_us.median,
        figures.cpu_us_per_decision.to_string(),
        figures.rss_bytes as f64 / f64::from(1 << 20),
    )
}

impl fmt::Display for Spread {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:.2} ({:.2}-{:.2})", self.median, self.min, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(median: f64, min: f64, max: f64) -> Spread {
        Spread { median, min, max }
    }

    fn sample(cpu_us_per_decision: f64) -> Sample {
        Sample {
            requests_per_second: 1e5,
            p50_us: 1.0,
            p99_us: 2.0,
            p999_us: 3.0,
            cpu_us_per_decision,
            rss_bytes: 1 << 20,
        }
    }

    #[test]
    fn the_median_is_the_middle_value_or_the_mean_of_the_middle_two() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0].into_iter()), spread(2.0, 1.0, 3.0));
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0].into_iter()), spread(2.5, 1.0, 4.0));
        assert_eq!(Spread::of([7.0].into_iter()), spread(7.0, 7.0, 7.0));
        assert_eq!(Spread::of([].into_iter()), spread(0.0, 0.0, 0.0));
    }

    #[test]
    fn the_ratio_is_taken_within_a_round() {
        // The second round lies in a slow spell that both sides meet.
        let pairs = [(7.0, 7.7), (14.0, 15.4), (7.0, 8.4)]
            .map(|(floor, tollgate)| Pair { floor: sample(floor), tollgate: sample(tollgate) });
        let row = Row::of("case", Shape { connections: 8, streams: 16 }, &pairs);
        assert_eq!(row.ratio_to_floor, spread(1.1, 1.1, 1.2));
        assert_eq!(row.tollgate.cpu_us_per_decision, spread(8.4, 7.7, 15.4));
    }
}
