//! What callers were told is what the log says: no answer is made up, none that was given is lost,
//! and what was given twice was counted once.

use std::collections::BTreeMap;

use tollgate_core::bucket::Outcome;
use tollgate_core::command::{Answer, Command, Rule};
use tollgate_core::replica;

use super::super::history::{Broken, History, Op};
use super::broke;
use super::replayed::{Entry, Replayed};
use crate::gateway::Answered;

const WHAT: &str = "answers";

/// Where a charge was executed, and what it was told there.
#[derive(Clone, Copy)]
pub(super) struct Executed {
    pub(super) outcome: Outcome,
    pub(super) index: u64,
}

pub(super) fn check(history: &History, replayed: &Replayed, broken: &mut Vec<Broken>) {
    let executed = executed(replayed, broken);
    for (number, op) in history.ops.iter().enumerate() {
        let Some((_, Ok(told))) = &op.told else { continue };
        let checked = match &op.call.command {
            Command::Charge { .. } => check_charges(op, told, &executed),
            _ => check_other(op, told, replayed),
        };
        if let Err(how) = checked {
            broke(broken, WHAT, format!("call {number}: {how}"));
        }
    }
}

/// The first execution of every charge, by its text. A second one is a defect.
pub(super) fn executed<'a>(
    replayed: &'a Replayed,
    broken: &mut Vec<Broken>,
) -> BTreeMap<&'a str, Executed> {
    let mut all = BTreeMap::new();
    for entry in replayed.entries.values().filter(|entry| entry.is_first) {
        for (call, answered) in entry.batch.calls.iter().zip(entry.answers.iter()) {
            let (Command::Charge { charges, .. }, Answer::Outcomes(outcomes)) =
                (&call.command, &answered.answer)
            else {
                continue;
            };
            for (charge, outcome) in charges.iter().zip(outcomes) {
                let executed = Executed { outcome: *outcome, index: entry.index };
                let first = *all.entry(&*charge.text).or_insert(executed);
                // By its idempotency key it came again, and was told the same.
                let is_told_again = call.once.is_some() && first.outcome == *outcome;
                if first.index != entry.index && !is_told_again {
                    let how = format!(
                        "charge {} counts at {} and at {} of group {}",
                        charge.text, first.index, entry.index, entry.group
                    );
                    broke(broken, "once", how);
                }
            }
        }
    }
    all
}

/// Charges may be refused from memory, and nothing else.
fn check_charges(
    op: &Op,
    told: &Answered,
    executed: &BTreeMap<&str, Executed>,
) -> Result<(), String> {
    let (Command::Charge { charges, rule }, Answer::Outcomes(outcomes)) =
        (&op.call.command, &told.answer)
    else {
        return Err(format!("is told {:?}", told.answer));
    };
    if outcomes.len() != charges.len() {
        return Err(format!("has {} outcomes for {} charges", outcomes.len(), charges.len()));
    }
    let is_admitted = match rule {
        Rule::AllOrNone(combining) => combining.passes(charges, outcomes),
        Rule::Each | Rule::All => true,
    };
    for (charge, outcome) in charges.iter().zip(outcomes) {
        let Some(found) = executed.get(&*charge.text) else {
            if outcome.over || !is_admitted {
                continue;
            }
            return Err(format!("charge {} was let in and is not in the log", charge.text));
        };
        let is_same = if is_admitted {
            *outcome == found.outcome
        } else {
            // Told without what was taken back.
            outcome.over == found.outcome.over
        };
        if !is_same {
            let (index, found) = (found.index, found.outcome);
            return Err(format!("{} is told {outcome:?}, at {index} it is {found:?}", charge.text));
        }
    }
    Ok(())
}

/// Others are in the log where they were said to be. Those of several groups are put together, which
/// the tests of the gateway look at.
fn check_other(op: &Op, told: &Answered, replayed: &Replayed) -> Result<(), String> {
    let at_index: Vec<_> =
        replayed.entries.values().filter(|entry| entry.index == told.index).collect();
    if at_index.is_empty() {
        return Err(format!("is told by entry {}, which is not in any log", told.index));
    }
    let is_same = |entry: &&Entry| {
        let mut all = entry.batch.calls.iter().zip(entry.answers.iter());
        all.any(|(call, answered)| is_answer(op, call, told, answered))
    };
    if at_index.iter().any(is_same) {
        return Ok(());
    }
    Err(format!("is told {:?}, which is not what entry {} says", told.answer, told.index))
}

fn is_answer(
    op: &Op,
    call: &tollgate_core::command::Call,
    told: &Answered,
    found: &replica::Answered,
) -> bool {
    match (&op.call.command, &call.command) {
        (Command::Hold { holdings, .. }, Command::Hold { holdings: part, id, .. }) => {
            let Answer::Held { id: told_id, outcomes, is_held } = &told.answer else {
                return false;
            };
            let Answer::Held { outcomes: of_part, is_held: part_held, .. } = &found.answer else {
                return false;
            };
            let is_part = part.iter().all(|part| {
                holdings.iter().any(|holding| holding.charging.text == part.charging.text)
            });
            let is_whole = part.len() == holdings.len();
            is_part
                && told_id == id
                && (!is_whole || outcomes == of_part)
                && (!is_held || *part_held)
        }
        (Command::Settle { id, .. }, Command::Settle { id: of_part, .. })
        | (Command::Release { id }, Command::Release { id: of_part }) => {
            let is_whole = id.groups().count_ones() == 1;
            let is_same = match (&told.answer, &found.answer) {
                (Answer::Settled { settled, .. }, Answer::Settled { settled: part, .. }) => {
                    settled.charged <= part.charged && (!is_whole || settled == part)
                }
                _ => false,
            };
            id == of_part && is_same
        }
        (Command::Describe { id }, Command::Describe { id: of_part }) => id == of_part,
        // A key is in one group, and each is asked.
        (Command::Forget { keys }, Command::Forget { keys: of_part }) => keys == of_part,
        _ => false,
    }
}
