//! What a cluster is: its name among clusters, its members, the secret of its keys.

use std::collections::BTreeSet;
use std::fmt;

use tollgate_core::command::{Bounds, KeySlot};
use tollgate_core::key::KeySecret;

use crate::types::{Member, NodeId};

/// Members of a cluster, at most. A quorum of more is slower and survives nothing more that happens.
pub const MEMBERS_MAX: usize = 9;

/// Groups of counters, at most: a reservation names its groups in one byte.
pub const GROUPS_MAX: u32 = 8;

/// Bytes of a node's name, at most: it is a label of metrics and logs.
pub const NAME_BYTES_MAX: usize = 63;

/// Whether this can be a node's name: 1 to [`NAME_BYTES_MAX`] of letters, digits, `-`, `_` and `.`.
pub fn is_name(name: &str) -> bool {
    let is_of_it = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_of_it)
}

/// Tells a cluster from all others: random, made at its founding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub u128);

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A member at the founding: one start of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Founder {
    /// This start.
    pub id: NodeId,
    /// What the log says of it.
    pub member: Member,
}

/// What a cluster is from its founding on. Valid by construction: members and groups within their
/// bounds, no id or name twice.
#[derive(Clone, PartialEq, Eq)]
pub struct Spec {
    pub(super) cluster: ClusterId,
    pub(super) key_secret: [u8; 16],
    pub(super) groups: u32,
    pub(super) bounds: Bounds,
    pub(super) members: Vec<Founder>,
    pub(super) epoch: u64,
}

impl Spec {
    /// The first spec of a cluster; nothing if members or groups are beyond their bounds, an id is
    /// zero, or an id or name stands twice.
    pub fn new(
        cluster: ClusterId,
        key_secret: [u8; 16],
        groups: u32,
        bounds: Bounds,
        members: Vec<Founder>,
    ) -> Option<Self> {
        Self { cluster, key_secret, groups, bounds, members, epoch: 1 }.checked()
    }

    pub(super) fn checked(mut self) -> Option<Self> {
        let ids: BTreeSet<_> = self.members.iter().map(|founder| founder.id).collect();
        let names: BTreeSet<_> = self.members.iter().map(|founder| &founder.member.name).collect();
        let is_right = (1..=MEMBERS_MAX).contains(&self.members.len())
            && (1..=GROUPS_MAX).contains(&self.groups)
            && ids.len() == self.members.len()
            && names.len() == self.members.len()
            && !ids.contains(&0)
            && names.iter().all(|name| is_name(name));
        self.members.sort_by(|one, other| one.member.name.cmp(&other.member.name));
        is_right.then_some(self)
    }

    /// Which cluster.
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// The secret that its keys are hashed with.
    pub fn key_secret(&self) -> KeySecret {
        KeySecret::new(self.key_secret)
    }

    /// Groups of counters, numbered from 1.
    pub fn groups(&self) -> u32 {
        self.groups
    }

    /// What each group of counters may hold.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// In the order of their names.
    pub fn members(&self) -> &[Founder] {
        &self.members
    }

    /// Which assignment of slots to groups this is.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The group that a slot's keys are in.
    pub fn group(&self, slot: KeySlot) -> u32 {
        group_of(slot, self.groups)
    }

    /// The member of this id.
    pub fn member(&self, id: NodeId) -> Option<&Member> {
        self.members.iter().find(|founder| founder.id == id).map(|founder| &founder.member)
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spec")
            .field("cluster", &self.cluster)
            .field("groups", &self.groups)
            .field("bounds", &self.bounds)
            .field("members", &self.members)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

/// The group that a slot's keys are in, of so many groups of counters; they count from 1.
pub(crate) fn group_of(slot: KeySlot, groups: u32) -> u32 {
    1 + u32::from(slot.0) % groups.max(1)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn founder(id: NodeId, name: &str) -> Founder {
        Founder { id, member: Member { name: name.into(), address: format!("{name}:7600") } }
    }

    pub(crate) fn three(cluster: u128) -> Spec {
        let bounds = Bounds { keys_max: 1_000, bytes_max: 1 << 20, reservations_max: 10 };
        let members = vec![founder(3, "c"), founder(1, "a"), founder(2, "b")];
        Spec::new(ClusterId(cluster), [7; 16], 3, bounds, members).unwrap()
    }

    #[test]
    fn every_slot_has_a_group_and_every_group_slots() {
        let spec = three(1);
        let groups: BTreeSet<_> = (0..4_096).map(|slot| spec.group(KeySlot(slot))).collect();
        assert_eq!(groups, BTreeSet::from([1, 2, 3]));
    }

    #[test]
    fn no_spec_has_an_id_or_name_twice() {
        let spec = |members| Spec::new(ClusterId(1), [7; 16], 3, three(1).bounds(), members);
        assert!(spec(vec![founder(1, "a"), founder(1, "b")]).is_none());
        assert!(spec(vec![founder(1, "a"), founder(2, "a")]).is_none());
        assert!(spec(vec![founder(0, "a")]).is_none());
        assert!(spec(vec![founder(1, "a b")]).is_none());
        assert!(spec(Vec::new()).is_none());
        assert!(spec(vec![founder(1, "a")]).is_some());
    }

    #[test]
    fn the_key_secret_is_in_no_text() {
        let text = format!("{:?}", three(1));
        assert!(!text.contains('7') || !text.contains("[7"), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}
