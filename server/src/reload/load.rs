//! One load of everything: the configuration, the files it lists, and what they held.

use std::path::{Path, PathBuf};

use super::sources::Content;
use crate::config::{Config, Domains, Report};

/// The text of the embedded configuration.
const EMBEDDED: &str = include_str!("../config/embedded.yaml");

/// A configuration with all that decides, as it stood in its files.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Every domain with its rules.
    pub domains: Domains,
    /// Where both came from.
    pub(crate) origin: Origin,
}

/// Where a configuration came from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// The file, as it was named; none if it is the embedded one.
    pub(super) file: Option<PathBuf>,
    /// What the files held.
    pub(super) content: Content,
    /// Whether the files held it before and after they were read.
    pub(super) is_settled: bool,
}

impl Loaded {
    /// `config`, which is the embedded one, to which a command line may have added.
    ///
    /// # Errors
    /// Everything that is wrong in files that it lists; it lists none.
    pub fn embedded(config: Config) -> Result<Self, Report> {
        let domains = config.domains()?;
        let content = Content::of_text(EMBEDDED);
        let origin = Origin { file: None, content, is_settled: true };
        Ok(Self { config, domains, origin })
    }
}

/// A content that is not right.
#[derive(Debug)]
pub(super) struct Refused {
    /// Everything that is wrong.
    pub(super) report: Report,
    /// What the files held.
    pub(super) content: Content,
    /// Whether the files held it before and after they were read.
    pub(super) is_settled: bool,
}

/// Reads the configuration in `file` and the files that it lists.
///
/// # Errors
/// A file cannot be read, or everything that is wrong.
pub fn load(file: &Path) -> Result<Loaded, Report> {
    read(file).map_err(|refused| refused.report)
}

/// As [`load`], with what was refused.
pub(super) fn read(file: &Path) -> Result<Loaded, Refused> {
    let alone = Content::of(file, &[]);
    let config = match Config::load(file) {
        Ok(config) => config,
        Err(report) => {
            let is_settled = Content::of(file, &[]) == alone;
            return Err(Refused { report, content: alone, is_settled });
        }
    };
    let content = Content::of(file, &config.ratelimit_files);
    let domains = config.domains();
    // Whoever writes does not wait for us: what was read may be a mixture.
    let after = Content::of(file, &config.ratelimit_files);
    let is_settled = after == content && content.is_same_config(alone);
    match domains {
        Ok(domains) => {
            let origin = Origin { file: Some(file.to_owned()), content, is_settled };
            Ok(Loaded { config, domains, origin })
        }
        Err(report) => Err(Refused { report, content, is_settled }),
    }
}
