//! `tollgate explain`: what a running node would tell a request, and why.

use clap::Args;
use serde_json::{Value, json};

use super::exit::Exit;
use super::failure::Ended;
use super::output::{Style, Tone, clean, span};
use super::reach::Reach;
use crate::admin::view::{EntryView, Explained, ExplainedDescriptor};

/// The answer to a request that is denied.
const OVER: &str = "OVER_LIMIT";

const AFTER_HELP: &str = "\
It spends nothing. Without --exit-code it ends with 0 whether the request would pass or not.

Examples:
  tollgate explain --domain edge --entry user=alice --entry path=/login
        one descriptor with two entries
  tollgate explain --domain edge --descriptor user=alice,path=/login --descriptor ip=10.0.0.1
        two descriptors, as a proxy sends them in one request
  tollgate explain --domain edge --entry user=alice --hits 50 --exit-code
        would fifty hits at once pass? 0 is yes, 6 is no
  tollgate explain --domain edge --entry user=alice -o name
        the keys of its counters";

/// Arguments of `tollgate explain`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct ExplainArgs {
    /// The domain to ask in
    #[arg(long)]
    domain: String,
    /// An entry of the first descriptor; repeat it in the order of the rules
    #[arg(long = "entry", value_name = "KEY=VALUE", value_parser = entry, required_unless_present = "descriptors")]
    entries: Vec<EntryView>,
    /// A whole descriptor; repeat it for several. A value with a comma needs --entry
    #[arg(long = "descriptor", value_name = "KEY=VALUE,…", value_parser = descriptor)]
    descriptors: Vec<Descriptor>,
    /// Hits of each descriptor; 0 looks only
    #[arg(long, value_name = "N", default_value_t = 1)]
    hits: u32,
    /// End with 6 if the request would be denied
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Clone, Debug)]
struct Descriptor(Vec<EntryView>);

impl ExplainArgs {
    /// Does what the command line says.
    pub(super) fn run(&self) -> Ended {
        let first = Some(&self.entries).filter(|entries| !entries.is_empty());
        let others = self.descriptors.iter().map(|Descriptor(entries)| entries);
        let descriptors: Vec<Value> = first
            .into_iter()
            .chain(others)
            .map(|entries| json!({ "entries": entries, "hitsAddend": self.hits }))
            .collect();
        let request = json!({ "domain": self.domain, "descriptors": descriptors });
        let body = self.reach.post("/v1/explain", &request.to_string())?;
        self.reach.print(&body, names, text)?;
        let is_denied = self.exit_code && body.read::<Explained>()?.overall == OVER;
        Ok(if is_denied { Exit::Denied } else { Exit::Done })
    }
}

fn entry(text: &str) -> Result<EntryView, String> {
    let (key, value) = text.split_once('=').ok_or("an entry is KEY=VALUE")?;
    Ok(EntryView { key: key.to_owned(), value: value.to_owned() })
}

fn descriptor(text: &str) -> Result<Descriptor, String> {
    Ok(Descriptor(text.split(',').map(entry).collect::<Result<_, _>>()?))
}

fn names(explained: &Explained) -> Vec<String> {
    let counters = explained.descriptors.iter().flat_map(|descriptor| &descriptor.counters);
    counters.map(|counter| counter.key.clone()).collect()
}

fn code(code: &str, style: &Style) -> String {
    style.tone(if code == OVER { Tone::Bad } else { Tone::Good }, clean(code))
}

fn text(explained: &Explained, style: &Style) -> String {
    let how = match (explained.domain_known, explained.atomic) {
        (false, _) => "not configured: every request passes",
        (true, true) => "charges all limits of a request or none",
        (true, false) => "each limit counts by itself",
    };
    let shadowed = if explained.shadowed { " (over, but this node enforces nothing)" } else { "" };
    let mut text = format!(
        "answer  {}{shadowed}\ndomain  {}: {how}\n",
        code(&explained.overall, style),
        clean(&explained.domain)
    );
    for (index, descriptor) in explained.descriptors.iter().enumerate() {
        let entries = descriptor.entries.iter().map(pair).collect::<Vec<_>>().join(", ");
        let heading = style.tone(Tone::Heading, format!("descriptor {}", index + 1));
        let code = code(&descriptor.code, style);
        text.push_str(&format!("\n{heading}  {entries}  {code}\n"));
        lines(descriptor, &mut |name, value| {
            text.push_str(&format!("  {name:<8}{}\n", clean(&value)));
        });
    }
    text
}

fn lines(descriptor: &ExplainedDescriptor, line: &mut dyn FnMut(&str, String)) {
    for step in &descriptor.way {
        let how = match (step.by.as_str(), step.shared) {
            ("value", _) => "this value",
            ("pattern", true) => "fits the pattern, and all that do share one counter",
            ("pattern", false) => "fits the pattern",
            _ => "any value",
        };
        line("rule", format!("{} <- {} ({how})", step.rule, pair(&step.entry)));
    }
    match (&descriptor.unmatched, descriptor.outcome.as_str()) {
        (Some(why), _) => line("limit", format!("none: {why}; it passes uncounted")),
        (None, "unlimited") => line("limit", "unlimited: it passes uncounted".to_owned()),
        (None, "replaced") => line("limit", "replaced by another limit of this request".to_owned()),
        (None, _) => {}
    }
    for counter in &descriptor.counters {
        let path = counter.limit.as_ref().map_or("the caller's own", |limit| limit.path.as_str());
        let shadow = counter.limit.as_ref().is_some_and(|limit| limit.shadow);
        let shadow = if shadow { ", shadow: never denies" } else { "" };
        line("limit", format!("{path}, number {}{shadow}", counter.number));
        line("counter", counter.key.clone());
        line(
            "now",
            format!(
                "{} hits, {} left, reset in {}",
                counter.hits,
                counter.remaining,
                span(counter.reset_after_seconds)
            ),
        );
    }
    if let (Some(remaining), Some(reset)) = (descriptor.remaining, descriptor.reset_after_seconds) {
        let reset = span(reset);
        let quota = if descriptor.quota_mode { "; denies only with all other quotas" } else { "" };
        line("then", format!("{} with {remaining} left, reset in {reset}{quota}", descriptor.code));
    }
}

fn pair(entry: &EntryView) -> String {
    clean(&format!("{}={}", entry.key, entry.value))
}
