//! Group 0: what the cluster itself is. Its first entry is the founding [`Spec`].
//!
//! Pure, like the counters' machine: the same entries in the same order make the same state. It
//! holds no list that grows, so its snapshot is one small message.

mod spec;
mod wire;

use bytes::Bytes;
use prost::Message as _;
use tollgate_proto::peer as message;

pub(crate) use spec::group_of;
pub use spec::{ClusterId, Founder, GROUPS_MAX, MEMBERS_MAX, NAME_BYTES_MAX, Spec, is_name};
pub use wire::BadSpec;

/// The number of the meta group; the counters' groups count from 1.
pub const META_GROUP: u32 = 0;

/// The state of group 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    spec: Option<Spec>,
    applied: u64,
}

/// Why a state of group 0 cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum BadMeta {
    /// It is no message of ours.
    #[error("the state of the meta group cannot be read: {0}")]
    Unreadable(#[from] prost::DecodeError),
    /// What it says makes no cluster.
    #[error(transparent)]
    Spec(#[from] BadSpec),
}

impl Meta {
    /// The state before the first entry.
    pub fn new() -> Self {
        Self::default()
    }

    /// The founding, once it is committed.
    pub fn spec(&self) -> Option<&Spec> {
        self.spec.as_ref()
    }

    /// Entries that were applied.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// The entry that founds a cluster.
    pub fn founding(spec: &Spec) -> Bytes {
        let kind = message::meta_entry::Kind::Found(spec.to_message());
        message::MetaEntry { kind: Some(kind) }.encode_to_vec().into()
    }

    /// Applies one entry. There is nothing to answer. An entry that makes no sense, or founds what is
    /// founded, changes nothing: every node sees it so.
    pub fn apply(&mut self, entry: &[u8]) -> Bytes {
        self.applied += 1;
        let kind = message::MetaEntry::decode(entry).ok().and_then(|entry| entry.kind);
        if let (None, Some(message::meta_entry::Kind::Found(spec))) = (&self.spec, kind) {
            self.spec = Spec::from_message(spec).ok();
        }
        Bytes::new()
    }

    /// The whole state as one message.
    pub fn encode(&self) -> Bytes {
        let spec = self.spec.as_ref().map(Spec::to_message);
        message::MetaState { spec, applied: self.applied }.encode_to_vec().into()
    }

    /// The state that [`Meta::encode`] wrote.
    ///
    /// # Errors
    ///
    /// If the bytes are not what `encode` wrote.
    pub fn decode(state: &[u8]) -> Result<Self, BadMeta> {
        let message::MetaState { spec, applied } = message::MetaState::decode(state)?;
        Ok(Self { spec: spec.map(Spec::from_message).transpose()?, applied })
    }
}

#[cfg(test)]
mod tests {
    use super::spec::tests::three;
    use super::*;

    #[test]
    fn the_first_founding_counts_and_no_other() {
        let mut meta = Meta::new();
        meta.apply(b"\xff\xff nonsense");
        assert_eq!(meta.spec(), None);
        meta.apply(&Meta::founding(&three(1)));
        meta.apply(&Meta::founding(&three(2)));
        assert_eq!(meta.spec(), Some(&three(1)));
        assert_eq!(meta.applied(), 3);
    }

    #[test]
    fn a_state_survives_its_snapshot() {
        let mut meta = Meta::new();
        assert_eq!(Meta::decode(&meta.encode()).unwrap(), meta);
        meta.apply(&Meta::founding(&three(1)));
        let encoded = meta.encode();
        assert_eq!(Meta::decode(&encoded).unwrap(), meta);
        for cut in 1..encoded.len() {
            let cut = Meta::decode(&encoded[..cut]);
            assert!(cut.is_err() || cut.unwrap() != meta);
        }
    }
}
