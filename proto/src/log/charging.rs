//! Charges and holdings, and how their outcomes combine.

use std::ops::Range;
use std::sync::Arc;

use tollgate_core::command::{Charging, Combining, Holding, KeySlot, Rule, SLOTS, Shown};
use tollgate_core::decision::Modes;
use tollgate_core::descriptor::Charge;
use tollgate_core::key::{DomainTag, Key};

use super::bounds::{CHARGES_MAX, ITEMS_MAX};
use super::generated as wire;
use super::malformed::Malformed;
use super::plain::{all, cut, needed, size, text};
use wire::shown::Kind;

impl From<&Charging> for wire::Charging {
    fn from(charging: &Charging) -> Self {
        let (hits, refund) = match charging.charge {
            Charge::Hits(hits) => (hits, false),
            Charge::Refund(hits) => (hits, true),
        };
        Self {
            key_high: charging.key.high(),
            key_low: charging.key.low(),
            slot: charging.slot.0.into(),
            quota: Some((&charging.quota).into()),
            hits,
            refund,
            domain: charging.domain.0,
            text: cut(&charging.text).to_owned(),
            shadow: charging.shadow,
            quota_mode: charging.quota_mode,
        }
    }
}

impl TryFrom<wire::Charging> for Charging {
    type Error = Malformed;

    fn try_from(charging: wire::Charging) -> Result<Self, Malformed> {
        let slot = u16::try_from(charging.slot).ok().filter(|slot| *slot < SLOTS);
        let found = charging.slot.into();
        let slot = slot.ok_or(Malformed::OutOfRange { what: "slot of keys", found })?;
        let hits = charging.hits;
        Ok(Self {
            key: Key::from_halves(charging.key_high, charging.key_low),
            slot: KeySlot(slot),
            quota: needed("the quota of a charge", charging.quota)?.try_into()?,
            charge: if charging.refund { Charge::Refund(hits) } else { Charge::Hits(hits) },
            domain: DomainTag(charging.domain),
            text: text(charging.text)?,
            shadow: charging.shadow,
            quota_mode: charging.quota_mode,
        })
    }
}

impl From<&Holding> for wire::Holding {
    fn from(holding: &Holding) -> Self {
        Self {
            charging: Some((&holding.charging).into()),
            is_fixed: holding.is_fixed,
            name: name(holding.name.as_ref()),
        }
    }
}

impl TryFrom<wire::Holding> for Holding {
    type Error = Malformed;

    fn try_from(holding: wire::Holding) -> Result<Self, Malformed> {
        Ok(Self {
            charging: needed("what is held", holding.charging)?.try_into()?,
            is_fixed: holding.is_fixed,
            name: read_name(holding.name)?,
        })
    }
}

impl From<&Combining> for wire::Combining {
    fn from(combining: &Combining) -> Self {
        let Modes { shadow, quota } = combining.modes;
        Self { items: combining.items.iter().map(wire::Shown::from).collect(), shadow, quota }
    }
}

impl TryFrom<wire::Combining> for Combining {
    type Error = Malformed;

    fn try_from(combining: wire::Combining) -> Result<Self, Malformed> {
        let wire::Combining { items, shadow, quota } = combining;
        Ok(Self { items: all(ITEMS_MAX, "descriptors", items)?, modes: Modes { shadow, quota } })
    }
}

impl From<&Shown> for wire::Shown {
    fn from(shown: &Shown) -> Self {
        let number = |of: usize| u32::try_from(of).unwrap_or(u32::MAX);
        let (kind, range) = match shown {
            Shown::Unmatched => (Kind::Unmatched, &(0..0)),
            Shown::Unlimited => (Kind::Unlimited, &(0..0)),
            Shown::Counted(range) => (Kind::Counted, range),
        };
        let Range { start, end } = *range;
        Self { kind: kind.into(), start: number(start), end: number(end) }
    }
}

impl TryFrom<wire::Shown> for Shown {
    type Error = Malformed;

    fn try_from(shown: wire::Shown) -> Result<Self, Malformed> {
        let wire::Shown { kind, start, end } = shown;
        match Kind::try_from(kind) {
            Ok(Kind::Unmatched) => Ok(Self::Unmatched),
            Ok(Kind::Unlimited) => Ok(Self::Unlimited),
            Ok(Kind::Counted) => {
                let start = size("charge", start.into())?;
                Ok(Self::Counted(start..size("charge", end.into())?))
            }
            Err(_) => Err(Malformed::Unknown { what: "kind of descriptor", found: kind }),
        }
    }
}

/// The message of charges with their rule.
pub(super) fn charge(charges: &[Charging], rule: &Rule) -> wire::Charge {
    let all_or_none = match rule {
        Rule::AllOrNone(combining) => Some(combining.into()),
        Rule::Each | Rule::All => None,
    };
    let charges = charges.iter().map(wire::Charging::from).collect();
    wire::Charge { charges, all_or_none, all: *rule == Rule::All }
}

/// Charges with their rule.
pub(super) fn read_charge(found: wire::Charge) -> Result<(Vec<Charging>, Rule), Malformed> {
    let rule = match (found.all_or_none, found.all) {
        (Some(combining), _) => Rule::AllOrNone(combining.try_into()?),
        (None, true) => Rule::All,
        (None, false) => Rule::Each,
    };
    Ok((all(CHARGES_MAX, "charges", found.charges)?, rule))
}

pub(super) fn name(of: Option<&Arc<str>>) -> Option<String> {
    of.map(|name| cut(name).to_owned())
}

pub(super) fn read_name(found: Option<String>) -> Result<Option<Arc<str>>, Malformed> {
    found.map(|name| text(name).map(Arc::from)).transpose()
}
