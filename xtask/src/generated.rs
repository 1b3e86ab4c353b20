//! Files in the tree that a command of ours writes: what makes each, and whether it is stale.
//!
//! A generated file is committed so that a reader finds it; the check keeps it honest.

use std::fs;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};

use crate::process::{self, cargo, shown};
use crate::tidy::Finding;
use crate::workspace::Workspace;

struct Generated {
    /// Arguments of the cargo that prints the text.
    command: &'static [&'static str],
    /// Where the text is committed, from the root.
    path: &'static str,
}

const GENERATED: [Generated; 2] = [
    Generated {
        command: &["run", "--quiet", "--locked", "--package", "tollgate-server", "--", "schema"],
        path: "docs/tollgate.schema.json",
    },
    Generated {
        command: &["run", "--quiet", "--locked", "--package", "tollgate-server", "--", "openapi"],
        path: "docs/openapi.yaml",
    },
];

/// Writes the Rust code of our `.proto` files: the test that compares it knows how.
pub(crate) fn code() -> Result<()> {
    let test =
        ["test", "--quiet", "--locked", "--package", "tollgate-proto", "--test", "generated"];
    process::run(cargo().args(test).env("TOLLGATE_WRITE_GENERATED", "1"))
}

/// Compares every generated file with what its command prints now.
pub(crate) fn check(workspace: &Workspace) -> Vec<Finding> {
    GENERATED.iter().filter_map(|entry| stale(workspace, entry)).collect()
}

/// Writes every generated file that differs.
pub(crate) fn write(workspace: &Workspace) -> Result<()> {
    for entry in &GENERATED {
        let text = made(entry).with_context(|| format!("{} was not written", entry.path))?;
        let path = workspace.root.join(entry.path);
        if fs::read_to_string(&path).is_ok_and(|committed| committed == text) {
            continue;
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("xtask: wrote {}", entry.path);
    }
    Ok(())
}

fn stale(workspace: &Workspace, entry: &Generated) -> Option<Finding> {
    let made = match made(entry) {
        Ok(made) => made,
        Err(error) => {
            return Some(Finding::new(entry.path, 1, format!("cannot be generated: {error:#}")));
        }
    };
    let Ok(committed) = fs::read_to_string(workspace.root.join(entry.path)) else {
        return Some(Finding::new(entry.path, 1, "is missing; run cargo xtask fix".into()));
    };
    let line = first_difference(&committed, &made)?;
    let message = "differs from what its command prints now; run cargo xtask fix";
    Some(Finding::new(entry.path, line, message.into()))
}

fn made(entry: &Generated) -> Result<String> {
    let mut command = cargo();
    command.args(entry.command);
    let shown = shown(&command);
    eprintln!("xtask:   $ {shown}");
    // What the compiler has to say is for the reader's eyes, not for a one-line finding.
    let text = process::output(command.stderr(Stdio::inherit()))?;
    if text.trim().is_empty() {
        bail!("`{shown}` printed nothing");
    }
    Ok(text)
}

/// The first line, from 1, that is not the same in both; `None` for equal texts.
fn first_difference(committed: &str, made: &str) -> Option<usize> {
    if committed == made {
        return None;
    }
    let same = committed.split('\n').zip(made.split('\n')).take_while(|(a, b)| a == b).count();
    Some(same + 1)
}

#[cfg(test)]
mod tests {
    use super::first_difference;

    #[test]
    fn names_the_first_line_that_differs() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some(2));
        assert_eq!(first_difference("a\nb\n", "a\nb"), Some(3));
    }
}
