//! Reads the files anew and replaces what decides, or leaves everything as it is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tollgate_core::time::Clock;

use super::load::{self, Loaded, Origin, Refused, Source};
use super::restart;
use super::sources::Content;
use super::status::ConfigStatus;
use crate::config::Config;
use crate::decide::{Active, Decider};

/// Times in a row that a content which changes while it is read, and is not right, is read again
/// before it counts as refused: somebody is still writing it.
const UNSETTLED_MAX: u32 = 5;

/// What became of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reloaded {
    /// What decides is what the files held, or they were refused.
    Settled,
    /// The files changed while they were read: read them again.
    Unsettled,
}

/// Replaces what decides by what stands in the files.
pub(super) struct Reloader {
    node: Started,
    /// What the last good configuration lists.
    listed: Vec<PathBuf>,
    /// What decides, if that is known for sure.
    active: Option<Content>,
    /// What was refused last, and why.
    refused: Option<(Content, String)>,
    /// The keys that were last said to need a restart.
    warned: Vec<&'static str>,
    unsettled: u32,
}

/// A node that has started.
pub(super) struct Started {
    /// What its configuration is read from.
    pub(super) source: Source,
    /// The configuration that it was started with.
    pub(super) config: Config,
    /// What its files held then, if that is known for sure and decides.
    pub(super) content: Option<Content>,
    /// What its files held then and what is wrong with that, if it does not decide.
    pub(super) refused: Option<(Content, String)>,
    /// Who decides.
    pub(super) decider: Arc<Decider>,
    /// For what is told.
    pub(super) clock: Arc<dyn Clock>,
    /// What is told.
    pub(super) status: ConfigStatus,
}

impl Reloader {
    /// Reloads for `node`.
    pub(super) fn new(mut node: Started) -> Self {
        Self {
            listed: node.config.ratelimit_files.clone(),
            active: node.content,
            refused: node.refused.take(),
            node,
            warned: Vec::new(),
            unsettled: 0,
        }
    }

    /// The configuration's file, if it is in one.
    pub(super) fn file(&self) -> Option<&Path> {
        self.node.source.file()
    }

    /// The files and folders that the last good configuration lists.
    pub(super) fn listed(&self) -> &[PathBuf] {
        &self.listed
    }

    /// Whether the newest content was refused.
    pub(super) fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// Reads everything anew. All of it decides from now on, or nothing changes.
    pub(super) fn reload(&mut self) -> Reloaded {
        let now = Content::of(self.file(), &self.listed);
        if self.active == Some(now) {
            self.recover();
            return Reloaded::Settled;
        }
        match load::read(&self.node.source, &self.node.config) {
            Ok(loaded) => self.accept(loaded),
            Err(refused) => self.reject(refused),
        }
    }

    fn accept(&mut self, loaded: Loaded) -> Reloaded {
        let Loaded { config, domains, origin, .. } = loaded;
        let Origin { content, is_settled, .. } = origin;
        let is_new = self.active != Some(content);
        self.listed.clone_from(&config.ratelimit_files);
        self.active = is_settled.then_some(content);
        self.unsettled = 0;
        if is_new {
            let active = Active::new(domains, config.answers.clone(), self.node.decider.secret());
            let (domains, limits) = (active.limits.domains().len(), active.limits.limit_count());
            self.node.decider.replace(active);
            self.refused = None;
            self.node.status.accept(content.hash(), self.node.clock.wall());
            announce(content, domains, limits);
            self.warn_of_restart(&config);
        } else {
            self.recover();
        }
        if is_settled { Reloaded::Settled } else { Reloaded::Unsettled }
    }

    fn reject(&mut self, refused: Refused) -> Reloaded {
        let Refused { report, content, is_settled } = refused;
        if !is_settled && self.unsettled < UNSETTLED_MAX {
            self.unsettled += 1;
            return Reloaded::Unsettled;
        }
        self.unsettled = 0;
        let issues = report.issues().len() + report.omitted();
        let refused = (content, report.to_string());
        if self.refused.as_ref() != Some(&refused) {
            announce_refusal(issues, &refused.1, self.node.decider.active().is_loaded());
            self.node.status.reject(&refused.1, self.node.clock.wall());
            self.refused = Some(refused);
        }
        Reloaded::Settled
    }

    /// The files hold what decides; if others were refused meanwhile, that is over.
    fn recover(&mut self) {
        self.unsettled = 0;
        if self.refused.take().is_some() {
            self.node.status.recover();
            tracing::info!(event = "config_recovered", "the files hold what decides");
        }
    }

    fn warn_of_restart(&mut self, new: &Config) {
        let keys = restart::keys(&self.node.config, new);
        if !keys.is_empty() && keys != self.warned {
            let keys = keys.join(", ");
            tracing::warn!(event = "reload_needs_restart", keys, "the rest is applied");
        }
        self.warned = keys;
    }
}

/// Logs that a content decides.
pub(super) fn announce(content: Content, domains: usize, limits: usize) {
    let hash = format!("{:016x}", content.hash());
    tracing::info!(event = "config_loaded", hash, domains, limits);
}

/// Logs that a content does not decide.
pub(super) fn announce_refusal(issues: usize, report: &str, is_loaded: bool) {
    let first = report.lines().next().unwrap_or_default();
    let then =
        if is_loaded { "the old one stays" } else { "no call is answered until it is right" };
    tracing::error!(event = "config_rejected", issues, first, "{then}");
}

#[cfg(test)]
#[path = "reloader_tests.rs"]
mod tests;
