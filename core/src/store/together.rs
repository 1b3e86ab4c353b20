//! All limits of a request or none of them: charging and holding over several shards.
//!
//! Whoever owns the shards keeps everybody else out of them meanwhile; here is only what happens.

use super::asked::Asked;
use super::saved::Saved;
use super::shard::{Refused, Shard};
use crate::bucket::Outcome;
use crate::key::{Key, ReservationId};
use crate::time::{LogTime, Now};

/// The shards that a request's keys are in, for one caller alone.
pub trait Shards {
    /// The shard of `key`; `None` if it is not among them, which is a defect and counts as full.
    fn shard(&mut self, key: Key) -> Option<&mut Shard>;
}

/// A ledger of one shard.
impl Shards for Shard {
    fn shard(&mut self, _: Key) -> Option<&mut Shard> {
        Some(self)
    }
}

/// Charges all that is asked for, and takes back those that were admitted unless `passes` says that
/// their outcomes let the request pass. The outcomes of charges that were taken back tell what is
/// there without them. What a refused charge left, such as a penalty, stays; but a bucket that
/// refused only because the same request had charged it before is as if it was never asked.
///
/// # Errors
/// [`Refused`] if there is no room for one of them; nothing was charged then.
pub fn charge_all_or_none<'a, A>(
    shards: &mut impl Shards,
    asked: &'a [A],
    now: Now,
    passes: impl FnOnce(&[Outcome]) -> bool,
) -> Result<Vec<Outcome>, Refused>
where
    &'a A: Into<Asked<'a>>,
{
    let pinned: Vec<_> = each(asked).map(|asked| asked.key).collect();
    let mut saved = Vec::with_capacity(asked.len());
    let mut outcomes = Vec::with_capacity(asked.len());
    for asked in each(asked) {
        let charged = shards.shard(asked.key).ok_or(Refused).and_then(|shard| {
            let before = shard.save(asked.key);
            Ok((before, shard.charge(asked, &pinned, now)?))
        });
        match charged {
            Ok((before, outcome)) => {
                saved.push(before);
                outcomes.push(outcome);
            }
            Err(refused) => {
                restore(shards, saved);
                return Err(refused);
            }
        }
    }
    if passes(&outcomes) {
        return Ok(outcomes);
    }
    let admitted = outcomes.iter().map(|outcome| !outcome.over);
    let to_restore = saved.into_iter().zip(admitted).filter(|(_, admitted)| *admitted);
    restore(shards, to_restore.map(|(saved, _)| saved).collect());
    look_again(shards, asked, &mut outcomes, now)?;
    Ok(outcomes)
}

/// Holds all hits that are asked for until `end` for the reservation `id`, and gives all holds up
/// again unless `passes` says that their outcomes let the request pass. Where a limit is over it
/// holds nothing, also where the request passes. What a refusal left, such as a penalty, stays.
///
/// # Errors
/// [`Refused`] if there is no room to remember a refusal; nothing is held then.
pub fn hold_all_or_none<'a, A>(
    shards: &mut impl Shards,
    asked: &'a [A],
    (end, id): (LogTime, ReservationId),
    now: Now,
    passes: impl FnOnce(&[Outcome]) -> bool,
) -> Result<Vec<Outcome>, Refused>
where
    &'a A: Into<Asked<'a>>,
{
    let pinned: Vec<_> = each(asked).map(|asked| asked.key).collect();
    let mut outcomes = Vec::with_capacity(asked.len());
    for asked in each(asked) {
        let shard = shards.shard(asked.key).ok_or(Refused);
        match shard.and_then(|shard| shard.hold(asked, (end, id), &pinned, now)) {
            Ok(outcome) => outcomes.push(outcome),
            Err(refused) => {
                give_up(shards, pinned.iter().copied(), (end, id));
                return Err(refused);
            }
        }
    }
    if passes(&outcomes) {
        return Ok(outcomes);
    }
    give_up(shards, pinned.iter().copied(), (end, id));
    look_again(shards, asked, &mut outcomes, now)?;
    Ok(outcomes)
}

/// Makes the outcomes of charges that were admitted and taken back tell what is there without
/// them.
fn look_again<'a, A>(
    shards: &mut impl Shards,
    asked: &'a [A],
    outcomes: &mut [Outcome],
    now: Now,
) -> Result<(), Refused>
where
    &'a A: Into<Asked<'a>>,
{
    for (outcome, asked) in outcomes.iter_mut().zip(each(asked)) {
        if outcome.over {
            continue;
        }
        let shard = shards.shard(asked.key).ok_or(Refused)?;
        let peek = shard.look_at(asked.key, asked.quota, now);
        *outcome = Outcome { over: false, retry_after: None, ..peek };
    }
    Ok(())
}

fn each<'a, A>(asked: &'a [A]) -> impl Iterator<Item = Asked<'a>>
where
    &'a A: Into<Asked<'a>>,
{
    asked.iter().map(Into::into)
}

/// Takes charges back, the last one first, so that a bucket charged twice ends as it began.
pub(super) fn restore(shards: &mut impl Shards, saved: Vec<Saved>) {
    for saved in saved.into_iter().rev() {
        if let Some(shard) = shards.shard(saved.key()) {
            shard.restore(saved);
        }
    }
}

/// Gives up what a reservation holds of these keys.
pub(super) fn give_up(
    shards: &mut impl Shards,
    keys: impl IntoIterator<Item = Key>,
    of: (LogTime, ReservationId),
) {
    for key in keys {
        if let Some(shard) = shards.shard(key) {
            shard.give_up_hold(key, of);
        }
    }
}

#[cfg(test)]
#[path = "together_tests.rs"]
mod tests;
