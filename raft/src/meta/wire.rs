//! A [`Spec`] as a message and back.

use tollgate_core::command::Bounds;
use tollgate_proto::peer as message;

use super::spec::{ClusterId, Founder, Spec};
use crate::types::Member;

/// Why a message is no [`Spec`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSpec {
    /// The cluster's id or the secret is not 16 bytes.
    #[error("an id or a secret has the wrong length")]
    Length,
    /// A bound is greater than this machine can count.
    #[error("a bound is greater than this machine can count")]
    Bound,
    /// Members or groups are beyond their bounds, or an id or name stands twice.
    #[error("members or groups make no cluster")]
    Members,
}

impl ClusterId {
    /// Its 16 bytes.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// From its 16 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(u128::from_be_bytes(bytes.try_into().ok()?)))
    }
}

impl Spec {
    /// The whole spec, its secret too.
    pub(crate) fn to_message(&self) -> message::Spec {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        message::Spec {
            cluster: self.cluster.to_bytes().to_vec().into(),
            key_secret: self.key_secret.to_vec().into(),
            groups: self.groups,
            keys_max: count(self.bounds.keys_max),
            bytes_max: count(self.bounds.bytes_max),
            reservations_max: count(self.bounds.reservations_max),
            members: self.members.iter().map(member).collect(),
            epoch: self.epoch,
        }
    }

    pub(crate) fn from_message(spec: message::Spec) -> Result<Self, BadSpec> {
        let count = |number: u64| usize::try_from(number).map_err(|_| BadSpec::Bound);
        let bounds = Bounds {
            keys_max: count(spec.keys_max)?,
            bytes_max: count(spec.bytes_max)?,
            reservations_max: count(spec.reservations_max)?,
        };
        let founder = |member: message::Member| Founder {
            id: member.id,
            member: Member { name: member.name, address: member.address },
        };
        Self {
            cluster: ClusterId::from_bytes(&spec.cluster).ok_or(BadSpec::Length)?,
            key_secret: spec.key_secret.as_ref().try_into().map_err(|_| BadSpec::Length)?,
            groups: spec.groups,
            bounds,
            members: spec.members.into_iter().map(founder).collect(),
            epoch: spec.epoch,
        }
        .checked()
        .ok_or(BadSpec::Members)
    }
}

fn member(founder: &Founder) -> message::Member {
    let Member { name, address } = founder.member.clone();
    message::Member { id: founder.id, name, address }
}
