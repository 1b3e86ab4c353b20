//! The reference's second look at a file: what its descriptors say, as rules.
//!
//! A descriptor that is wrong still takes its place among its siblings, so that a second one of the
//! same text is told, too; rules are used only if nothing is wrong.

use std::sync::Arc;

use tollgate_core::limit::{Limit, NAMED_DOMAIN, Node as Rule, Rules};
use tollgate_core::metadata::Map;

use super::domains::Domains;
use super::{Findings, Options, keys, metadata};
use crate::config::document::{Document, Kind, Node, Trail};
use crate::config::report::excerpt;

const ROOT_KEYS: &[&str] = &["domain", "descriptors", "atomic", "response_headers"];
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
    "rate_limits",
    "limit",
];

/// Bytes of all paths in a set of files. A path holds those of its parents, so a long key with many
/// descriptors below it would multiply.
const PATH_BYTES_MAX: usize = 64 << 20;

/// Adds a file's rules to those of its domain, and what is wrong with them to the issues. The file
/// may count in the limits of `named`; `None` if they are not known.
pub(super) fn add(
    document: &Document,
    options: Options,
    named: Option<&Rules>,
    domains: &mut Domains,
    findings: &mut Findings,
) {
    let root = &document.root;
    let mut file = File { document, named, findings };
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
    let mut draft = domains.take(&domain).filter(|_| options.merge_domains).unwrap_or_default();
    file.options(root, &mut draft);
    file.descriptors(&mut draft.rules, &domain, None, (root, &Trail::Root));
    domains.put(&domain, draft);
}

/// One file, and where to put what is found in it.
pub(super) struct File<'a> {
    pub(super) document: &'a Document,
    /// The named limits, where they are known.
    pub(super) named: Option<&'a Rules>,
    pub(super) findings: &'a mut Findings,
}

/// The keys of the descriptors from the root down to one; each borrows the one above it.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    above: Option<&'a Way<'a>>,
    key: &'a str,
}

impl Way<'_> {
    /// Whether a descriptor on the way has this key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.key == key || self.above.is_some_and(|above| above.has(key))
    }
}

impl File<'_> {
    fn domain(&mut self, domain: &str, is_duplicate: bool) {
        let trail = Trail::Root.key("domain");
        let place = self.document.locate(&trail);
        if domain.is_empty() {
            self.wrong(place, &trail, "config file cannot have empty domain");
        } else if domain == NAMED_DOMAIN {
            let message = format!("domain '{domain}' is reserved for the limits of tollgate.yaml");
            let issue = self.document.issue_at(place, &trail, message);
            let issue = issue.with_help("give this file another domain");
            self.findings.issues.push_unless_placed(issue);
        } else if is_duplicate {
            self.wrong(place, &trail, format!("duplicate domain '{domain}' in config file"));
        }
    }

    /// The descriptors inside `parent`, whose path is `path`.
    fn descriptors(
        &mut self,
        rules: &mut Rules,
        path: &str,
        way: Option<&Way<'_>>,
        (parent, trail): (&Node, &Trail<'_>),
    ) {
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
                self.descriptor(rules, path, way, (element, &trail.index(index)));
            }
        }
    }

    fn descriptor(
        &mut self,
        rules: &mut Rules,
        parent: &str,
        above: Option<&Way<'_>>,
        (node, trail): (&Node, &Trail<'_>),
    ) {
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
        let metadata = self.metadata(node, trail).map(Arc::new);
        let way = Way { above, key };
        let limits = self.limits(node, trail, &way);
        let several = limits.len() > 1;
        let limits = limits.into_iter().enumerate().map(|(index, limit)| Limit {
            path: if several { format!("{path}[{index}]").into() } else { Arc::clone(&path) },
            shadow: shadow || limit.shadow,
            quota_mode,
            metadata: metadata.clone(),
            ..limit
        });
        rule.limits = limits.collect();
        self.descriptors(&mut rule.rules, &path, Some(&way), (node, trail));
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

    fn metadata(&mut self, node: &Node, trail: &Trail<'_>) -> Option<Map> {
        let (place, node) = node.given("metadata")?;
        let trail = trail.key("metadata");
        let Kind::Mapping(entries) = &node.kind else {
            self.unexpected(place, &trail, "a mapping", node);
            return None;
        };
        let map = metadata::map(self.document, entries, &trail);
        map.map_err(|issue| self.findings.issues.push_unless_placed(issue)).ok()
    }

    /// Notes keys that the reference knows but ignores where they stand. Ours are refused there.
    pub(super) fn note_misplaced(&mut self, node: &Node, trail: &Trail<'_>, here: &[&str]) {
        let Kind::Mapping(entries) = &node.kind else {
            return;
        };
        let names = entries.iter().filter_map(|(key, _)| Some((key.place, key.as_text()?)));
        for (place, name) in names.filter(|(_, name)| !here.contains(name)) {
            let is_own = keys::OWN.contains(&name);
            let list = if is_own { &mut self.findings.issues } else { &mut self.findings.notes };
            list.push_with(|| {
                let does = if is_own { "has no place" } else { "does nothing" };
                let message = format!("`{}` {does} here", excerpt(name));
                let issue = self.document.issue_at(place, &trail.key(name), message);
                issue.with_help(format!("keys known here: {}", here.join(", ")))
            });
        }
    }
}
