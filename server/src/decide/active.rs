//! What decides at the moment.

use tollgate_core::decision::Modes;
use tollgate_core::key::KeySecret;
use tollgate_core::limit::{Domain, HeaderStyle, LimitSet};
use tollgate_core::tally::NEAR_LIMIT_RATIO;

use crate::config::Domains;

/// What decides at the moment: replaced as a whole by a reload, so that no decision sees half of
/// one configuration and half of another.
#[derive(Debug)]
pub struct Active {
    /// The limits, by domain.
    pub limits: LimitSet,
    /// How answers are made of them.
    pub answers: Answers,
}

/// How answers are made, for every domain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answers {
    /// Modes of combining.
    pub modes: Modes,
    /// Headers, for domains that do not say.
    pub headers: HeaderStyle,
    /// Answers carry the domain, the descriptors and the limits' metadata.
    pub dynamic_metadata: bool,
    /// The part of a limit from which hits count as near it.
    pub near_limit_ratio: f32,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            modes: Modes::default(),
            headers: HeaderStyle::default(),
            dynamic_metadata: false,
            near_limit_ratio: NEAR_LIMIT_RATIO,
        }
    }
}

impl Active {
    /// What a configuration decides by.
    pub fn new(domains: Domains, answers: Answers, secret: &KeySecret) -> Self {
        Self { limits: LimitSet::new(domains, secret), answers }
    }

    /// Which headers this domain's answers carry.
    pub fn headers(&self, domain: &Domain) -> HeaderStyle {
        domain.options.headers.unwrap_or(self.answers.headers)
    }
}
