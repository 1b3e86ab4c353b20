//! The resources of an xDS server: what one says is what a file with the same content would say.
//!
//! A resource becomes the document that such a file would be and goes through the same rules, so
//! that there is one meaning of a descriptor and one wording of what is wrong with it.

use std::sync::Arc;

use tollgate_core::limit;
use tollgate_core::limit::Rules;
use tollgate_proto::xds::{
    Kind as WireKind, RateLimitConfig, RateLimitDescriptor, RateLimitPolicy, RateLimitUnit, Struct,
    Value,
};

use super::{Loader, Options};
use crate::config::document::{Document, Kind, Node, Place, Scalar};
use crate::config::report::{Issue, Report, shortened};

/// What a domain's resources say.
#[derive(Debug)]
pub(crate) struct Judged {
    /// The domain; empty where a resource names none.
    pub(crate) domain: Arc<str>,
    /// Its rules and how it answers, or everything that is wrong with it.
    pub(crate) result: Result<(Rules, limit::Options), Report>,
}

/// Judges every domain by itself, in the order in which `resources` first name them. Resources of
/// one domain make one tree, in their order, if `options` say so; otherwise the second is an error
/// of its domain, since nobody can tell which of the two is meant.
pub(crate) fn judge(resources: &[RateLimitConfig], options: Options) -> Vec<Judged> {
    let mut by_domain: Vec<(&str, Vec<&RateLimitConfig>)> = Vec::new();
    let mut index_of = std::collections::HashMap::new();
    for resource in resources {
        let at = *index_of.entry(&*resource.domain).or_insert(by_domain.len());
        match by_domain.get_mut(at) {
            Some((_, of_domain)) => of_domain.push(resource),
            None => by_domain.push((&resource.domain, vec![resource])),
        }
    }
    let mut path_bytes = 0;
    let judged = by_domain.into_iter().map(|(domain, of_domain)| {
        // No resource has a key that names one.
        let named = Rules::default();
        let mut loader = Loader::new(options, Some(&named));
        loader.findings.path_bytes = path_bytes;
        for resource in of_domain {
            loader.add(&document(resource));
        }
        path_bytes = loader.findings.path_bytes;
        let result = loader.finish().map_err(|report| report.map(without_place));
        let result = result.map(|loaded| {
            let made = loaded.domains.into_iter().next();
            made.map(|(_, rules, options)| (rules, options)).unwrap_or_default()
        });
        Judged { domain: domain.into(), result }
    });
    judged.collect()
}

/// A resource has no lines: its places only tell issues apart and keep their order. And unlike a
/// file's, its names may have any length.
fn without_place(issue: Issue) -> Issue {
    let (path, message) = (shortened(&issue.path), shortened(&issue.message));
    Issue { line: 0, column: 0, path, message, ..issue }
}

fn document(resource: &RateLimitConfig) -> Document {
    let mut writer = Writer { nodes: 0 };
    let mut root = vec![writer.entry("domain", |w| w.text(&resource.domain))];
    writer.descriptors(&resource.descriptors, &mut root);
    let root = writer.node(Kind::Mapping(root));
    let source = if resource.name.is_empty() { &resource.domain } else { &resource.name };
    Document { source: shortened(source).into(), root, nodes: writer.nodes as usize }
}

/// Writes nodes and gives each a place of its own.
struct Writer {
    nodes: u32,
}

impl Writer {
    fn node(&mut self, kind: Kind) -> Node {
        self.nodes = self.nodes.saturating_add(1);
        Node { kind, place: Place { line: self.nodes, column: 1 } }
    }

    fn scalar(&mut self, text: &str, plain: bool) -> Node {
        self.node(Kind::Scalar(Scalar { text: text.into(), plain, tag: None }))
    }

    /// Text, whatever it looks like.
    fn text(&mut self, text: &str) -> Node {
        self.scalar(text, false)
    }

    /// A number, a truth, or nothing.
    fn plain(&mut self, text: &str) -> Node {
        self.scalar(text, true)
    }

