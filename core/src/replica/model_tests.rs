//! A group answers as one shard does that is charged without any log: the ledger of a lone node.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::rig::*;
use super::*;
use crate::bucket::{Bucket, Outcome};
use crate::command::{Answer, Command, Rule};
use crate::descriptor::Charge;
use crate::key::ReservationId;
use crate::reservation::{HOLD_MAX, HOLD_MIN};
use crate::store::{self, Part, Refused, Settled, Shard, Unsettled};
use crate::time::LogTime;

type Hold = (LogTime, ReservationId);

/// One shard, and the reservations in a map.
struct Model {
    shard: Shard,
    open: BTreeMap<ReservationId, Reservation>,
}

impl Model {
    fn new() -> Self {
        let bounds = store::Bounds { keys_max: BOUNDS.keys_max, bytes_max: BOUNDS.bytes_max };
        Self { shard: Shard::new(bounds), open: BTreeMap::new() }
    }

    /// What the command is answered; `None` where the model has no opinion.
    fn answer(&mut self, command: &Command, now: Now) -> Option<Answer> {
        let refused = |refused: Refused| Answer::NotDone(refused.into());
        Some(match command {
            Command::Charge { charges, rule } => {
                let passes = |outcomes: &[Outcome]| match rule {
                    Rule::AllOrNone(combining) => combining.passes(charges, outcomes),
                    Rule::Each | Rule::All => true,
                };
                let charged = store::charge_all_or_none(&mut self.shard, charges, now, passes);
                charged.map_or_else(refused, Answer::Outcomes)
            }
            Command::Hold { id, hold_for, holdings, combining } => {
                self.open.retain(|_, reservation| reservation.end > now.log);
                if self.open.contains_key(id) {
                    return Some(Answer::NotDone(NotDone::Malformed));
                }
                let counted = self.open.values().map(Reservation::counts_as).sum::<usize>();
                let parts_max = BOUNDS.reservations_max * crate::reservation::PARTS_MEAN_MAX;
                if self.open.len() >= BOUNDS.reservations_max
                    || counted + holdings.len() > parts_max
                {
                    return Some(Answer::NotDone(NotDone::ReservationsFull));
                }
                let hold = (now.log.plus((*hold_for).clamp(HOLD_MIN, HOLD_MAX)), *id);
                let passes = |outcomes: &[Outcome]| combining.passes(holdings, outcomes);
                let held =
                    store::hold_all_or_none(&mut self.shard, holdings, hold, now, passes).unwrap();
                let is_held = passes(&held);
                if is_held {
                    let of = combining.clone();
                    let made = Reservation::of_holdings(hold, holdings, &held, of);
                    self.open.insert(*id, made);
                }
                Answer::Held { id: *id, outcomes: held, is_held }
            }
            Command::Settle { id, hits, .. } => {
                let Some((parts, hold)) = self.standing(*id, now) else {
                    return Some(Answer::NotDone(NotDone::UnknownReservation));
                };
                let settled = store::settle(&mut self.shard, &parts, hold, *hits, now);
                self.closed(*id, settled)
            }
            Command::Release { id } => {
                let Some((parts, hold)) = self.standing(*id, now) else {
                    return Some(Answer::NotDone(NotDone::UnknownReservation));
                };
                let released = store::release(&mut self.shard, &parts, hold, now);
                self.closed(*id, released)
            }
            Command::Forget { keys } => {
                let forgotten = keys.iter().map(|key| {
                    let slot = self.shard.slot(*key)?;
                    let was = (slot.bucket.clone(), slot.text.into());
                    self.shard.reset(*key).then_some(was)
                });
                Answer::Forgotten(forgotten.collect())
            }
            _ => return None,
        })
    }

    fn standing(&self, id: ReservationId, now: Now) -> Option<(Vec<Part>, Hold)> {
        let found = self.open.get(&id).filter(|found| found.end > now.log)?;
        Some((found.parts.clone(), found.hold()))
    }

    fn closed(&mut self, id: ReservationId, settled: Result<Settled, Unsettled>) -> Answer {
        match (settled, self.open.remove(&id)) {
            (Ok(settled), Some(reservation)) => {
                Answer::Settled { settled, reservation: Box::new(reservation) }
            }
            _ => Answer::NotDone(NotDone::UnknownReservation),
        }
    }
}

/// Commands that a lone node executes, too, without changed numbers.
fn local() -> impl Strategy<Value = Command> {
    command().prop_filter_map("a lone node executes it", |command| match command {
        Command::Settle { id, hits, .. } => Some(Command::Settle { id, hits, quotas: Vec::new() }),
        Command::Charge { .. } | Command::Hold { .. } | Command::Release { .. } => Some(command),
        Command::Forget { .. } => Some(command),
        _ => None,
    })
}

/// Of buckets that were forgotten, what they told. Those that count nothing are left out: when they
/// go, and with them what they know of old penalties, depends on which shard they are in.
fn told(answer: Answer, now: Now) -> Answer {
    let Answer::Forgotten(all) = answer else { return answer };
    let peek = |(mut bucket, text): (Bucket, Box<str>)| {
        let limit = (0..LIMITS).find(|limit| charging(*limit, Charge::Hits(0)).text == text);
        bucket.charge(&quota(limit.unwrap()), Charge::Hits(0), now)
    };
    let peeks = all.into_iter().flatten().map(peek);
    Answer::Outcomes(peeks.filter(|peek| peek.over || peek.before > 0).collect())
}

proptest! {
    #[test]
    fn a_group_answers_as_one_shard_does(steps in vec((pause(), local()), 1..60)) {
        let (mut replica, mut model) = (bounded(), Model::new());
        let mut now = 0;
        let charges = (0..LIMITS).map(|limit| charging(limit, Charge::Hits(0))).collect();
        let peek = Command::Charge { charges, rule: Rule::Each };
        for (pause, command) in steps {
            now += pause;
            for command in [command, peek.clone()] {
                let answers = replica.apply(&batch(now, vec![call(command.clone())]));
                let answer = told(answers[0].answer.clone(), at(now));
                let expected = told(model.answer(&command, at(now)).unwrap(), at(now));
                prop_assert_eq!(answer, expected, "{:?}", command);
            }
        }
    }
}
