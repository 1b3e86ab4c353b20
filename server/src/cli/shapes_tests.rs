//! The shapes that `-o json` prints are API: the fields of each, from the serde twins. A field may be
//! added here; one that is missing or renamed breaks those who read it.

use serde::Serialize;
use serde_json::Value;

use super::check::{self, FileView, IssueView};
use super::environment::{self, VariableView};
use super::version::Version;
use crate::admin::view::{
    AskedView, ClusterView, ConfigView, CounterRow, Counters, EntryView, Explained,
    ExplainedCounter, ExplainedDescriptor, GroupView, LedgerView, LimitRow, Limits, ListenerView,
    MemberView, Reset, Revoked, ServerView, Status, Step, TlsView, TokenCreated, TokenRow, Tokens,
    Whoami,
};

/// The path of every field, `[]` for the items of a list.
fn fields(value: &impl Serialize) -> String {
    fn add(value: &Value, path: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                found.push(path.clone());
                add(value, &path, found);
            }),
            Value::Array(items) => {
                items.iter().for_each(|item| add(item, &format!("{path}[]"), found));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    add(&serde_json::to_value(value).unwrap(), "", &mut found);
    found.join(" ")
}

fn text() -> String {
    "x".to_owned()
}

fn some() -> Option<String> {
    Some(text())
}

fn limit() -> LimitRow {
    LimitRow {
        domain: text(),
        path: text(),
        name: some(),
        algorithm: some(),
        limit: Some(1),
        window_seconds: Some(1.0),
        unit: some(),
        burst: Some(1),
        penalty_max_seconds: Some(1.0),
        shadow: true,
        quota_mode: true,
        unlimited: true,
        named: some(),
    }
}

/// Without the fields of its limit, which have a test of their own.
fn counter() -> CounterRow {
    CounterRow {
        key: text(),
        label: text(),
        domain: some(),
        entries: Some(vec![entry()]),
        limit: None,
        hits: Some(1),
        remaining: Some(1),
        held: 1,
        reset_after_seconds: Some(1.0),
        fill_percent: 1,
    }
}

fn entry() -> EntryView {
    EntryView { key: text(), value: text() }
}

fn issue() -> IssueView {
    let (source, path, message, help) = (text(), text(), text(), some());
    IssueView { source, line: 1, column: 1, path, message, help }
}

#[test]
fn limits_have_their_fields() {
    let expected = "limits limits[].algorithm limits[].burst limits[].domain limits[].limit \
                    limits[].name limits[].named limits[].path limits[].penalty_max_seconds \
                    limits[].quota_mode limits[].shadow limits[].unit limits[].unlimited \
                    limits[].window_seconds";
    assert_eq!(fields(&Limits { limits: vec![limit()] }), expected);
}

#[test]
fn counters_have_their_fields() {
    let own = "domain entries entries[].key entries[].value fill_percent held hits key label limit \
               remaining reset_after_seconds";
    assert_eq!(fields(&counter()), own);
    let under = |path: &str| {
        let own = own.split(' ').map(|field| format!("{path}.{field}"));
        own.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        fields(&Reset { reset: counter(), dry_run: false }),
        format!("reset {}", under("reset"))
    );
    let page = Counters { counters: vec![counter()], next: some() };
    assert_eq!(fields(&page), format!("counters {} next", under("counters[]")));
    let nested = CounterRow { limit: Some(limit()), ..counter() };
    assert!(fields(&nested).contains(" limit limit.algorithm limit.burst "));
}

#[test]
fn tokens_have_their_fields() {
    let row = || TokenRow {
        id: text(),
        name: text(),
        role: some(),
        permissions: vec![text()],
        created_at: text(),
        expires_at: some(),
        is_expired: true,
    };
    let under = |path: &str| {
        let own = ["created_at", "expires_at", "id", "is_expired", "name", "permissions", "role"];
        own.map(|field| format!("{path}.{field}")).join(" ")
    };
    let tokens = Tokens { tokens: vec![row()], end_with_node: true };
    assert_eq!(fields(&tokens), format!("end_with_node tokens {}", under("tokens[]")));
    let created = TokenCreated { made: row(), token: some(), end_with_node: true, dry_run: true };
    assert_eq!(fields(&created), format!("dry_run end_with_node made {} token", under("made")));
    let revoked = Revoked { revoked: row(), dry_run: true };
    assert_eq!(fields(&revoked), format!("dry_run revoked {}", under("revoked")));
    let whoami = Whoami { who: text(), role: some(), permissions: vec![text()] };
    assert_eq!(fields(&whoami), "permissions role who");
}

