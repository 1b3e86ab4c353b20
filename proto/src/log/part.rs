//! Reservations and their parts.

use tollgate_core::key::{DomainTag, Key};
use tollgate_core::reservation::Reservation;
use tollgate_core::store::{Cost, Part};
use tollgate_core::time::LogTime;

use super::bounds::CHARGES_MAX;
use super::charging::{name, read_name};
use super::generated as wire;
use super::malformed::Malformed;
use super::plain::{all, cut, needed, text};

impl From<&Part> for wire::Part {
    fn from(part: &Part) -> Self {
        let fixed_cost = match part.cost {
            Cost::Told => None,
            Cost::Fixed(hits) => Some(hits),
        };
        Self {
            key_high: part.key.high(),
            key_low: part.key.low(),
            quota: Some((&part.quota).into()),
            domain: part.domain.0,
            text: cut(&part.text).to_owned(),
            fixed_cost,
            is_held: part.is_held,
            is_enforced: part.is_enforced,
            name: name(part.name.as_ref()),
            shadow: part.shadow,
            quota_mode: part.quota_mode,
        }
    }
}

impl TryFrom<wire::Part> for Part {
    type Error = Malformed;

    fn try_from(part: wire::Part) -> Result<Self, Malformed> {
        Ok(Self {
            key: Key::from_halves(part.key_high, part.key_low),
            quota: needed("the quota of a part", part.quota)?.try_into()?,
            domain: DomainTag(part.domain),
            text: text(part.text)?,
            cost: part.fixed_cost.map_or(Cost::Told, Cost::Fixed),
            is_held: part.is_held,
            is_enforced: part.is_enforced,
            name: read_name(part.name)?,
            shadow: part.shadow,
            quota_mode: part.quota_mode,
        })
    }
}

impl From<&Reservation> for wire::Reservation {
    fn from(reservation: &Reservation) -> Self {
        Self {
            id: Some(reservation.id.into()),
            end: reservation.end.as_nanos(),
            parts: reservation.parts.iter().map(wire::Part::from).collect(),
            combining: Some((&reservation.combining).into()),
        }
    }
}

impl TryFrom<wire::Reservation> for Reservation {
    type Error = Malformed;

    fn try_from(found: wire::Reservation) -> Result<Self, Malformed> {
        Ok(Self {
            id: needed("the name of a reservation", found.id)?.into(),
            end: LogTime::from_nanos(found.end),
            parts: all(CHARGES_MAX, "parts", found.parts)?,
            combining: needed("how parts combine", found.combining)?.try_into()?,
        })
    }
}
