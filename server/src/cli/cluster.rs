//! `tollgate cluster`: the nodes that count as one, as one of them sees it.

use clap::{Args, Subcommand};

use super::exit::Exit;
use super::failure::Ended;
use super::output::{Style, Table, Tone, cell, clean};
use super::reach::{Reach, Watch};
use crate::admin::view::{ClusterView, GroupView, MemberView};

const TARGET: &str = "/v1/cluster";

const AFTER_HELP: &str = "\
Examples:
  tollgate cluster status                   who is a member, who leads what, and how far each is";

const STATUS_HELP: &str = "\
Examples:
  tollgate cluster status
  tollgate cluster status --watch=1s                  again and again
  tollgate cluster status --exit-code -o name         for a script: 10 while a group has no leader
  tollgate cluster status -o json | jq '.groups[] | {group, leader, term}'
  tollgate cluster status --socket /run/tollgate.sock  a node with a socket of its own";

/// Arguments of `tollgate cluster`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct ClusterArgs {
    #[command(subcommand)]
    command: ClusterCommand,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Subcommand)]
enum ClusterCommand {
    /// Show members and groups as the node sees them
    #[command(after_help = STATUS_HELP)]
    Status {
        /// End with 10 if some group has no leader that the node knows of
        #[arg(long, conflicts_with = "watch")]
        exit_code: bool,
        #[command(flatten)]
        watch: Watch,
    },
}

impl ClusterArgs {
    /// Does what the command line says.
    pub(super) fn run(&self) -> Ended {
        let ClusterCommand::Status { exit_code, watch } = &self.command;
        let view = self.reach.show(*watch, TARGET, names, text)?;
        Ok(if *exit_code && !view.is_whole { Exit::Unhealthy } else { Exit::Done })
    }
}

fn names(view: &ClusterView) -> Vec<String> {
    view.members.iter().map(|member| member.name.clone()).collect()
}

fn text(view: &ClusterView, style: &Style) -> String {
    let ClusterView { node, id, cluster, is_whole, members, groups, asked } = view;
    let state = match (cluster, is_whole) {
        (None, _) => style.tone(Tone::Bad, "not born yet: it waits for its members"),
        (Some(_), false) => style.tone(Tone::Bad, "NOT WHOLE: some group has no leader"),
        (Some(_), true) => style.tone(Tone::Good, "whole"),
    };
    let mut text = format!(
        "cluster {} is {state}; this is {} ({})\n",
        clean(cluster.as_deref().unwrap_or("-")),
        clean(node),
        clean(id)
    );
    text.push_str(&members_table(members, style));
    if !groups.is_empty() {
        text.push_str(&groups_table(groups, style));
    }
    text.push_str(&format!(
        "asked   {} calls in {} entries, {} sent again; {} denied from memory; {} unanswered\n",
        asked.calls, asked.batches, asked.resent, asked.denied_from_memory, asked.unanswered
    ));
    text
}

fn members_table(members: &[MemberView], style: &Style) -> String {
    let mut table = Table::new(&["=MEMBER", "ADDRESS", "LEADS", "ID"]);
    for MemberView { name, id, address, leads } in members {
        let leads: Vec<_> = leads.iter().map(u32::to_string).collect();
        let leads = (!leads.is_empty()).then(|| leads.join(", "));
        table.row([name.clone(), address.clone(), cell(leads), cell(id.clone())]);
    }
    table.text(style, "no members")
}

fn groups_table(groups: &[GroupView], style: &Style) -> String {
    let mut table = Table::new(&[
        "=GROUP",
        "LEADER",
        "STATE",
        ">TERM",
        ">COMMITTED",
        ">BEHIND",
        ">KEYS",
        "+>LAST",
        "+>APPLIED",
        "+>SNAPSHOT",
        "+>LOG BYTES",
        "+>BYTES",
        "+>SESSIONS",
        "+>RESERVATIONS",
    ]);
    for group in groups {
        let behind = group.committed_index.saturating_sub(group.applied_index);
        table.row([
            if group.group == 0 { "meta".to_owned() } else { group.group.to_string() },
            cell(group.leader.clone()),
            group.state.clone(),
            group.term.to_string(),
            group.committed_index.to_string(),
            behind.to_string(),
            group.keys.to_string(),
            group.last_index.to_string(),
            group.applied_index.to_string(),
            group.snapshot_index.to_string(),
            group.log_bytes.to_string(),
            group.bytes.to_string(),
            group.sessions.to_string(),
            group.reservations.to_string(),
        ]);
    }
    table.text(style, "no groups")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::view::AskedView;

    fn view(leader: Option<&str>) -> ClusterView {
        let group = |group| GroupView {
            group,
            leader: leader.map(str::to_owned),
            state: "follower".to_owned(),
            term: 4,
            last_index: 12,
            committed_index: 11,
            applied_index: 9,
            snapshot_index: 0,
            log_bytes: 100,
            keys: 7,
            bytes: 900,
            sessions: 3,
            reservations: 0,
        };
        let member = |name: &str, leads| MemberView {
            name: name.to_owned(),
            id: Some("00000000000000aa".to_owned()),
            address: format!("{name}:7600"),
            leads,
        };
        ClusterView {
            node: "a".to_owned(),
            id: "00000000000000aa".to_owned(),
            cluster: Some("c0ffee".to_owned()),
            is_whole: leader.is_some(),
            members: vec![member("a", vec![]), member("b", vec![0, 1])],
            groups: vec![group(0), group(1)],
            asked: AskedView::default(),
        }
    }

    #[test]
    fn who_leads_and_how_far_this_node_is_stands_in_the_tables() {
        let text = text(&view(Some("b")), &Style::default());
        for part in ["cluster c0ffee is whole; this is a", "b       b:7600   0, 1", "meta"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let row = text.lines().find(|line| line.starts_with("1 ")).unwrap();
        let cells: Vec<_> = row.split_whitespace().collect();
        assert_eq!(cells, ["1", "b", "follower", "4", "11", "2", "7"]);
    }

    #[test]
    fn a_group_without_a_leader_is_said_first() {
        let text = text(&view(None), &Style::default());
        assert!(text.starts_with("cluster c0ffee is NOT WHOLE"), "{text}");
    }
}
