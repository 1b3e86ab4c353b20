//! The reference's second look at a file: what its descriptors say, as rules.
//!
//! A descriptor that is wrong still takes its place among its siblings, so that a second one of the
//! same text is told, too; rules are used only if nothing is wrong.

use std::sync::Arc;

use tollgate_core::limit::{Bound, Limit, Node as Rule, Quota, Rules, Unit};

use super::metadata::Value;
use super::{Domains, Findings, Options};
use crate::config::document::{Document, Kind, Node, Place, Trail};
use crate::config::named::NAMED_LIMITS_DOMAIN;
use crate::config::report::excerpt;
use crate::config::suggest::nearest;

const ROOT_KEYS: &[&str] = &["domain", "descriptors"];
const DESCRIPTOR_KEYS: &[&str] = &[
    "key",
    "value",
    "rate_limit",
    "descriptors",
    "shadow_mode",
    "quota_mode",
    "detailed_metric",
    "value_to_metric",
    "share_threshold",
    "metadata",
];
const RATE_LIMIT_KEYS: &[&str] = &["unit", "requests_per_unit", "unlimited", "name", "replaces"];
const REPLACES_KEYS: &[&str] = &["name"];

/// Bytes of all paths in a set of files. A path holds those of its parents, so a long key with many
/// descriptors below it would multiply.
const PATH_BYTES_MAX: usize = 64 << 20;

/// Adds a file's rules to those of its domain, and what is wrong with them to the issues.
pub(super) fn add(
    document: &Document,
    options: Options,
    domains: &mut Domains,
    findings: &mut Findings,
) {
    let root = &document.root;
    let mut file = File { document, findings };
    if !matches!(root.kind, Kind::Mapping(_)) {
        if root.is_null() {
            file.wrong(root.place, &Trail::Root, "config file cannot have empty domain");
        }
        return;
    }
    file.note_misplaced(root, &Trail::Root, ROOT_KEYS);
    let domain: Arc<str> = file.text(root, &Trail::Root, "domain").into();
    let is_known = domains.contains(&domain);
    file.domain(&domain, is_known && !options.merge_domains);
    let mut rules = domains.take(&domain).filter(|_| options.merge_domains).unwrap_or_default();
    file.descriptors(&mut rules, &domain, root, &Trail::Root);
    domains.put(&domain, rules);
}

/// One file, and where to put what is found in it.
pub(super) struct File<'a> {
    pub(super) document: &'a Document,
    pub(super) findings: &'a mut Findings,
}

