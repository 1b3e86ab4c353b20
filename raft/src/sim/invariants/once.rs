//! What came again with an idempotency key was executed once while it was remembered.

use std::collections::BTreeMap;
use std::time::Duration;

use tollgate_core::command::{Answer, Command};

use super::super::history::Broken;
use super::broke;
use super::replayed::Replayed;

/// How long an answer is remembered by an idempotency key.
const REMEMBERED: Duration = Duration::from_secs(10);

pub(super) fn check(replayed: &Replayed, broken: &mut Vec<Broken>) {
    let mut known = BTreeMap::new();
    for entry in replayed.entries.values() {
        for (call, answered) in entry.batch.calls.iter().zip(entry.answers.iter()) {
            let Some(once) = &call.once else { continue };
            let is_executed = matches!(call.command, Command::Charge { .. } | Command::Hold { .. })
                && !matches!(answered.answer, Answer::NotDone(_));
            if !is_executed {
                continue;
            }
            let key = (entry.group, &*once.key);
            let Some(first) = known.insert(key, answered) else { continue };
            let is_remembered = answered.at.log.since(first.at.log) < REMEMBERED;
            if is_remembered && first != answered {
                let how = format!(
                    "{} is executed anew at {} of group {}",
                    once.key, entry.index, entry.group
                );
                broke(broken, "once", how);
            }
        }
    }
}
