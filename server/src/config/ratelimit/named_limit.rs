//! `limit: NAME` on a descriptor: it counts in a named limit of `tollgate.yaml`.

use std::sync::Arc;

use tollgate_core::limit::{Limit, Rules};

use super::rules::{File, Way};
use crate::config::document::{Node, Trail};
use crate::config::named;
use crate::config::report::excerpt;
use crate::config::suggest::nearest;

/// Names that a mistyped one is compared with, so that many mistakes among many names are told in
/// bounded time.
const COMPARED_MAX: usize = 1_000;

impl File<'_> {
    /// The descriptor's own limit that counts in a named one, but for what the descriptor itself
    /// says about it.
    pub(super) fn named_limit(
        &mut self,
        descriptor: &Node,
        trail: &Trail<'_>,
        way: &Way<'_>,
    ) -> Option<Limit> {
        let (place, _) = descriptor.given("limit")?;
        let name = self.text(descriptor, trail, "limit");
        let trail = trail.key("limit");
        let Some(rules) = self.named else {
            self.findings.notes.push_with(|| {
                let message = "named limits are known only when checked through tollgate.yaml";
                self.document.issue_at(place, &trail, message)
            });
            return None;
        };
        let Some((limit, named)) = named::find(rules, name) else {
            let message = format!("unknown limit '{}'", excerpt(name));
            let issue = self.document.issue_at(place, &trail, message);
            self.findings.issues.push_unless_placed(issue.with_help(what_is_known(name, rules)));
            return None;
        };
        let lacking = named.by.iter().filter(|key| !way.has(key));
        let lacking: Vec<_> = lacking.map(|key| format!("`{}`", excerpt(key))).collect();
        if !lacking.is_empty() {
            let message = format!(
                "limit '{name}' counts by {}, which no descriptor from the root to here has as \
                 its key",
                lacking.join(" and ")
            );
            self.wrong(place, &trail, message);
        }
        Some(Limit {
            name: limit.name.clone(),
            shadow: limit.shadow,
            on_unavailable: limit.on_unavailable,
            named: Some(named),
            ..Limit::new(limit.bound, Arc::from(""))
        })
    }
}

fn what_is_known(name: &str, rules: &Rules) -> String {
    const LISTED_MAX: usize = 10;
    let names = named::names(rules);
    match nearest(name, names.take(COMPARED_MAX)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if rules.nodes().is_empty() => "tollgate.yaml has no `limits`".to_owned(),
        None => {
            let listed: Vec<_> = named::names(rules).take(LISTED_MAX).collect();
            let more = if rules.nodes().len() > LISTED_MAX { ", …" } else { "" };
            format!("limits of tollgate.yaml: {}{more}", listed.join(", "))
        }
    }
}
