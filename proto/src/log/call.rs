//! Calls: commands, and by what they are known when they come again.

use std::time::Duration;

use tollgate_core::command::{Call, Command, Once};
use tollgate_core::idempotency::KEY_BYTES_MAX;
use tollgate_core::key::{Fingerprint, Key};
use tollgate_core::limit::Quota;
use tollgate_core::time::saturating_nanos;

use super::bounds::{CHARGES_MAX, FORGET_MAX};
use super::charging::{charge, read_charge};
use super::generated as wire;
use super::malformed::Malformed;
use super::plain::{all, needed};
use wire::call::Command as Kind;

impl From<&Call> for wire::Call {
    fn from(call: &Call) -> Self {
        let once = call.once.as_ref().map(wire::Once::from);
        Self { once, command: Some(Kind::from(&call.command)) }
    }
}

impl TryFrom<wire::Call> for Call {
    type Error = Malformed;

    fn try_from(call: wire::Call) -> Result<Self, Malformed> {
        let once = call.once.map(Once::try_from).transpose()?;
        Ok(Self { once, command: needed("a command that is known", call.command)?.try_into()? })
    }
}

impl From<&Once> for wire::Once {
    fn from(once: &Once) -> Self {
        Self {
            key: once.key.to_string(),
            fingerprint_high: once.fingerprint.high(),
            fingerprint_low: once.fingerprint.low(),
        }
    }
}

impl TryFrom<wire::Once> for Once {
    type Error = Malformed;

    fn try_from(once: wire::Once) -> Result<Self, Malformed> {
        Malformed::unless_at_most(KEY_BYTES_MAX, "bytes of an idempotency key", once.key.len())?;
        let fingerprint = Fingerprint::from_halves(once.fingerprint_high, once.fingerprint_low);
        Ok(Self { key: once.key.into_boxed_str(), fingerprint })
    }
}

impl From<&Command> for Kind {
    fn from(command: &Command) -> Self {
        match command {
            Command::Charge { charges, rule } => Self::Charge(charge(charges, rule)),
            Command::Preview { charges, rule } => Self::Preview(charge(charges, rule)),
            Command::TakeBack { charges, charged_at } => Self::TakeBack(wire::TakeBack {
                charges: charges.iter().map(wire::Charging::from).collect(),
                charged_at: Some((*charged_at).into()),
            }),
            Command::Impatient { charges } => Self::Impatient(wire::Charge {
                charges: charges.iter().map(wire::Charging::from).collect(),
                ..wire::Charge::default()
            }),
            Command::Hold { id, hold_for, holdings, combining } => Self::Hold(wire::Hold {
                id: Some((*id).into()),
                hold_for: saturating_nanos(*hold_for),
                holdings: holdings.iter().map(wire::Holding::from).collect(),
                combining: Some(combining.into()),
            }),
            Command::Describe { id } => Self::Describe((*id).into()),
            Command::Settle { id, hits, quotas } => Self::Settle(wire::Settle {
                id: Some((*id).into()),
                hits: *hits,
                quotas: quotas.iter().map(key_quota).collect(),
            }),
            Command::Release { id } => Self::Release((*id).into()),
            Command::Forget { keys } => {
                Self::Forget(wire::Forget { keys: keys.iter().map(|key| (*key).into()).collect() })
            }
            Command::Bound(bounds) => Self::Bound((*bounds).into()),
            Command::Tick => Self::Tick(wire::Tick {}),
        }
    }
}

impl TryFrom<Kind> for Command {
    type Error = Malformed;

    fn try_from(command: Kind) -> Result<Self, Malformed> {
        Ok(match command {
            Kind::Charge(found) => {
                let (charges, rule) = read_charge(found)?;
                Self::Charge { charges, rule }
            }
            Kind::Preview(found) => {
                let (charges, rule) = read_charge(found)?;
                Self::Preview { charges, rule }
            }
            Kind::TakeBack(found) => Self::TakeBack {
                charges: all(CHARGES_MAX, "charges", found.charges)?,
                charged_at: needed("the time of a charge", found.charged_at)?.into(),
            },
            Kind::Impatient(found) => Self::Impatient { charges: read_charge(found)?.0 },
            Kind::Hold(found) => Self::Hold {
                id: needed("the name of a reservation", found.id)?.into(),
                hold_for: Duration::from_nanos(found.hold_for),
                holdings: all(CHARGES_MAX, "holdings", found.holdings)?,
                combining: needed("how holdings combine", found.combining)?.try_into()?,
            },
            Kind::Describe(id) => Self::Describe { id: id.into() },
            Kind::Settle(found) => {
                Malformed::unless_at_most(CHARGES_MAX, "quotas", found.quotas.len())?;
                Self::Settle {
                    id: needed("the name of a reservation", found.id)?.into(),
                    hits: found.hits,
                    quotas: found.quotas.into_iter().map(read_quota).collect::<Result<_, _>>()?,
                }
            }
            Kind::Release(id) => Self::Release { id: id.into() },
            Kind::Forget(found) => {
                Malformed::unless_at_most(FORGET_MAX, "keys", found.keys.len())?;
                Self::Forget { keys: found.keys.into_iter().map(Key::from).collect() }
            }
            Kind::Bound(bounds) => Self::Bound(bounds.try_into()?),
            Kind::Tick(wire::Tick {}) => Self::Tick,
        })
    }
}

fn key_quota((key, quota): &(Key, Quota)) -> wire::KeyQuota {
    wire::KeyQuota { key_high: key.high(), key_low: key.low(), quota: Some(quota.into()) }
}

fn read_quota(found: wire::KeyQuota) -> Result<(Key, Quota), Malformed> {
    let key = Key::from_halves(found.key_high, found.key_low);
    Ok((key, needed("the quota of a part", found.quota)?.try_into()?))
}
