//! Reservations whose holds may be in several groups: a bit of the reservation's name tells each.

use tollgate_core::bucket::Outcome;
use tollgate_core::command::{
    Answer, Call, Charging, Combining, Command, Holding, KeySlot, NotDone, Once, Shown,
};
use tollgate_core::decision::Modes;
use tollgate_core::descriptor::Charge;
use tollgate_core::key::{KeySecret, ReservationId};
use tollgate_core::reservation::Reservation;
use tollgate_core::store::{Cost, Settled};

use super::across::{Asked, answered, of_part, undone, worst};
use super::asking::{Got, When};
use super::split::{EXTRA_ITEMS, Part, in_order, part_of, split, without};
use super::{Answered, Gateway, Unavailable};

impl Gateway {
    /// Holds in all groups or in none.
    pub(super) async fn hold(&self, call: Call, when: When) -> Result<Answered, Unavailable> {
        let Call { once, command } = call;
        let Command::Hold { id, hold_for, holdings, combining } = command else {
            return Err(NotDone::Malformed.into());
        };
        let slots = || holdings.iter().map(|holding| holding.charging.slot);
        let parts = split(slots(), self.groups.len());
        let id = named(id, once.as_ref().filter(|_| parts.len() > 1), self.mask_of(slots()));
        if parts.len() < 2 {
            let group = parts.first().map_or(1, |part| part.group);
            let command = Command::Hold { id, hold_for, holdings, combining };
            return Ok(self.one(group, &Call { once, command }, when).await?.into());
        }
        self.figures.spread.one();
        let command = |part: &Part| Command::Hold {
            id,
            hold_for,
            holdings: of_part(&holdings, part),
            combining: part_of(&combining, &holdings, &part.places),
        };
        let call = Call { once, command: Command::Describe { id } };
        let asked = self.ask_parts(&call, parts, command, when).await;
        if let Some(error) = worst(asked.iter().map(|(_, got)| got.as_ref())) {
            // A repetition with the same idempotency key goes on where this one stopped.
            if call.once.is_none() {
                self.release_all(&call, id, &asked);
            }
            return Err(error);
        }
        self.held(&call, id, (&holdings, &combining), &asked)
    }

    fn held(
        &self,
        call: &Call,
        id: ReservationId,
        (holdings, combining): (&[Holding], &Combining),
        asked: &[Asked],
    ) -> Result<Answered, Unavailable> {
        let told = |(part, got): &Asked| match got {
            Ok(Got { answer: Answer::Held { outcomes, is_held, .. }, .. }) => {
                let told = outcomes.iter().map(|outcome| (*outcome, *is_held));
                part.places.iter().copied().zip(told.collect::<Vec<_>>()).collect()
            }
            _ => Vec::new(),
        };
        let told = in_order(holdings.len(), asked.iter().flat_map(told));
        let (mut outcomes, are_held): (Vec<_>, Vec<_>) =
            told.ok_or(NotDone::Malformed)?.into_iter().unzip();
        let is_held = are_held.iter().all(|held| *held) && combining.passes(holdings, &outcomes);
        if !is_held {
            self.release_all(call, id, asked);
            let released = outcomes.iter_mut().zip(holdings).zip(are_held);
            for ((outcome, holding), _) in released.filter(|(_, was_held)| *was_held) {
                *outcome = without(&holding.charging, outcome);
            }
        }
        Ok(answered(Answer::Held { id, outcomes, is_held }, asked))
    }

    /// Gives up, in the background, what any group may hold.
    fn release_all(&self, call: &Call, id: ReservationId, asked: &[Asked]) {
        for (part, got) in asked {
            let may_hold = match got {
                Ok(Got { answer: Answer::Held { is_held, .. }, .. }) => *is_held,
                Ok(_) => false,
                Err(error) => *error == Unavailable::TimedOut,
            };
            if may_hold {
                let (once, command) = (call.once.as_ref().map(undone), Command::Release { id });
                self.send(part.group, &Call { once, command });
            }
        }
    }

    /// What a reservation holds, in any group.
    pub(super) async fn describe(
        &self,
        call: &Call,
        id: ReservationId,
        when: When,
    ) -> Result<Answered, Unavailable> {
        let asked = self.ask_parts(call, self.holders(id)?, |_| call.command.clone(), when).await;
        let asked = of_those_who_know(asked)?;
        let parts = asked.iter().filter_map(|(_, got)| match got {
            Ok(Got { answer: Answer::Described(parts), .. }) => Some(parts.clone()),
            _ => None,
        });
        let parts = parts.flatten().collect();
        Ok(answered(Answer::Described(parts), &asked))
    }

    /// Settles in all groups, or releases. Spent is what the group with the least room spent; what
    /// others spent beyond that is given back.
    pub(super) async fn settle(
        &self,
        call: &Call,
        id: ReservationId,
        hits: u64,
        when: When,
    ) -> Result<Answered, Unavailable> {
        let asked = self.ask_parts(call, self.holders(id)?, |_| call.command.clone(), when).await;
        for (_, got) in &asked {
            if let Ok(got @ Got { answer: Answer::Settled { reservation, .. }, .. }) = got {
                self.forgot(got, reservation.parts.iter().map(|part| part.key));
            }
        }
        let asked = of_those_who_know(asked)?;
        if let [(_, Ok(got))] = asked.as_slice()
            && id.groups().count_ones() == 1
        {
            return Ok(got.clone().into());
        }
        let settled = |(_, got): &Asked| match got {
            Ok(Got { answer: Answer::Settled { settled, .. }, .. }) => Some(settled.charged),
            _ => None,
        };
        let charged = asked.iter().filter_map(settled).min().unwrap_or(0);
        let mut all = Vec::with_capacity(asked.len());
        for (_, got) in &asked {
            let Ok(got) = got else { continue };
            let Answer::Settled { settled, reservation } = &got.answer else { continue };
            let mut outcomes = settled.outcomes.clone();
            let excess = excess(reservation, &mut outcomes, charged, got);
            self.take_back(call, got, excess);
            all.push(((**reservation).clone(), outcomes));
        }
        let (reservation, outcomes) = joined(id, &all);
        let uncharged = hits.saturating_sub(charged);
        let settled = Settled { charged, uncharged, outcomes };
        let answer = Answer::Settled { settled, reservation: Box::new(reservation) };
        Ok(answered(answer, &asked))
    }

