//! Figures of a case, and their table.

use serde::{Deserialize, Serialize};
use tollgate_benches::machine::Machine;

/// What one case measured.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) case: String,
    /// Keys that are held at the end.
    pub(crate) keys: usize,
    /// Bytes of the keys' printable texts, on average.
    pub(crate) text_bytes: f64,
    /// Growth of resident memory, a key.
    pub(crate) bytes: f64,
    /// CPU of the first charge of a key, which makes its bucket.
    pub(crate) first_nanos: f64,
    /// CPU of a later charge, keys in random order.
    pub(crate) later_nanos: f64,
    /// What else there is to say.
    pub(crate) notes: Vec<String>,
}

/// Prints all of them.
pub(crate) fn print(all: &[Figures], json: bool) -> anyhow::Result<()> {
    let machine = Machine::read();
    if json {
        let object = serde_json::json!({ "machine": machine, "cases": all });
        println!("{object}");
        return Ok(());
    }
    let Machine { cpu, cores, kernel, rustc, commit, profile, .. } = &machine;
    println!("{cpu}, {cores} cores, Linux {kernel}; {rustc}; commit {commit}, {profile} build\n");
    println!(
        "{:<16} {:>9} {:>8} {:>11} {:>12} {:>10} {:>10}",
        "case", "keys", "B/key", "text B/key", "without text", "first ns", "later ns"
    );
    for case in all {
        println!(
            "{:<16} {:>9} {:>8.1} {:>11.1} {:>12.1} {:>10.0} {:>10.0}",
            case.case,
            case.keys,
            case.bytes,
            case.text_bytes,
            case.bytes - case.text_bytes,
            case.first_nanos,
            case.later_nanos
        );
        for note in &case.notes {
            println!("    {note}");
        }
    }
    Ok(())
}
