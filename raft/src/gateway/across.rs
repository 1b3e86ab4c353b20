//! Requests whose charges are in several groups, and calls that go to each of them.
//!
//! All groups are asked at once. Of an atomic request each group charges its part or nothing; if the
//! parts together do not pass, those that were charged are given back in the background, at most as
//! much as leaves no limit wider open than if they had never been made. So the sum is never over a
//! limit, and for a moment a part may be missing that nobody used.

use futures_util::future::join_all;
use tollgate_core::bucket::Outcome;
use tollgate_core::command::{Answer, Call, Charging, Command, KeySlot, NotDone, Once, Rule};
use tollgate_core::idempotency::KEY_BYTES_MAX;
use tollgate_core::key::Key;

use super::asking::{Got, When};
use super::groups::GroupId;
use super::split::{Part, group_of, in_order, part_of, spent, split, without};
use super::{Answered, Gateway, Unavailable};

/// What tells the idempotency key of a call's undoing from the call's own.
const UNDONE: &str = "~undone";

/// A part of a call, and its answer.
pub(super) type Asked = (Part, Result<Got, Unavailable>);

impl Gateway {
    /// Charges in several groups.
    pub(super) async fn charge_across(
        &self,
        call: &Call,
        charges: &[Charging],
        rule: &Rule,
        when: When,
    ) -> Result<Answered, Unavailable> {
        self.figures.spread.one();
        let command = |part: &Part| Command::Charge {
            charges: of_part(charges, part),
            rule: rule_of(rule, charges, part),
        };
        let asked = self.ask_parts(call, self.parts_of(charges), command, when).await;
        for (part, got) in &asked {
            if let Ok(got) = got {
                let of_part = of_part(charges, part);
                let outcomes = got.outcomes(of_part.len())?;
                self.learn(call, &of_part, outcomes, got, when);
            }
        }
        if let Some(error) = worst(asked.iter().map(|(_, got)| got.as_ref())) {
            // A repetition with the same idempotency key goes on where this one stopped.
            if *rule != Rule::Each && call.once.is_none() {
                self.take_back_all(call, charges, rule, &asked);
            }
            return Err(error);
        }
        let mut outcomes = together(charges.len(), &asked)?;
        if let Rule::AllOrNone(combining) = rule
            && !combining.passes(charges, &outcomes)
        {
            for part in self.take_back_all(call, charges, rule, &asked) {
                for place in part {
                    let pair = charges.get(place).zip(outcomes.get_mut(place));
                    pair.into_iter().for_each(|(one, told)| *told = without(one, told));
                }
            }
        }
        Ok(answered(Answer::Outcomes(outcomes), &asked))
    }

    /// Gives back, in the background, what was charged in each group; the places of these parts.
    fn take_back_all(
        &self,
        call: &Call,
        charges: &[Charging],
        rule: &Rule,
        asked: &[Asked],
    ) -> Vec<Vec<usize>> {
        let mut taken_back = Vec::new();
        for (part, got) in asked {
            let Ok(got) = got else { continue };
            let of_part = of_part(charges, part);
            let Ok(outcomes) = got.outcomes(of_part.len()) else { continue };
            let is_charged = match rule_of(rule, charges, part) {
                Rule::Each | Rule::All => true,
                Rule::AllOrNone(combining) => combining.passes(&of_part, outcomes),
            };
            if is_charged {
                self.take_back(call, got, spent(&of_part, outcomes).cloned().collect());
                taken_back.push(part.places.clone());
            }
        }
        taken_back
    }

    /// Gives back, in the background, what `got` told to be charged.
    pub(super) fn take_back(&self, call: &Call, got: &Got, charges: Vec<Charging>) {
        if charges.is_empty() {
            return;
        }
        self.figures.taken_back.add(charges.len() as u64);
        let command = Command::TakeBack { charges, charged_at: got.at };
        self.send(got.group, &Call { once: call.once.as_ref().map(undone), command });
    }

    /// What charges would be told, charging nothing.
    pub(super) async fn preview(
        &self,
        call: &Call,
        charges: &[Charging],
        rule: &Rule,
        when: When,
    ) -> Result<Answered, Unavailable> {
        let parts = self.parts_of(charges);
        if parts.len() < 2 {
            let group = parts.first().map_or(1, |part| part.group);
            return Ok(self.one(group, call, when).await?.into());
        }
        let of_rule = match rule {
            Rule::Each => Rule::Each,
            Rule::All | Rule::AllOrNone(_) => Rule::All,
        };
        let command = |part: &Part| Command::Preview {
            charges: of_part(charges, part),
            rule: of_rule.clone(),
        };
        let asked = self.ask_parts(call, parts, command, when).await;
        if let Some(error) = worst(asked.iter().map(|(_, got)| got.as_ref())) {
            return Err(error);
        }
        let previewed = |(part, got): &Asked| match got {
            Ok(Got { answer: Answer::Previewed { found, outcomes }, .. }) => {
                let pairs = found.iter().copied().zip(outcomes.iter().copied());
                part.places.iter().copied().zip(pairs).collect::<Vec<_>>()
            }
            _ => Vec::new(),
        };
        let pairs = in_order(charges.len(), asked.iter().flat_map(previewed));
        let (found, mut outcomes): (Vec<_>, Vec<_>) =
            pairs.ok_or(NotDone::Malformed)?.into_iter().unzip();
        if let Rule::AllOrNone(combining) = rule
            && !combining.passes(charges, &outcomes)
        {
            for (told, found) in outcomes.iter_mut().zip(&found).filter(|(told, _)| !told.over) {
                *told = Outcome { over: false, retry_after: None, ..*found };
            }
        }
        Ok(answered(Answer::Previewed { found, outcomes }, &asked))
    }

