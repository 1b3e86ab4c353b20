//! What decides at the moment.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use tollgate_core::decision::Modes;
use tollgate_core::descriptor::INLINE_DOMAIN;
use tollgate_core::descriptor::{Descriptor, Request};
use tollgate_core::key::{Key, KeySecret};
use tollgate_core::limit::{Domain, HeaderStyle, LimitSet};
use tollgate_core::plan::{Label, Operation, Plan};
use tollgate_core::tally::NEAR_LIMIT_RATIO;
use tollgate_proto::ratelimit::HeaderNames;

use crate::config::Domains;
use crate::statistics::LimitFigures;

/// What decides at the moment: replaced as a whole by a reload, so that no decision sees half of
/// one configuration and half of another.
#[derive(Debug)]
pub struct Active {
    /// The limits, by domain.
    pub limits: LimitSet,
    /// How answers are made of them.
    pub answers: Answers,
    /// False until there are limits for the first time: nothing is decided then.
    is_loaded: bool,
    /// What it does not decide although it decides the rest.
    withheld: Withheld,
    /// The figures of each limit that has its path as its name, by `Limit::id`; made at its first
    /// hit.
    pub(super) figures: Box<[OnceLock<Arc<LimitFigures>>]>,
}

/// Domains whose rules somebody wrote and that are not known: requests in them get no decision, so
/// that none passes for want of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Withheld {
    /// Domains of which no rules were ever right.
    pub domains: BTreeSet<Arc<str>>,
    /// Every domain without rules: there are some that cannot even be told a domain's.
    pub others: bool,
}

/// How answers are made, for every domain.
#[derive(Clone, Debug, PartialEq)]
pub struct Answers {
    /// Modes of combining.
    pub modes: Modes,
    /// Headers, for domains that do not say.
    pub headers: HeaderStyle,
    /// What the headers of [`HeaderStyle::RateLimit`] are called.
    pub header_names: HeaderNames,
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
            header_names: HeaderNames::default(),
            dynamic_metadata: false,
            near_limit_ratio: NEAR_LIMIT_RATIO,
        }
    }
}

impl Active {
    /// What a configuration decides by.
    pub fn new(domains: Domains, answers: Answers, secret: &KeySecret) -> Self {
        let limits = LimitSet::new(domains, secret);
        let figures = (0..limits.limit_count()).map(|_| OnceLock::new()).collect();
        Self { limits, answers, is_loaded: true, withheld: Withheld::default(), figures }
    }

    /// What stands there until a configuration is right for the first time: it decides nothing, so
    /// that nothing passes for want of a rule.
    pub fn unloaded(answers: Answers, secret: &KeySecret) -> Self {
        Self { is_loaded: false, ..Self::new(Domains::new(), answers, secret) }
    }

    /// The same, but for what is withheld.
    pub fn withholding(self, withheld: Withheld) -> Self {
        Self { withheld, ..self }
    }

    /// Whether it decides requests in `domain`.
    pub fn decides(&self, domain: &str) -> bool {
        let Withheld { domains, others } = &self.withheld;
        let is_withheld = !domains.is_empty() && domains.contains(domain);
        self.is_loaded
            && !is_withheld
            && (!others || domain == INLINE_DOMAIN || self.limits.domain(domain).is_some())
    }

    /// Whether it decides.
    pub fn is_loaded(&self) -> bool {
        self.is_loaded
    }

    /// Shows `then` the operation of a configured limit that leads to the bucket `key`, of which
    /// `text` is the label. A bucket keeps neither its limit nor its number, so its label's entries
    /// are matched again by the same code as a request's. None where the label is cut, the rule is
    /// gone, or the caller brought the limit.
    pub fn met<R>(
        &self,
        key: Key,
        text: &str,
        then: impl FnOnce(&Operation<'_>) -> R,
    ) -> Option<R> {
        self.met_in(key, text, |_, operation| then(operation))
    }

    /// The same with the plan that the operation is of.
    pub(super) fn met_in<R>(
        &self,
        key: Key,
        text: &str,
        then: impl FnOnce(&Plan<'_>, &Operation<'_>) -> R,
    ) -> Option<R> {
        let (domain, entries) = Label::parse(text)?;
        let descriptors = [Descriptor { entries: &entries, limit_override: None, charge: None }];
        let request = Request { domain, descriptors: &descriptors, hits_addend: 0 };
        let plan = Plan::of(&self.limits, &request);
        let met = plan.operations.iter().find(|operation| operation.key == key);
        met.map(|operation| then(&plan, operation))
    }

    /// Which headers this domain's answers carry.
    pub fn headers(&self, domain: &Domain) -> HeaderStyle {
        domain.options.headers.unwrap_or(self.answers.headers)
    }
}
