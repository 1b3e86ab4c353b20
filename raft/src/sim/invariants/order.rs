//! What was answered before something else was asked stands before it, and time never goes back.

use std::collections::BTreeMap;
use std::time::Duration;

use tollgate_core::command::Command;

use super::super::history::{Broken, History};
use super::answers::executed;
use super::broke;
use super::replayed::Replayed;
use crate::group::GroupId;

pub(super) fn check(history: &History, replayed: &Replayed, broken: &mut Vec<Broken>) {
    let executed = executed(replayed, &mut Vec::new());
    let slots = super::super::world::GROUPS;
    // By group: when a call was asked and answered, and where it was executed.
    let mut spans: BTreeMap<GroupId, Vec<(Duration, Duration, u64)>> = BTreeMap::new();
    for op in &history.ops {
        let (Some((answered, Ok(_))), Command::Charge { charges, .. }, None) =
            (&op.told, &op.call.command, &op.call.once)
        else {
            continue;
        };
        for charge in charges {
            let Some(found) = executed.get(&*charge.text) else { continue };
            let group = 1 + u32::from(charge.slot.0) % slots;
            spans.entry(group).or_default().push((op.invoked, *answered, found.index));
        }
    }
    for (group, mut of_group) in spans {
        of_group.sort_unstable();
        let mut by_answer = of_group.clone();
        by_answer.sort_unstable_by_key(|(_, answered, _)| *answered);
        let mut answered_before = by_answer.into_iter().peekable();
        let mut latest = 0;
        for (invoked, _, index) in of_group {
            while let Some((_, _, before)) =
                answered_before.next_if(|(_, answered, _)| *answered < invoked)
            {
                latest = latest.max(before);
            }
            if index < latest {
                let how = format!(
                    "group {group}: entry {index} was asked for after {latest} was answered"
                );
                broke(broken, "order", how);
            }
        }
    }
    check_time(replayed, broken);
}

fn check_time(replayed: &Replayed, broken: &mut Vec<Broken>) {
    let mut before = BTreeMap::new();
    for entry in replayed.entries.values() {
        let Some(last) = before.insert(entry.group, entry.batch.at) else { continue };
        if entry.batch.at.log < last.log || entry.batch.at.epoch < last.epoch {
            let how = format!("time goes back at {} of group {}", entry.index, entry.group);
            broke(broken, "order", how);
        }
    }
}
