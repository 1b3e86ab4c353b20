//! `cargo xtask arrows`: which workspace crate may depend on which.
//!
//! The table below is the architecture. It covers normal, dev and build dependencies alike, and
//! every member must have a row, so a new crate is a decision and not an accident. It looks at
//! declared dependencies only: what an external crate brings along is for deny.toml.

use std::fs;

use anyhow::{Result, bail};

use crate::tidy::{Finding, report};
use crate::workspace::{Dependency, Package, Workspace};

enum Allowed {
    /// Only the named ones.
    Only(&'static [&'static str]),
    Any,
}
use Allowed::{Any, Only};

const SERVER_MAY: &[&str] = &[
    "tollgate-core",
    "tollgate-proto",
    "tollgate-runtime",
    "tollgate-raft",
    "tollgate-client",
    "tollgate-edge",
];

/// Who may depend on whom. A row may stand before its crate does.
const ARROWS: [(&str, Allowed); 11] = [
    ("tollgate-core", Only(&[])),
    ("tollgate-proto", Only(&["tollgate-core"])),
    ("tollgate-runtime", Only(&["tollgate-core"])),
    ("tollgate-raft", Only(&["tollgate-core", "tollgate-proto", "tollgate-runtime"])),
    ("tollgate-client", Only(&["tollgate-core", "tollgate-proto", "tollgate-runtime"])),
    (
        "tollgate-edge",
        Only(&["tollgate-client", "tollgate-core", "tollgate-proto", "tollgate-runtime"]),
    ),
    ("tollgate-server", Only(SERVER_MAY)),
    ("tollgate-tests", Any),
    ("tollgate-benches", Any),
    ("tollgate-fuzz", Any),
    ("xtask", Only(&[])),
];

/// What would end the core's purity: no IO, no async, no wire, no serialised form.
const BANNED_IN_CORE: [&str; 9] = [
    "tokio",
    "tonic",
    "hyper",
    "dashmap",
    "serde",
    "serde_json",
    "metrics",
    "jsonwebtoken",
    "prost",
];

/// Fails with a line for each arrow that is not in the table.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut findings = Vec::new();
    for package in &workspace.packages {
        for (written, message) in wrong_arrows(package) {
            let line = written.map_or(1, |written| manifest_line(package, written));
            findings.push(Finding::new(workspace.relative(&package.manifest), line, message));
        }
    }
    match report(&mut findings) {
        0 => Ok(()),
        wrong => bail!("{wrong} wrong between crates; xtask/src/arrows.rs holds the table"),
    }
}

/// What is wrong with a package, each with the dependency it is about.
fn wrong_arrows(package: &Package) -> Vec<(Option<&str>, String)> {
    let name = &package.name;
    let Some((_, allowed)) = ARROWS.iter().find(|(member, _)| member == name) else {
        let message = format!("`{name}` has no row in the table of arrows; give it one");
        return vec![(None, message)];
    };
    let judged = package.dependencies.iter().filter_map(|dependency| {
        Some((Some(dependency.written.as_str()), wrong(name, allowed, dependency)?))
    });
    judged.collect()
}

fn wrong(name: &str, allowed: &Allowed, dependency: &Dependency) -> Option<String> {
    let Dependency { name: on, kind, is_local, .. } = dependency;
    if *is_local {
        return match allowed {
            Any => None,
            Only(list) if list.contains(&on.as_str()) => None,
            Only([]) => Some(format!("`{name}` may depend on no crate of ours, not on `{on}`")),
            Only(list) => {
                Some(format!("`{name}` may depend on {}, not on `{on}` ({kind})", list.join(", ")))
            }
        };
    }
    (name == "tollgate-core" && BANNED_IN_CORE.contains(&on.as_str()))
        .then(|| format!("the core is pure: never `{on}` ({kind})"))
}

/// The line of the manifest that names the dependency, 1 if it is written in an unusual form.
fn manifest_line(package: &Package, written: &str) -> usize {
    let text = fs::read_to_string(&package.manifest).unwrap_or_default();
    let names = |line: &str| {
        let rest = line.trim_start().strip_prefix(written);
        rest.is_some_and(|rest| rest.trim_start().starts_with(['.', '=']))
    };
    text.lines().position(names).map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::{ARROWS, Allowed, wrong_arrows};
    use crate::workspace::{Dependency, Package};

    fn package(name: &str, on: &str, is_local: bool) -> Package {
        let dependency =
            Dependency { name: on.into(), written: on.into(), kind: "dev".into(), is_local };
        Package {
            name: name.into(),
            manifest: "Cargo.toml".into(),
            targets: Vec::new(),
            dependencies: vec![dependency],
        }
    }

    #[test]
    fn accepts_the_arrows_of_the_table_only() {
        assert!(wrong_arrows(&package("tollgate-server", "tollgate-core", true)).is_empty());
        assert!(wrong_arrows(&package("tollgate-tests", "tollgate-server", true)).is_empty());
        assert_eq!(wrong_arrows(&package("tollgate-edge", "tollgate-raft", true)).len(), 1);
        assert_eq!(wrong_arrows(&package("tollgate-core", "tollgate-proto", true)).len(), 1);
        assert_eq!(wrong_arrows(&package("xtask", "tollgate-core", true)).len(), 1);
    }

    #[test]
    fn the_core_stays_pure_even_in_its_tests() {
        assert_eq!(wrong_arrows(&package("tollgate-core", "tokio", false)).len(), 1);
        assert!(wrong_arrows(&package("tollgate-core", "hashbrown", false)).is_empty());
        assert!(wrong_arrows(&package("tollgate-proto", "prost", false)).is_empty());
    }

    #[test]
    fn a_member_without_a_row_fails() {
        assert_eq!(wrong_arrows(&package("tollgate-extra", "anyhow", false)).len(), 1);
    }

    #[test]
    fn the_table_has_no_cycle() {
        let mut left: Vec<_> = ARROWS.iter().collect();
        let mut done: Vec<&str> = Vec::new();
        while let Some(at) = left.iter().position(|(_, allowed)| match allowed {
            Allowed::Only(list) => list.iter().all(|on| done.contains(on)),
            Allowed::Any => true,
        }) {
            done.push(left.remove(at).0);
        }
        assert!(left.is_empty(), "{:?}", left.iter().map(|(name, _)| name).collect::<Vec<_>>());
    }
}
