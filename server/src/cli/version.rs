//! `tollgate version`: what this binary is.

use clap::Args;
use serde::{Deserialize, Serialize};

use super::exit::Exit;
use super::failure::Ended;
use super::output::{Answered, Output, Style, clean};

const AFTER_HELP: &str = "\
Examples:
  tollgate version
  tollgate version -o json | jq -r .version";

/// Arguments of `tollgate version`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct VersionArgs {
    #[command(flatten)]
    output: Output,
}

/// What a binary is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Version {
    /// `tollgate`.
    pub(super) name: String,
    /// Its version, by the rules of SemVer.
    pub(super) version: String,
    /// The processor that it is for.
    pub(super) architecture: String,
    /// The system that it is for.
    pub(super) system: String,
}

impl VersionArgs {
    /// Does what the command line says.
    pub(super) fn run(&self) -> Ended {
        let version = Version {
            name: "tollgate".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            architecture: std::env::consts::ARCH.to_owned(),
            system: std::env::consts::OS.to_owned(),
        };
        let names = |version: &Version| vec![version.version.clone()];
        self.output.print(&Answered::of(&version)?, names, text)?;
        Ok(Exit::Done)
    }
}

fn text(version: &Version, _: &Style) -> String {
    let Version { name, version, architecture, system } = version;
    clean(&format!("{name} {version} ({architecture}, {system})"))
}
