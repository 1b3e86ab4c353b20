//! One load of everything: the configuration, the files it lists, and what they held.

use std::fmt;
use std::path::{Path, PathBuf};

use super::sources::Content;
use crate::config::cluster::NotAMember;
use crate::config::{Config, Domains, Report};
use crate::xds;

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
    /// What health checks are told meanwhile.
    pub(crate) health: HealthRule,
    /// Which member of the cluster the node is, where it was told.
    pub(crate) member: Option<String>,
}

/// When health checks are told that traffic may come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum HealthRule {
    /// From the start.
    #[default]
    Always,
    /// When a configuration was right once.
    OnceLoaded,
}

/// What a configuration is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The binary.
    Embedded,
    /// The process's environment, which does not change while it lives.
    Environment,
    /// A file, as it was named.
    File(PathBuf),
    /// The environment, and for the limits a server.
    Xds(Box<xds::Settings>),
}

impl Source {
    /// The file, if it is one.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Self::File(file) => Some(file),
            Self::Embedded | Self::Environment | Self::Xds(_) => None,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => f.write_str("embedded defaults"),
            Self::Environment => f.write_str("environment"),
            Self::File(file) => file.display().fmt(f),
            Self::Xds(settings) => write!(f, "xds {}", settings.target),
        }
    }
}

/// Where a configuration came from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// What was read.
    pub(super) source: Source,
    /// What the files held.
    pub(super) content: Content,
    /// Whether the files held it before and after they were read.
    pub(super) is_settled: bool,
    /// What is wrong with it; there are no domains then.
    pub(super) failure: Option<Report>,
}

impl Origin {
    /// Whether there are limits, and they were right.
    pub(crate) fn is_loaded(&self) -> bool {
        self.failure.is_none() && !matches!(self.source, Source::Xds(_))
    }
}

impl Loaded {
    /// The same for the node that is this member of the cluster: `told` by its command line or its
    /// environment, else by the file.
    ///
    /// # Errors
    /// [`NotAMember`].
    pub fn as_member(self, told: Option<String>) -> Result<Self, NotAMember> {
        let member = match &self.config.cluster {
            Some(cluster) => Some(cluster.own(told.as_deref())?.0.to_owned()),
            None => told.map_or(Ok(None), |name| Err(NotAMember::NoCluster(name)))?,
        };
        Ok(Self { member, ..self })
    }

    /// `config`, which is the embedded one, to which a command line may have added.
    ///
    /// # Errors
    /// Everything that is wrong in files that it lists; it lists none.
    pub fn embedded(config: Config) -> Result<Self, Report> {
        let domains = config.domains()?;
        let content = Content::of_text(EMBEDDED);
        let source = Source::Embedded;
        let origin = Origin { source, content, is_settled: true, failure: None };
        Ok(Self { config, domains, origin, health: HealthRule::default(), member: None })
    }

    /// `config`, which the environment spells, with the files of limits as they stand now. Where
    /// something is wrong with those, there are no domains yet, and [`Origin`] knows why.
    pub(crate) fn environment(config: Config, health: HealthRule) -> Self {
        match read_listed(&config) {
            Ok(loaded) => Self { health, ..loaded },
            Err(Refused { report, content, is_settled }) => {
                let source = Source::Environment;
                let origin = Origin { source, content, is_settled, failure: Some(report) };
                Self { config, domains: Vec::new(), origin, health, member: None }
            }
        }
    }
}

impl Loaded {
    /// `config`, which the environment spells, before the server of `settings` has said anything.
    pub(crate) fn xds(config: Config, settings: xds::Settings, health: HealthRule) -> Self {
        let source = Source::Xds(Box::new(settings));
        let content = Content::default();
        let origin = Origin { source, content, is_settled: true, failure: None };
        Self { config, domains: Vec::new(), origin, health, member: None }
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
    read_file(file).map_err(|refused| refused.report)
}

/// Reads `source` anew, for a node that was started with `config`.
pub(super) fn read(source: &Source, config: &Config) -> Result<Loaded, Refused> {
    match source {
        Source::File(file) => read_file(file),
        Source::Environment | Source::Embedded | Source::Xds(_) => read_listed(config),
    }
}

/// As [`load`], with what was refused.
fn read_file(file: &Path) -> Result<Loaded, Refused> {
    let path = Some(file);
    let alone = Content::of(path, &[]);
    let config = match Config::load(file) {
        Ok(config) => config,
        Err(report) => {
            let is_settled = Content::of(path, &[]) == alone;
            return Err(Refused { report, content: alone, is_settled });
        }
    };
    let content = Content::of(path, &config.ratelimit_files);
    let domains = config.domains();
    // Whoever writes does not wait for us: what was read may be a mixture.
    let after = Content::of(path, &config.ratelimit_files);
    let is_settled = after == content && content.is_same_config(alone);
    match domains {
        Ok(domains) => {
            let source = Source::File(file.to_owned());
            let origin = Origin { source, content, is_settled, failure: None };
            let health = HealthRule::default();
            Ok(Loaded { config, domains, origin, health, member: None })
        }
        Err(report) => Err(Refused { report, content, is_settled }),
    }
}

/// Reads the files that `config`, which is in no file, lists.
fn read_listed(config: &Config) -> Result<Loaded, Refused> {
    let content = Content::of(None, &config.ratelimit_files);
    let domains = config.domains();
    let is_settled = Content::of(None, &config.ratelimit_files) == content;
    match domains {
        Ok(domains) => {
            let source = Source::Environment;
            let origin = Origin { source, content, is_settled, failure: None };
            let (config, health) = (config.clone(), HealthRule::default());
            Ok(Loaded { config, domains, origin, health, member: None })
        }
        Err(report) => Err(Refused { report, content, is_settled }),
    }
}
