//! One group asked, and what a node learns from its answer.

use tokio::sync::oneshot;
use tollgate_core::bucket::Outcome;
use tollgate_core::command::{Answer, Call, Charging, Command, NotDone, Rule};
use tollgate_core::descriptor::Charge;
use tollgate_core::key::Key;
use tollgate_core::time::{Monotonic, Now};

use super::denials::{Kept, Made};
use super::groups::GroupId;
use super::queue::{Reply, Told, Waiting};
use super::split::{one_group, split};
use super::{Answered, Gateway, Unavailable, WAIT_DEFAULT, wire};

/// When a call came, and until when its answer is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct When {
    pub(super) asked: Monotonic,
    pub(super) deadline: Monotonic,
}

/// The answer of one group.
#[derive(Clone, Debug)]
pub(super) struct Got {
    pub(super) group: GroupId,
    pub(super) answer: Answer,
    pub(super) at: Now,
    pub(super) index: u64,
    pub(super) is_resent: bool,
}

impl From<Got> for Answered {
    fn from(got: Got) -> Self {
        let Got { answer, at, index, .. } = got;
        Self { answer, at, index }
    }
}

impl Got {
    /// The outcomes of a charge.
    pub(super) fn outcomes(&self, count: usize) -> Result<&[Outcome], Unavailable> {
        match &self.answer {
            Answer::Outcomes(outcomes) if outcomes.len() == count => Ok(outcomes),
            _ => Err(NotDone::Malformed.into()),
        }
    }
}

impl Gateway {
    /// Asks a group and waits.
    pub(super) async fn one(
        &self,
        group: GroupId,
        call: &Call,
        when: When,
    ) -> Result<Got, Unavailable> {
        let (answer, answered) = oneshot::channel();
        self.push(group, call, Some(answer), when)?;
        // A batcher that ended tells nobody.
        let Reply { answered, index, is_resent } =
            answered.await.unwrap_or(Err(Unavailable::TimedOut))?;
        let (answer, at) = (answered.answer, answered.at);
        match answer {
            Answer::NotDone(NotDone::AnswerForgotten) => Err(Unavailable::TimedOut),
            Answer::NotDone(why) => Err(why.into()),
            answer => Ok(Got { group, answer, at, index, is_resent }),
        }
    }

    /// Asks a group for what nobody waits for. It is tried for a while; where there is no room even
    /// for that, it is not done, which every such command is made to bear.
    pub(super) fn send(&self, group: GroupId, call: &Call) {
        let asked = self.clock.monotonic();
        let when = When { asked, deadline: asked.plus(WAIT_DEFAULT) };
        if self.push(group, call, None, when).is_err() {
            self.figures.overloaded.one();
        }
    }

    fn push(
        &self,
        group: GroupId,
        call: &Call,
        answer: Option<oneshot::Sender<Told>>,
        when: When,
    ) -> Result<(), Unavailable> {
        let one = self.of(group).ok_or(NotDone::Malformed)?;
        let now = self.clock.monotonic();
        if when.deadline <= now {
            return Err(Unavailable::NotExecuted);
        }
        let (call, deadline) = (wire::Encoded::of(call), when.deadline);
        if call.len() > wire::CALL_BYTES_MAX {
            return Err(NotDone::Malformed.into());
        }
        let waiting = Waiting { call, answer, since: now, deadline };
        one.queue.push(waiting).map_err(|_| Unavailable::Overloaded)?;
        self.figures.calls.one();
        Ok(())
    }

    /// Charges, and answers from memory what it can. An idempotency key is always asked for, so that
    /// its answer is remembered where all nodes find it.
    pub(super) async fn charge(
        &self,
        call: &Call,
        charges: &[Charging],
        rule: &Rule,
        when: When,
    ) -> Result<Answered, Unavailable> {
        if charges.is_empty() && call.once.is_none() {
            let at = self.groups.first().and_then(|one| one.group.last_stamp());
            let at = at.map(|(at, _)| at).unwrap_or_default();
            return Ok(Answered { answer: Answer::Outcomes(Vec::new()), at, index: 0 });
        }
        let remembered =
            if call.once.is_none() { self.remembered(charges, when.asked) } else { Vec::new() };
        let Some(&(_, (_, at))) = remembered.first() else {
            return self.charge_asked(call, charges, rule, when).await;
        };
        if let Rule::AllOrNone(combining) = rule {
            let Some(outcomes) = self.all_denied(charges, combining, &remembered) else {
                return self.charge_asked(call, charges, rule, when).await;
            };
            self.figures.denied_locally.add(remembered.len() as u64);
            return Ok(Answered { answer: Answer::Outcomes(outcomes), at, index: 0 });
        }
        self.figures.denied_locally.add(remembered.len() as u64);
        let is_known = |place: &usize| remembered.iter().any(|(known, _)| known == place);
        let places: Vec<_> = (0..charges.len()).filter(|place| !is_known(place)).collect();
        let known = remembered.iter().map(|(place, (outcome, _))| (*place, *outcome));
        if places.is_empty() {
            let outcomes = known.map(|(_, outcome)| outcome).collect();
            return Ok(Answered { answer: Answer::Outcomes(outcomes), at, index: 0 });
        }
        let rest: Vec<_> = places.iter().filter_map(|place| charges.get(*place)).cloned().collect();
        let command = Command::Charge { charges: rest.clone(), rule: rule.clone() };
        let asked = Call { once: None, command };
        let answered = self.charge_asked(&asked, &rest, rule, when).await?;
        let Answer::Outcomes(outcomes) = &answered.answer else {
            return Err(NotDone::Malformed.into());
        };
        let asked = places.into_iter().zip(outcomes.iter().copied());
        let outcomes = super::split::in_order(charges.len(), known.chain(asked));
        let outcomes = outcomes.ok_or(NotDone::Malformed)?;
        Ok(Answered { answer: Answer::Outcomes(outcomes), ..answered })
    }