    /// Sends each group its part of what is answered with nothing.
    pub(super) async fn each_part(
        &self,
        call: &Call,
        charges: &[Charging],
        command: impl Fn(Vec<Charging>) -> Command,
        when: When,
    ) -> Result<Answered, Unavailable> {
        let takes_back = matches!(call.command, Command::TakeBack { .. });
        let command = |part: &Part| command(of_part(charges, part));
        let asked = self.ask_parts(call, self.parts_of(charges), command, when).await;
        for (part, got) in asked.iter().filter(|_| takes_back) {
            if let Ok(got) = got {
                self.forgot(got, of_part(charges, part).iter().map(|charging| charging.key));
            }
        }
        match worst(asked.iter().map(|(_, got)| got.as_ref())) {
            Some(error) => Err(error),
            None => Ok(answered(Answer::Done, &asked)),
        }
    }

    /// Forgets buckets. A key does not tell its group, so each is asked for all of them.
    pub(super) async fn forget(
        &self,
        call: &Call,
        keys: &[Key],
        when: When,
    ) -> Result<Answered, Unavailable> {
        let everywhere = (1..).take(self.groups.len());
        let parts = everywhere.map(|group| Part { group, places: Vec::new() }).collect();
        let asked = self.ask_parts(call, parts, |_| call.command.clone(), when).await;
        let mut forgotten = vec![None; keys.len()];
        for (_, got) in &asked {
            let Ok(got) = got else { continue };
            self.forgot(got, keys.iter().copied());
            let Answer::Forgotten(found) = &got.answer else { continue };
            for (all, found) in forgotten.iter_mut().zip(found) {
                *all = all.take().or_else(|| found.clone());
            }
        }
        match worst(asked.iter().map(|(_, got)| got.as_ref())) {
            Some(error) => Err(error),
            None => Ok(answered(Answer::Forgotten(forgotten), &asked)),
        }
    }

    /// Asks all groups of a call at once.
    pub(super) async fn ask_parts(
        &self,
        call: &Call,
        parts: Vec<Part>,
        command: impl Fn(&Part) -> Command,
        when: When,
    ) -> Vec<Asked> {
        let ask = async |part: Part| {
            let call = Call { once: call.once.clone(), command: command(&part) };
            let got = self.one(part.group, &call, when).await;
            (part, got)
        };
        join_all(parts.into_iter().map(ask)).await
    }

    fn parts_of(&self, charges: &[Charging]) -> Vec<Part> {
        split(charges.iter().map(|charging| charging.slot), self.groups.len())
    }

    /// A bit for the group of each slot; for no slot, that of the first group.
    pub(super) fn mask_of(&self, slots: impl Iterator<Item = KeySlot>) -> u8 {
        let bit = |slot| bit_of(group_of(slot, self.groups.len()));
        let mask = slots.map(bit).fold(0, |all, bit| all | bit);
        if mask == 0 { 1 } else { mask }
    }
}

/// The bit of a group from 1 on.
fn bit_of(group: GroupId) -> u8 {
    1_u8.checked_shl(group.saturating_sub(1)).unwrap_or(0)
}

pub(super) fn of_part<T: Clone>(all: &[T], part: &Part) -> Vec<T> {
    part.places.iter().filter_map(|place| all.get(*place)).cloned().collect()
}

fn rule_of(rule: &Rule, charges: &[Charging], part: &Part) -> Rule {
    match rule {
        Rule::Each => Rule::Each,
        Rule::All => Rule::All,
        Rule::AllOrNone(combining) => Rule::AllOrNone(part_of(combining, charges, &part.places)),
    }
}

fn together(count: usize, asked: &[Asked]) -> Result<Vec<Outcome>, Unavailable> {
    let outcomes = |(part, got): &Asked| {
        let outcomes = got.as_ref().ok().and_then(|got| got.outcomes(part.places.len()).ok());
        let outcomes = outcomes.unwrap_or_default().to_vec();
        part.places.clone().into_iter().zip(outcomes)
    };
    in_order(count, asked.iter().flat_map(outcomes)).ok_or(NotDone::Malformed.into())
}

/// One answer of several: it was executed when the last of them was.
pub(super) fn answered(answer: Answer, asked: &[Asked]) -> Answered {
    let last = asked.iter().filter_map(|(_, got)| got.as_ref().ok()).max_by_key(|got| got.at.log);
    let (at, index) = last.map(|got| (got.at, got.index)).unwrap_or_default();
    Answered { answer, at, index }
}

/// What a call is told whose parts were not all answered: "nothing was executed" only if nothing was.
pub(super) fn worst<'a>(
    asked: impl Iterator<Item = Result<&'a Got, &'a Unavailable>>,
) -> Option<Unavailable> {
    let (mut first, mut refused, mut is_executed) = (None, None, false);
    for one in asked {
        match one {
            Ok(_) => is_executed = true,
            Err(Unavailable::TimedOut) => return Some(Unavailable::TimedOut),
            Err(error @ Unavailable::NotDone(_)) => refused = refused.or(Some(*error)),
            Err(error) => first = first.or(Some(*error)),
        }
    }
    let first = first.map(|first| if is_executed { Unavailable::TimedOut } else { first });
    refused.or(first)
}

/// The idempotency key of a call's undoing.
pub(super) fn undone(once: &Once) -> Once {
    let room = KEY_BYTES_MAX - UNDONE.len();
    let kept = once.key.get(..once.key.floor_char_boundary(room)).unwrap_or_default();
    Once { key: format!("{kept}{UNDONE}").into(), fingerprint: once.fingerprint }
}
