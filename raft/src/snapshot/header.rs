//! The first frame: whose state it is, up to which entry, and who the members were.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf as _, Bytes};
use prost::Message as _;

use super::frame::{Kind, framed};
use super::{BadSnapshot, Whose};
use crate::meta::ClusterId;
use crate::types::{LogId, Member, Membership, NodeId, SnapshotMeta, log_id};

const MAGIC: [u8; 8] = *b"TOLLSNAP";

/// The form that this version writes, and the only one that it reads.
const VERSION: u16 = 1;

/// Members of a group, with those of the change that is under way.
const MEMBERS_MAX: usize = 64;

/// Sets of voters: two while a change is under way.
const VOTER_SETS_MAX: usize = 2;

/// Bytes of a member's name or address.
const TEXT_BYTES_MAX: usize = 512;

#[derive(Clone, PartialEq, prost::Message)]
struct Header {
    #[prost(fixed64, tag = "1")]
    cluster_high: u64,
    #[prost(fixed64, tag = "2")]
    cluster_low: u64,
    #[prost(uint32, tag = "3")]
    group: u32,
    #[prost(message, optional, tag = "4")]
    last: Option<Position>,
    #[prost(message, optional, tag = "5")]
    members_since: Option<Position>,
    #[prost(message, repeated, tag = "6")]
    voters: Vec<VoterSet>,
    #[prost(message, repeated, tag = "7")]
    members: Vec<Named>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Position {
    #[prost(uint64, tag = "1")]
    term: u64,
    #[prost(uint64, tag = "2")]
    index: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct VoterSet {
    #[prost(fixed64, repeated, tag = "1")]
    ids: Vec<NodeId>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Named {
    #[prost(fixed64, tag = "1")]
    id: NodeId,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    address: String,
}

/// The header of a snapshot.
pub(super) fn pack(whose: Whose, meta: &SnapshotMeta) -> Bytes {
    let membership = meta.last_membership.membership();
    let header = Header {
        cluster_high: (whose.cluster.0 >> 64) as u64,
        cluster_low: whose.cluster.0 as u64,
        group: whose.group,
        last: meta.last_log_id.map(position),
        members_since: meta.last_membership.log_id().map(position),
        voters: membership
            .get_joint_config()
            .iter()
            .map(|ids| VoterSet { ids: ids.iter().copied().collect() })
            .collect(),
        members: membership
            .nodes()
            .map(|(&id, member)| Named {
                id,
                name: member.name.clone(),
                address: member.address.clone(),
            })
            .collect(),
    };
    framed(Kind::Header, &[&MAGIC, &VERSION.to_le_bytes(), &header.encode_to_vec()])
}

/// What a header says, if it is of the group that it should be of.
pub(super) fn unpack(mut payload: Bytes, expected: Whose) -> Result<SnapshotMeta, BadSnapshot> {
    if payload.len() < MAGIC.len() + size_of_val(&VERSION) || !payload.starts_with(&MAGIC) {
        return Err(BadSnapshot::Magic);
    }
    payload.advance(MAGIC.len());
    let version = payload.get_u16_le();
    if version != VERSION {
        return Err(BadSnapshot::Version(version));
    }
    let header =
        Header::decode(payload).map_err(|_| BadSnapshot::Header("it is cut or mangled"))?;
    let cluster = u128::from(header.cluster_high) << 64 | u128::from(header.cluster_low);
    let whose = Whose { cluster: ClusterId(cluster), group: header.group };
    if whose != expected {
        return Err(BadSnapshot::Stranger(whose));
    }
    let last = header.last.ok_or(BadSnapshot::Header("it goes up to no entry"))?;
    let since = header.members_since.map(|since| log_id(since.term, since.index));
    Ok(SnapshotMeta {
        last_log_id: Some(log_id(last.term, last.index)),
        last_membership: Membership::new(since, members(header.voters, header.members)?),
    })
}

fn members(
    voters: Vec<VoterSet>,
    members: Vec<Named>,
) -> Result<openraft::Membership<NodeId, Member>, BadSnapshot> {
    let sizes = voters.iter().map(|set| set.ids.len());
    if voters.len() > VOTER_SETS_MAX || sizes.chain([members.len()]).any(|len| len > MEMBERS_MAX) {
        return Err(BadSnapshot::Header("it has too many members"));
    }
    let is_long = |text: &str| text.len() > TEXT_BYTES_MAX;
    if members.iter().any(|member| is_long(&member.name) || is_long(&member.address)) {
        return Err(BadSnapshot::Header("a member's name is too long"));
    }
    let voters: Vec<BTreeSet<NodeId>> =
        voters.into_iter().map(|set| set.ids.into_iter().collect()).collect();
    let named: BTreeMap<NodeId, Member> = members
        .into_iter()
        .map(|Named { id, name, address }| (id, Member { name, address }))
        .collect();
    if voters.is_empty() && named.is_empty() {
        return Ok(openraft::Membership::default());
    }
    openraft::Membership::new(voters, named)
        .map_err(|_| BadSnapshot::Header("a voter is no member"))
}

fn position(id: LogId) -> Position {
    Position { term: id.leader_id.term, index: id.index }
}