#[test]
fn an_explanation_has_its_fields() {
    let step = Step { entry: entry(), rule: text(), by: text(), shared: true };
    let counter = ExplainedCounter {
        key: text(),
        limit: None,
        number: 1,
        hits: 1,
        remaining: 1,
        reset_after_seconds: 1.0,
    };
    let descriptor = ExplainedDescriptor {
        entries: vec![entry()],
        hits: 1,
        way: vec![step],
        unmatched: some(),
        outcome: text(),
        code: text(),
        remaining: Some(1),
        reset_after_seconds: Some(1.0),
        quota_mode: true,
        counters: vec![counter],
    };
    let explained = Explained {
        domain: text(),
        domain_known: true,
        atomic: true,
        overall: text(),
        shadowed: true,
        descriptors: vec![descriptor],
    };
    let expected = "atomic descriptors descriptors[].code descriptors[].counters \
                    descriptors[].counters[].hits descriptors[].counters[].key \
                    descriptors[].counters[].limit descriptors[].counters[].number \
                    descriptors[].counters[].remaining \
                    descriptors[].counters[].reset_after_seconds descriptors[].entries \
                    descriptors[].entries[].key descriptors[].entries[].value descriptors[].hits \
                    descriptors[].outcome descriptors[].quota_mode descriptors[].remaining \
                    descriptors[].reset_after_seconds descriptors[].unmatched descriptors[].way \
                    descriptors[].way[].by descriptors[].way[].entry \
                    descriptors[].way[].entry.key descriptors[].way[].entry.value \
                    descriptors[].way[].rule descriptors[].way[].shared domain domain_known \
                    overall shadowed";
    assert_eq!(fields(&explained), expected);
}

#[test]
fn a_status_has_its_fields() {
    let tls = TlsView { not_after: text(), is_expired: true, refused: some() };
    let listener = ListenerView {
        name: text(),
        address: text(),
        connections: 1,
        connections_max: Some(1),
        tls: Some(tls),
    };
    let config = ConfigView {
        source: text(),
        hash: text(),
        loaded_at: some(),
        loads_ok: 1,
        loads_failed: 1,
        failed_at: some(),
        failure: some(),
        domains: 1,
        limits: 1,
        server: Some(ServerView { connected: true, since: some(), failure: some() }),
    };
    let ledger = LedgerView {
        keys: 1,
        keys_max: 1,
        bytes: 1,
        bytes_max: 1,
        expired: 1,
        evicted: 1,
        evicted_over_limit: 1,
        refused: 1,
    };
    let status = Status {
        version: text(),
        pid: 1,
        uptime_seconds: 1.0,
        ready: true,
        draining: true,
        listeners: vec![listener],
        config,
        ledger,
    };
    let expected = "config config.domains config.failed_at config.failure config.hash \
                    config.limits config.loaded_at config.loads_failed config.loads_ok \
                    config.server config.server.connected config.server.failure \
                    config.server.since config.source draining ledger ledger.bytes \
                    ledger.bytes_max ledger.evicted ledger.evicted_over_limit ledger.expired \
                    ledger.keys ledger.keys_max ledger.refused listeners listeners[].address \
                    listeners[].connections listeners[].connections_max listeners[].name \
                    listeners[].tls listeners[].tls.is_expired listeners[].tls.not_after \
                    listeners[].tls.refused pid ready uptime_seconds version";
    assert_eq!(fields(&status), expected);
}

#[test]
fn the_cluster_has_its_fields() {
    let member = MemberView { name: text(), id: some(), address: text(), leads: vec![1] };
    let group = GroupView {
        group: 1,
        leader: some(),
        state: text(),
        term: 1,
        last_index: 1,
        committed_index: 1,
        applied_index: 1,
        snapshot_index: 1,
        log_bytes: 1,
        keys: 1,
        bytes: 1,
        sessions: 1,
        reservations: 1,
    };
    let view = ClusterView {
        node: text(),
        id: text(),
        cluster: some(),
        is_whole: true,
        members: vec![member],
        groups: vec![group],
        asked: AskedView::default(),
    };
    let expected = "asked asked.batches asked.calls asked.denied_from_memory asked.resent \
                    asked.unanswered cluster groups groups[].applied_index groups[].bytes \
                    groups[].committed_index groups[].group groups[].keys groups[].last_index \
                    groups[].leader groups[].log_bytes groups[].reservations groups[].sessions \
                    groups[].snapshot_index groups[].state groups[].term id is_whole members \
                    members[].address members[].id members[].leads members[].name node";
    assert_eq!(fields(&view), expected);
}

#[test]
fn what_a_command_finds_itself_has_its_fields() {
    let file = FileView {
        path: text(),
        ok: true,
        kind: some(),
        domains: Some(1),
        limits: Some(1),
        summary: some(),
        notes: vec![issue()],
        issues: Vec::new(),
        omitted: 1,
    };
    let expected = "files files[].domains files[].issues files[].kind files[].limits \
                    files[].notes files[].notes[].column files[].notes[].help \
                    files[].notes[].line files[].notes[].message files[].notes[].path \
                    files[].notes[].source files[].ok files[].omitted files[].path \
                    files[].summary";
    assert_eq!(fields(&check::Checked { files: vec![file] }), expected);
    let variable = VariableView { name: text(), value: some(), effect: text(), how: text() };
    let environment = environment::Checked { variables: vec![variable], issues: Vec::new() };
    let expected = "issues variables variables[].effect variables[].how variables[].name \
                    variables[].value";
    assert_eq!(fields(&environment), expected);
    let (name, version, architecture, system) = (text(), text(), text(), text());
    let version = Version { name, version, architecture, system };
    assert_eq!(fields(&version), "architecture name system version");
}
