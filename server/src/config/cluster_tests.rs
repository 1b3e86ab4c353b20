//! The section `cluster`: members, their secret, and which of them a node is.

use std::fs;

use super::cluster::NotAMember;
use super::*;

const MEMBERS: &str = "members: {a: {address: '10.0.0.1:7600'}, b: {address: 'node-b.internal:7600'}, \
                       c: {address: '[::1]:7602', listeners: {decide: '127.0.0.1:9081'}}}";

fn read(text: &str) -> Result<Config, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("secret"), "0123456789abcdef\n").unwrap();
    fs::write(folder.path().join("short"), "0123456789abcde\n").unwrap();
    let config = Config::parse("t.yaml", text, folder.path());
    let line = |issue: &Issue| format!("{}: {}", issue.path, issue.message);
    config.map_err(|report| report.issues().iter().map(line).collect())
}

fn wrong(cluster: &str) -> Vec<String> {
    read(&format!("cluster: {{{cluster}}}")).unwrap_err()
}

#[test]
fn a_file_without_members_is_no_cluster() {
    assert_eq!(read("").unwrap().cluster, None);
    assert_eq!(read("cluster: {groups: 6}").unwrap().cluster, None);
    assert_eq!(
        wrong("node: a, listen: '[::]:7600'"),
        [
            "cluster.node: goes with `members`, of which there are none",
            "cluster.listen: goes with `members`, of which there are none"
        ]
    );
}

#[test]
fn members_find_each_other_and_a_node_is_one_of_them() {
    let text = format!("cluster: {{{MEMBERS}, secret: '${{file:secret}}', node: b}}");
    let config = read(&text).unwrap();
    let cluster = config.cluster.as_ref().unwrap();
    assert_eq!(cluster.secret.as_bytes(), b"0123456789abcdef");
    assert_eq!((cluster.groups, cluster.listen), (3, None));
    assert_eq!(cluster.heartbeat, Duration::from_millis(30));
    assert_eq!(cluster.own(None).unwrap().1.address, "node-b.internal:7600");
    let (name, member) = cluster.own(Some("c")).unwrap();
    assert_eq!((name, member.port()), ("c", 7602));
    let listeners = member.listeners(&config.listeners);
    assert_eq!(listeners.decide.to_string(), "127.0.0.1:9081");
    assert_eq!(listeners.http, config.listeners.http);
    let unknown = NotAMember::Unknown { name: "d".to_owned(), members: "a, b, c".to_owned() };
    assert_eq!(cluster.own(Some("d")), Err(unknown));
}

#[test]
fn a_node_that_nothing_names_is_told_who_it_may_be() {
    let config = read(&format!("cluster: {{{MEMBERS}, secret: '${{file:secret}}'}}")).unwrap();
    let error = config.cluster.unwrap().own(None).unwrap_err();
    let expected = "which member of the cluster is this node? One of: a, b, c";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_secret_comes_from_a_file_or_the_environment_and_is_never_shown() {
    for (secret, message) in [
        ("", "members need a secret"),
        ("0123456789abcdef", "expected `${file:PATH}` or `${env:NAME}`"),
        ("${file:short}", "expected 16 to 1024 bytes, found 15"),
        ("${env:TOLLGATE_NO_SUCH_VARIABLE}", "the variable TOLLGATE_NO_SUCH_VARIABLE is not set"),
    ] {
        let found = wrong(&format!("{MEMBERS}, secret: '{secret}'"));
        assert_eq!(found, [format!("cluster.secret: {message}")]);
    }
    let found = wrong(&format!("{MEMBERS}, secret: '${{file:nothing}}'"));
    assert!(found[0].starts_with("cluster.secret: ") && found[0].contains("cannot be read"));
    let config = read(&format!("cluster: {{{MEMBERS}, secret: '${{file:secret}}'}}")).unwrap();
    assert!(!format!("{config:?}").contains("0123456789abcdef"));
}

#[test]
fn what_is_wrong_with_members_is_told_with_their_names() {
    let two = "members: {a: {address: '10.0.0.1:7600'}, b: {address: '10.0.0.2:7600'}}";
    assert_eq!(
        wrong(&format!("{two}, secret: '${{file:secret}}'")),
        ["cluster.members: expected 3 or 5 members, found 2"]
    );
    let three = "members: {A: {address: '10.0.0.1:7600'}, b: {address: '10.0.0.1:7600'}, \
                 c: {address: '10.0.0.3', listeners: {http: here}}}";
    assert_eq!(
        wrong(&format!("{three}, secret: '${{file:secret}}', node: d")),
        [
            "cluster.members.A: a member's name is 1 to 64 of `a`-`z`, `0`-`9`, `.`, `_` and `-`",
            "cluster.members.b.address: another member has this address",
            "cluster.members.c.address: expected a name or an IP address, and a port, found \
             \"10.0.0.3\"",
            "cluster.members.c.listeners.http: expected an IP address and a port, found \"here\"",
            "cluster.node: `d` is none of `members`",
        ]
    );
}

#[test]
fn timers_leave_room_for_lost_heartbeats() {
    let rest = format!("{MEMBERS}, secret: '${{file:secret}}'");
    for (timers, message) in [
        ("heartbeat: 1ms", "heartbeat: expected 10ms to 5s, found 1ms"),
        ("election: 2m", "election: expected 50ms to 1m, found 2m"),
        ("heartbeat: 50ms", "election: expected at least 3 heartbeats, 150ms, found 100ms"),
    ] {
        assert_eq!(wrong(&format!("{rest}, {timers}")), [format!("cluster.{message}")]);
    }
    assert!(read(&format!("cluster: {{{rest}, heartbeat: 50ms, election: 150ms}}")).is_ok());
}