impl File<'_> {
    fn domain(&mut self, domain: &str, is_duplicate: bool) {
        let trail = Trail::Root.key("domain");
        let place = self.document.locate(&trail);
        if domain.is_empty() {
            self.wrong(place, &trail, "config file cannot have empty domain");
        } else if domain == NAMED_LIMITS_DOMAIN {
            let message = format!("domain '{domain}' is reserved for the limits of tollgate.yaml");
            let issue = self.document.issue_at(place, &trail, message);
            let issue = issue.with_help("give this file another domain");
            self.findings.issues.push_unless_placed(issue);
        } else if is_duplicate {
            self.wrong(place, &trail, format!("duplicate domain '{domain}' in config file"));
        }
    }

    /// The descriptors inside `parent`, whose path is `path`.
    fn descriptors(&mut self, rules: &mut Rules, path: &str, parent: &Node, trail: &Trail<'_>) {
        let Some((place, list)) = parent.entry("descriptors") else {
            return;
        };
        let trail = trail.key("descriptors");
        let Some(elements) = self.list(place, list, &trail) else {
            return;
        };
        for (index, element) in elements.iter().enumerate() {
            // An element that is no mapping was told with the keys.
            if matches!(element.kind, Kind::Mapping(_)) {
                self.descriptor(rules, path, element, &trail.index(index));
            }
        }
    }

    fn descriptor(&mut self, rules: &mut Rules, parent: &str, node: &Node, trail: &Trail<'_>) {
        self.note_misplaced(node, trail, DESCRIPTOR_KEYS);
        let key = self.text(node, trail, "key");
        let mut rule = Rule { key: key.into(), ..Rule::default() };
        rule.value = self.text(node, trail, "value").into();
        let text = rule.text();
        if !self.affords_path(node, trail, parent.len() + text.len() + 1) {
            return;
        }
        let path: Arc<str> = format!("{parent}.{text}").into();
        if key.is_empty() {
            let place = node.entry("key").map_or(node.place, |(place, _)| place);
            self.wrong(place, &trail.key("key"), "descriptor has empty key");
        } else if rules.contains(&text) {
            let message = format!("duplicate descriptor composite key '{path}'");
            self.wrong(node.place, trail, message);
        }
        rule.detailed_metric = self.boolean(node, trail, "detailed_metric");
        rule.value_to_metric = self.boolean(node, trail, "value_to_metric");
        rule.share_threshold = self.share_threshold(node, trail, &text);
        let shadow = self.boolean(node, trail, "shadow_mode");
        let quota_mode = self.boolean(node, trail, "quota_mode");
        let limit = self.rate_limit(node, trail);
        let limit =
            limit.map(|limit| Limit { path: Arc::clone(&path), shadow, quota_mode, ..limit });
        rule.limits = limit.into_iter().collect();
        self.metadata(node, trail, &path);
        self.descriptors(&mut rule.rules, &path, node, trail);
        // A duplicate was told already.
        let _ = rules.add(rule);
    }

    fn affords_path(&mut self, node: &Node, trail: &Trail<'_>, bytes: usize) -> bool {
        let before = self.findings.path_bytes;
        self.findings.path_bytes = before.saturating_add(bytes);
        let is_affordable = self.findings.path_bytes <= PATH_BYTES_MAX;
        if !is_affordable && before <= PATH_BYTES_MAX {
            let most = PATH_BYTES_MAX >> 20;
            let message = format!("the paths of all descriptors are longer than {most} MiB");
            self.wrong(node.place, trail, message);
        }
        is_affordable
    }

    fn share_threshold(&mut self, node: &Node, trail: &Trail<'_>, text: &str) -> bool {
        let is_shared = self.boolean(node, trail, "share_threshold");
        if is_shared && !text.contains('*') {
            let message = format!(
                "share_threshold can only be used with wildcard values (containing '*'), but \
                 found key '{text}'"
            );
            self.wrong_entry(node, trail, "share_threshold", message);
        }
        is_shared
    }

    /// The descriptor's limit but for what the descriptor itself says about it.
    fn rate_limit(&mut self, descriptor: &Node, trail: &Trail<'_>) -> Option<Limit> {
        let (place, node) = descriptor.entry("rate_limit")?;
        if node.is_null() {
            return None;
        }
        let trail = trail.key("rate_limit");
        if !matches!(node.kind, Kind::Mapping(_)) {
            self.unexpected(place, &trail, "a mapping", node);
            return None;
        }
        self.note_misplaced(node, &trail, RATE_LIMIT_KEYS);
        let number = self.number(node, &trail, "requests_per_unit");
        let is_unlimited = self.boolean(node, &trail, "unlimited");
        let unit = self.unit(place, node, &trail, is_unlimited);
        let name = self.text(node, &trail, "name");
        let replaces = self.replaces(node, &trail, name);
        let bound = match unit {
            Some(unit) if !is_unlimited => Bound::Limited(Quota::per_unit(number, unit)),
            _ => Bound::Unlimited,
        };
        let name = (!name.is_empty()).then(|| name.into());
        Some(Limit { name, replaces, ..Limit::new(bound, Arc::from("")) })
    }

    /// The unit of the limit that stands at `place`.
    fn unit(
        &mut self,
        place: Place,
        node: &Node,
        trail: &Trail<'_>,
        is_unlimited: bool,
    ) -> Option<Unit> {
        let text = self.text(node, trail, "unit");
        let unit = Unit::parse(text);
        if is_unlimited && unit.is_some() {
            let message = "should not specify rate limit unit when unlimited";
            self.wrong_entry(node, trail, "unit", message);
        }
        if !is_unlimited && unit.is_none() {
            let place = node.entry("unit").map_or(place, |(place, _)| place);
            let message = format!("invalid rate limit unit '{}'", excerpt(text));
            let names = Unit::ALL.map(|unit| unit.name().to_ascii_lowercase());
            let help = match nearest(text, names.iter().map(String::as_str)) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("one of {}", names.join(", ")),
            };
            let issue = self.document.issue_at(place, &trail.key("unit"), message).with_help(help);
            self.findings.issues.push_unless_placed(issue);
        }
        unit
    }

    fn replaces(&mut self, node: &Node, trail: &Trail<'_>, own: &str) -> Box<[Arc<str>]> {
        let Some((place, list)) = node.entry("replaces") else {
            return Box::default();
        };
        let trail = trail.key("replaces");
        let Some(elements) = self.list(place, list, &trail) else {
            return Box::default();
        };
        let mut names = Vec::with_capacity(elements.len());
        for (index, element) in elements.iter().enumerate() {
            if !matches!(element.kind, Kind::Mapping(_)) {
                continue;
            }
            let trail = trail.index(index);
            self.note_misplaced(element, &trail, REPLACES_KEYS);
            let name = self.text(element, &trail, "name");
            if name.is_empty() {
                let message = "should not have an empty replaces entry";
                self.wrong(element.place, &trail, message);
            } else if name == own {
                let message = "replaces should not contain name of same descriptor";
                self.wrong_entry(element, &trail, "name", message);
            }
            names.push(name.into());
        }
        names.into()
    }

    fn metadata(&mut self, node: &Node, trail: &Trail<'_>, path: &Arc<str>) {
        let Some((place, node)) = node.entry("metadata") else {
            return;
        };
        let trail = trail.key("metadata");
        match &node.kind {
            Kind::Mapping(_) => match Value::of(self.document, node, &trail) {
                Ok(value) => self.findings.metadata.push((Arc::clone(path), value)),
                Err(issue) => self.findings.issues.push_unless_placed(issue),
            },
            Kind::Scalar(_) | Kind::Sequence(_) if node.is_null() => {}
            Kind::Scalar(_) | Kind::Sequence(_) => {
                self.unexpected(place, &trail, "a mapping", node);
            }
        }
    }

    /// Notes keys that the reference knows but ignores where they stand.
    fn note_misplaced(&mut self, node: &Node, trail: &Trail<'_>, here: &[&str]) {
        let Kind::Mapping(entries) = &node.kind else {
            return;
        };
        for (key, _) in entries {
            let Some(name) = key.as_text() else { continue };
            if !here.contains(&name) {
                self.findings.notes.push_with(|| {
                    let message = format!("`{}` does nothing here", excerpt(name));
                    let issue = self.document.issue_at(key.place, &trail.key(name), message);
                    issue.with_help(format!("keys known here: {}", here.join(", ")))
                });
            }
        }
    }
}
