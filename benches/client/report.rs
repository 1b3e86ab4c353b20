//! The report: one object, and the table made from it. Every figure is the median of the rounds.

use std::fmt;

use serde::Serialize;
use tollgate_benches::machine::Machine;

use crate::cases::Case;

/// One reading of one case.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Reading {
    pub(crate) decisions_per_second: f64,
    /// CPU time of the client's process for each decision, in microseconds.
    pub(crate) client_cpu_us: f64,
    /// The node's.
    pub(crate) server_cpu_us: f64,
}

/// All of one run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    rounds: u32,
    decisions: u32,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    case: &'static str,
    askers: u64,
    readings: Vec<Reading>,
}

impl Report {
    pub(crate) fn new(machine: Machine, rounds: u32, decisions: u32) -> Self {
        Self { machine, rounds, decisions, rows: Vec::new() }
    }

    pub(crate) fn add(&mut self, case: Case, reading: Reading) {
        match self.rows.iter_mut().find(|row| row.case == case.name()) {
            Some(row) => row.readings.push(reading),
            None => {
                let (case, askers) = (case.name(), case.askers());
                self.rows.push(Row { case, askers, readings: vec![reading] });
            }
        }
    }
}

impl Row {
    fn median(&self, figure: impl Fn(&Reading) -> f64) -> f64 {
        let mut all: Vec<_> = self.readings.iter().map(figure).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or_default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { cpu, cores, kernel, rustc, version, commit, load_average, profile } =
            &self.machine;
        writeln!(f, "{cpu}, {cores} cores, Linux {kernel}, load {load_average}")?;
        writeln!(f, "tollgate {version} at {commit}, {profile}, {rustc}")?;
        writeln!(f, "median of {} rounds of {} decisions\n", self.rounds, self.decisions)?;
        let (a, b, c, d, e) = ("case", "askers", "decisions/s", "client us", "server us");
        writeln!(f, "{a:<8}{b:>8}{c:>14}{d:>11}{e:>11}  of rls: client, server")?;
        let peer = self.rows.iter().find(|row| row.case == Case::Rls.name());
        for row in &self.rows {
            let client = row.median(|reading| reading.client_cpu_us);
            let server = row.median(|reading| reading.server_cpu_us);
            let speed = row.median(|reading| reading.decisions_per_second);
            let (case, askers) = (row.case, row.askers);
            write!(f, "{case:<8}{askers:>8}{speed:>14.0}{client:>11.2}{server:>11.2}")?;
            match peer {
                Some(peer) => {
                    let of_client = client / peer.median(|reading| reading.client_cpu_us);
                    let of_server = server / peer.median(|reading| reading.server_cpu_us);
                    writeln!(f, "  {of_client:.2}, {of_server:.2}")?;
                }
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}
