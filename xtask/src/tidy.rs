//! `cargo xtask tidy`: the house rules that neither rustfmt nor clippy knows.
//!
//! Reads what git tracks or would track, runs one small check per rule, and reports every finding
//! as `path:line: what is wrong and what would be right`. It changes nothing; what can be mended
//! by a machine is mended by `cargo xtask fix`. Rust is scanned, not parsed: see `lex`.

mod attributes;
mod code;
mod functions;
mod lengths;
mod lex;
mod machine_paths;
mod metric_names;
mod reach;
mod sleeps;
mod tree;

use anyhow::{Result, bail};

use crate::generated;
use crate::workspace::Workspace;
use tree::Tree;

/// One broken rule at one place.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    message: String,
}

impl Finding {
    /// `path` is relative to the root of the workspace, `line` counts from 1.
    pub(crate) fn new(path: impl Into<String>, line: usize, message: String) -> Self {
        Self { path: path.into(), line, message }
    }
}

/// Fails with a line for each finding.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let tree = Tree::read(workspace)?;
    let reached = reach::reached_files(workspace, &tree)?;
    let mut findings = lengths::check(&tree);
    findings.extend(functions::check(&tree));
    findings.extend(attributes::check(&tree));
    findings.extend(sleeps::check(&tree, &reached));
    findings.extend(machine_paths::check(&tree));
    findings.extend(reach::check(&tree, &reached));
    findings.extend(metric_names::check(&tree));
    findings.extend(generated::check(workspace));
    match report(&mut findings) {
        0 => Ok(()),
        wrong => bail!("{wrong} broken house rules in {} files", tree.files.len()),
    }
}

/// Prints the findings in the order of the files and returns how many there are.
pub(crate) fn report(findings: &mut [Finding]) -> usize {
    findings.sort_unstable();
    for Finding { path, line, message } in findings.iter() {
        eprintln!("{path}:{line}: {message}");
    }
    findings.len()
}