    fn entry(&mut self, name: &str, value: impl FnOnce(&mut Self) -> Node) -> (Node, Node) {
        let key = self.text(name);
        (key, value(self))
    }

    /// An entry where the wire says something; what it leaves out a file leaves out.
    fn given(&mut self, entries: &mut Vec<(Node, Node)>, name: &str, text: &str) {
        if !text.is_empty() {
            entries.push(self.entry(name, |w| w.text(text)));
        }
    }

    fn truth(&mut self, entries: &mut Vec<(Node, Node)>, name: &str, value: bool) {
        if value {
            entries.push(self.entry(name, |w| w.plain("true")));
        }
    }

    fn descriptors(&mut self, from: &[RateLimitDescriptor], entries: &mut Vec<(Node, Node)>) {
        if !from.is_empty() {
            entries.push(self.entry("descriptors", |w| {
                let elements = from.iter().map(|descriptor| w.descriptor(descriptor)).collect();
                w.node(Kind::Sequence(elements))
            }));
        }
    }

    fn descriptor(&mut self, from: &RateLimitDescriptor) -> Node {
        let mut entries = vec![self.entry("key", |w| w.text(&from.key))];
        self.given(&mut entries, "value", &from.value);
        if let Some(policy) = &from.rate_limit {
            entries.push(self.entry("rate_limit", |w| w.policy(policy)));
        }
        self.truth(&mut entries, "shadow_mode", from.shadow_mode);
        self.truth(&mut entries, "detailed_metric", from.detailed_metric);
        self.truth(&mut entries, "quota_mode", from.quota_mode);
        if let Some(metadata) = &from.metadata {
            entries.push(self.entry("metadata", |w| w.map(metadata)));
        }
        self.descriptors(&from.descriptors, &mut entries);
        self.node(Kind::Mapping(entries))
    }

    fn policy(&mut self, from: &RateLimitPolicy) -> Node {
        let unit = RateLimitUnit::name_of(from.unit);
        let number = from.requests_per_unit.to_string();
        let mut entries = vec![
            self.entry("unit", |w| w.text(&unit)),
            self.entry("requests_per_unit", |w| w.plain(&number)),
        ];
        self.truth(&mut entries, "unlimited", from.unlimited);
        self.given(&mut entries, "name", &from.name);
        if !from.replaces.is_empty() {
            entries.push(self.entry("replaces", |w| {
                let names = from.replaces.iter().map(|replaced| {
                    let entry = w.entry("name", |w| w.text(&replaced.name));
                    w.node(Kind::Mapping(vec![entry]))
                });
                let names = names.collect();
                w.node(Kind::Sequence(names))
            }));
        }
        self.node(Kind::Mapping(entries))
    }

    fn map(&mut self, from: &Struct) -> Node {
        let mut fields: Vec<_> = from.fields.iter().collect();
        fields.sort_by_key(|(name, _)| *name);
        let entries = fields.into_iter().map(|(name, value)| self.entry(name, |w| w.value(value)));
        let entries = entries.collect();
        self.node(Kind::Mapping(entries))
    }

    fn value(&mut self, from: &Value) -> Node {
        match &from.kind {
            None | Some(WireKind::NullValue(_)) => self.plain("null"),
            Some(WireKind::NumberValue(number)) => self.plain(&printed(*number)),
            Some(WireKind::StringValue(text)) => self.text(text),
            Some(WireKind::BoolValue(value)) => self.plain(&value.to_string()),
            Some(WireKind::StructValue(fields)) => self.map(fields),
            Some(WireKind::ListValue(list)) => {
                let elements = list.values.iter().map(|value| self.value(value)).collect();
                self.node(Kind::Sequence(elements))
            }
        }
    }
}

/// A number as YAML has it.
fn printed(number: f64) -> String {
    if number.is_nan() {
        ".nan".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { ".inf".to_owned() } else { "-.inf".to_owned() }
    } else {
        number.to_string()
    }
}

#[cfg(test)]
#[path = "resource_tests.rs"]
mod tests;
