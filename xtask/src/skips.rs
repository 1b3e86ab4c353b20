//! What a run left out, by name and with the reason, so that a pass never hides a gap.
//!
//! cargo hides the output of tests that pass, so a test that cannot run on this machine appends
//! one line, `name: reason`, to the file that `TOLLGATE_SKIP_LOG` names. This file owns the log:
//! it is emptied before a run and read after it. It judges no reason.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::workspace::Workspace;

/// Something that was not run.
#[derive(Debug, PartialEq)]
pub(crate) struct LeftOut {
    pub(crate) name: String,
    pub(crate) reason: String,
}

/// Where tests write what they skip.
pub(crate) fn log(workspace: &Workspace) -> PathBuf {
    workspace.target.join("xtask").join("skipped.txt")
}

/// An empty log, so that lines of an earlier run are not taken for this one's.
pub(crate) fn clear(workspace: &Workspace) -> Result<()> {
    let log = log(workspace);
    let folder = log.parent().unwrap_or(&workspace.target);
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(&log, "").with_context(|| format!("cannot write {}", log.display()))
}

/// What the tests said they skipped, in the order of their names, each once.
pub(crate) fn read(workspace: &Workspace) -> Result<Vec<LeftOut>> {
    let log = log(workspace);
    let bytes = fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
    Ok(parse(&String::from_utf8_lossy(&bytes)))
}

/// Printed even when empty: "nothing" is an answer too.
pub(crate) fn print(left_out: &[LeftOut]) {
    println!("Left out:");
    for LeftOut { name, reason } in left_out {
        println!("  {name}: {reason}");
    }
    if left_out.is_empty() {
        println!("  nothing");
    }
}

fn parse(text: &str) -> Vec<LeftOut> {
    let lines = text.lines().map(|line| line.strip_prefix("SKIPPED: ").unwrap_or(line).trim());
    let mut lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    lines.sort_unstable();
    lines.dedup();
    lines.into_iter().map(left_out).collect()
}

fn left_out(line: &str) -> LeftOut {
    let (name, reason) = line.split_once(": ").unwrap_or((line, "no reason given"));
    LeftOut { name: name.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{LeftOut, parse};

    #[test]
    fn reads_each_skip_once_with_its_reason() {
        let text = "vectors: TOLLGATE_VECTORS: not set\nenvoy\n\nSKIPPED: vectors: TOLLGATE_VECTORS: not set\n";
        let expected = [("envoy", "no reason given"), ("vectors", "TOLLGATE_VECTORS: not set")];
        let expected = expected
            .map(|(name, reason)| LeftOut { name: name.to_owned(), reason: reason.to_owned() });
        assert_eq!(parse(text), expected);
    }
}