    async fn charge_asked(
        &self,
        call: &Call,
        charges: &[Charging],
        rule: &Rule,
        when: When,
    ) -> Result<Answered, Unavailable> {
        let slots = charges.iter().map(|charging| charging.slot);
        let Some(group) = one_group(slots, self.groups.len()) else {
            return self.charge_across(call, charges, rule, when).await;
        };
        let got = self.one(group, call, when).await?;
        self.learn(call, charges, got.outcomes(charges.len())?, &got, when);
        Ok(got.into())
    }

    fn remembered(&self, charges: &[Charging], now: Monotonic) -> Vec<(usize, (Outcome, Now))> {
        if self.denials.is_empty() {
            return Vec::new();
        }
        let told = |(place, charging)| Some((place, self.denials.meets(charging, now)?));
        charges.iter().enumerate().filter_map(told).collect()
    }

    /// What an atomic request is told that is denied whatever the charges are told that nothing is
    /// remembered of; those are looked at where this node knows them.
    fn all_denied(
        &self,
        charges: &[Charging],
        combining: &tollgate_core::command::Combining,
        remembered: &[(usize, (Outcome, Now))],
    ) -> Option<Vec<Outcome>> {
        let mut outcomes = vec![ADMITTED; charges.len()];
        for &(place, (outcome, _)) in remembered {
            *outcomes.get_mut(place)? = outcome;
        }
        if combining.passes(charges, &outcomes) {
            return None;
        }
        for part in split(charges.iter().map(|charging| charging.slot), self.groups.len()) {
            let of_part = part.places.iter().filter_map(|place| charges.get(*place));
            let of_part: Vec<_> = of_part.cloned().collect();
            let looked = self.of(part.group).map(|one| one.group.look(&of_part));
            let looked = looked.unwrap_or_default();
            for (place, (found, told)) in part.places.into_iter().zip(looked) {
                let is_known = remembered.iter().any(|(known, _)| *known == place);
                let Some(outcome) = outcomes.get_mut(place).filter(|_| !is_known) else { continue };
                let there = Outcome { over: false, retry_after: None, ..found };
                *outcome = if told.over { told } else { there };
            }
        }
        Some(outcomes)
    }

    /// Remembers denials, and what was given back.
    pub(super) fn learn(
        &self,
        call: &Call,
        charges: &[Charging],
        outcomes: &[Outcome],
        got: &Got,
        when: When,
    ) {
        let is_refund = |charging: &&Charging| matches!(charging.charge, Charge::Refund(_));
        let refunded = charges.iter().filter(is_refund).map(|charging| charging.key);
        self.forgot(got, refunded);
        // Where it was sent twice, by us or by the caller, nobody knows which entry told it first.
        if got.is_resent || call.once.is_some() || outcomes.iter().all(|outcome| !outcome.over) {
            return;
        }
        let made = Made {
            group: got.group,
            index: got.index,
            at: got.at,
            sent: when.asked,
            received: self.clock.monotonic(),
        };
        for (charging, outcome) in charges.iter().zip(outcomes) {
            match self.denials.remember(charging, outcome, &made) {
                Kept::Yes => self.figures.denials_remembered.one(),
                Kept::Full => self.figures.denials_unremembered.one(),
                Kept::No => {}
            }
        }
    }

    /// What was given back by an answer counts for this node from now on, whether or not its own
    /// machine is there yet.
    pub(super) fn forgot(&self, got: &Got, keys: impl Iterator<Item = Key>) {
        let keys: Vec<_> = keys.collect();
        self.denials.forgot(got.group, got.index, &keys);
    }
}

/// The best that a charge can be told.
const ADMITTED: Outcome = Outcome {
    over: false,
    before: 0,
    after: 0,
    remaining: 0,
    reset_after: std::time::Duration::ZERO,
    retry_after: None,
};