    /// The groups that hold something for a reservation.
    fn holders(&self, id: ReservationId) -> Result<Vec<Part>, Unavailable> {
        let holders: Vec<_> = (1..=u8::BITS)
            .filter(|group| id.groups() >> (group - 1) & 1 == 1)
            .map(|group| Part { group, places: Vec::new() })
            .collect();
        let are_known = holders.iter().all(|part| self.of(part.group).is_some());
        let is_a_name = are_known && !holders.is_empty();
        if is_a_name { Ok(holders) } else { Err(NotDone::UnknownReservation.into()) }
    }
}

/// The reservation's name, with its groups. Where it is in several groups and may come again, its
/// name must be the same again, because a group that remembers the first time holds by that one; so
/// it is made of the request and its idempotency key, which nobody else knows together.
fn named(id: ReservationId, once: Option<&Once>, groups: u8) -> ReservationId {
    let (high, low) = match once {
        None => (id.high(), id.low()),
        Some(Once { key, fingerprint }) => {
            let secret = u128::from(fingerprint.high()) << 64 | u128::from(fingerprint.low());
            let name = KeySecret::new(secret.to_le_bytes()).fingerprint(key.as_bytes());
            (name.high(), name.low())
        }
    };
    ReservationId::from_halves(high, low & !0xff | u64::from(groups))
}

/// The answers of groups that know the reservation; of the others its part is settled or has ended.
fn of_those_who_know(asked: Vec<Asked>) -> Result<Vec<Asked>, Unavailable> {
    let unknown = Unavailable::NotDone(NotDone::UnknownReservation);
    let knows = |(_, got): &Asked| got.as_ref().err() != Some(&unknown);
    let known: Vec<_> = asked.into_iter().filter(knows).collect();
    if known.is_empty() {
        return Err(unknown);
    }
    match worst(known.iter().map(|(_, got)| got.as_ref())) {
        Some(error) => Err(error),
        None => Ok(known),
    }
}

/// What a group spent beyond `charged`, as charges that can be taken back. Their outcomes tell what
/// is there without them.
fn excess(
    reservation: &Reservation,
    outcomes: &mut [Outcome],
    charged: u64,
    got: &Got,
) -> Vec<Charging> {
    let mut excess = Vec::new();
    for (part, outcome) in reservation.parts.iter().zip(outcomes) {
        let spent = outcome.after.saturating_sub(outcome.before);
        let more = spent.saturating_sub(charged);
        if part.cost != Cost::Told || more == 0 {
            continue;
        }
        let slot = KeySlot(u16::try_from(got.group.saturating_sub(1)).unwrap_or(0));
        let charging = Charging {
            key: part.key,
            slot,
            quota: part.quota,
            charge: Charge::Hits(more),
            domain: part.domain,
            text: part.text.clone(),
            shadow: part.shadow,
            quota_mode: part.quota_mode,
        };
        let over = outcome.over;
        *outcome = without(&charging, &Outcome { over: false, ..*outcome });
        (outcome.after, outcome.over) = (outcome.before.saturating_add(charged), over);
        excess.push(charging);
    }
    excess
}

/// Puts the parts of a reservation together in the order of its request: each has an item for each
/// of the request's, and [`EXTRA_ITEMS`] more, the last of which tells the request's own mode.
fn joined(id: ReservationId, all: &[(Reservation, Vec<Outcome>)]) -> (Reservation, Vec<Outcome>) {
    let first = all.first().map(|(reservation, _)| reservation);
    let modes = first.map(|first| first.combining.modes).unwrap_or_default();
    let end = first.map(|first| first.end).unwrap_or_default();
    let given = first.map(|first| first.combining.items.as_slice()).unwrap_or_default();
    let is_quota = modes.quota && given.last() != Some(&Shown::Unlimited);
    let count = given.len().saturating_sub(EXTRA_ITEMS);
    let (mut parts, mut told, mut items) = (Vec::new(), Vec::new(), Vec::with_capacity(count));
    for (place, given) in given.iter().take(count).enumerate() {
        let start = parts.len();
        let mut item = given.clone();
        for (reservation, outcomes) in all {
            let of_group = reservation.combining.items.get(place);
            let Some(counted @ Shown::Counted(range)) = of_group else { continue };
            item = counted.clone();
            parts.extend_from_slice(reservation.parts.get(range.clone()).unwrap_or_default());
            told.extend_from_slice(outcomes.get(range.clone()).unwrap_or_default());
        }
        items.push(match item {
            Shown::Counted(_) => Shown::Counted(start..parts.len()),
            other => other,
        });
    }
    let modes = Modes { quota: is_quota, ..modes };
    (Reservation { id, end, parts, combining: Combining { items, modes } }, told)
}
