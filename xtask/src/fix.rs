//! `cargo xtask fix`: mends what a machine can mend. The one verb that writes to the source tree.

use anyhow::Result;

use crate::generated;
use crate::process::{self, cargo};
use crate::workspace::Workspace;

/// Formats last: what clippy and the generators write is not always formatted.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    generated::code()?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--fix"];
    process::run(cargo().args(clippy).args(["--allow-dirty", "--allow-staged"]))?;
    generated::write(workspace)?;
    process::run(cargo().args(["fmt", "--all"]))
}
