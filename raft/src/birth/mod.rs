//! The founding of a cluster from a fixed list of nodes that keep nothing on disk.
//!
//! A node that starts cannot know whether it starts for the first time. So nothing is founded unless
//! *every* listed node answers, none belongs to a cluster and none ever did: a majority of empty
//! nodes is not enough, because a survivor that holds counters may be the one that is missing. The
//! node of the smallest name founds. This file judges what was heard and is pure.

mod ask;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use self::ask::{Found, found, hello};
use crate::meta::ClusterId;
use crate::types::NodeId;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Own {
    /// Its name.
    pub(crate) name: String,
    /// This start of it.
    pub(crate) id: NodeId,
    /// Every node's address by its name, its own too.
    pub(crate) peers: BTreeMap<String, String>,
}

/// What a node said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) name: String,
    pub(crate) id: NodeId,
    /// The names of the nodes that it was told of, its own too.
    pub(crate) names: BTreeSet<String>,
    pub(crate) cluster: Option<ClusterId>,
    /// The members of its cluster.
    pub(crate) members: BTreeSet<NodeId>,
    pub(crate) ever_initialised: bool,
}

/// What is to be done about what was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Somebody did not answer.
    Wait { missing: Vec<String> },
    /// Somebody else founds.
    Await { founder: String },
    /// This node founds, with these.
    Found(BTreeMap<String, NodeId>),
    /// The others are a cluster that this start is no member of.
    LeftOut { cluster: ClusterId, told_by: String },
    /// The nodes were told different things. People must repair it.
    Refused(String),
}

/// Judges what each listed node answered.
pub(crate) fn judge(own: &Own, heard: &BTreeMap<String, Answer>) -> Verdict {
    if let Some(reason) = own.peers.iter().find_map(|peer| misplaced(own, peer, heard)) {
        return Verdict::Refused(reason);
    }
    let clusters = heard.iter().filter_map(|(name, answer)| Some((name, answer, answer.cluster?)));
    let (ours, others): (Vec<_>, Vec<_>) =
        clusters.partition(|(_, answer, _)| answer.members.contains(&own.id));
    if let Some((told_by, _, cluster)) = others.first() {
        return Verdict::LeftOut { cluster: *cluster, told_by: (*told_by).clone() };
    }
    let names: BTreeSet<_> = own.peers.keys().cloned().collect();
    if let Some(other) = heard.values().find(|answer| answer.names != names) {
        let told: Vec<_> = other.names.iter().map(String::as_str).collect();
        let (name, told) = (&other.name, told.join(", "));
        return Verdict::Refused(format!("{name} was told of other nodes than this one: {told}"));
    }
    let founder = own.peers.keys().next().cloned().unwrap_or_default();
    if !ours.is_empty() {
        // The others are founded, and this node hears of it in a moment.
        return Verdict::Await { founder };
    }
    if let Some(other) = heard.values().find(|answer| answer.ever_initialised) {
        let name = &other.name;
        return Verdict::Refused(format!("{name} was a member of a cluster that it lost"));
    }
    let missing = own.peers.keys().filter(|name| !heard.contains_key(*name));
    let missing: Vec<_> = missing.cloned().collect();
    if !missing.is_empty() {
        return Verdict::Wait { missing };
    }
    if founder != own.name {
        return Verdict::Await { founder };
    }
    Verdict::Found(heard.iter().map(|(name, answer)| (name.clone(), answer.id)).collect())
}

/// Why the process at a peer's address is not the one that the list means.
fn misplaced(
    own: &Own,
    (name, address): (&String, &String),
    heard: &BTreeMap<String, Answer>,
) -> Option<String> {
    let answer = heard.get(name)?;
    if answer.name != *name {
        let other = &answer.name;
        return Some(format!("{address} should be {name}, but {other} answers there"));
    }
    if *name == own.name && answer.id != own.id {
        return Some(format!(
            "another process answers at {address}, the address of this node: two have the name {name}, or the address is wrong"
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(name: &str) -> Own {
        let id = u64::from(name.as_bytes()[0]);
        let peers = ["a", "b", "c"].map(|peer| (peer.to_owned(), format!("{peer}:7600")));
        Own { name: name.into(), id, peers: peers.into() }
    }

    fn all() -> BTreeMap<String, Answer> {
        let answer = |name: &str| Answer {
            name: name.into(),
            id: own(name).id,
            names: own(name).peers.into_keys().collect(),
            cluster: None,
            members: BTreeSet::new(),
            ever_initialised: false,
        };
        ["a", "b", "c"].map(|name| (name.to_owned(), answer(name))).into()
    }

    fn told(heard: &mut BTreeMap<String, Answer>, name: &str, change: impl FnOnce(&mut Answer)) {
        change(heard.get_mut(name).unwrap());
    }

    #[test]
    fn the_smallest_name_founds_when_all_answer() {
        let ids = BTreeMap::from([("a".into(), 97), ("b".into(), 98), ("c".into(), 99)]);
        assert_eq!(judge(&own("a"), &all()), Verdict::Found(ids));
        let wait = Verdict::Await { founder: "a".into() };
        assert_eq!(judge(&own("b"), &all()), wait);
        assert_eq!(judge(&own("c"), &all()), wait);
    }

    #[test]
    fn a_majority_of_empty_nodes_founds_nothing() {
        for name in ["b", "c"] {
            let mut heard = all();
            heard.remove(name);
            assert_eq!(judge(&own("a"), &heard), Verdict::Wait { missing: vec![name.into()] });
        }
    }

    #[test]
    fn a_node_that_comes_back_is_left_out_by_any_survivor() {
        let mut heard = all();
        told(&mut heard, "c", |c| {
            c.cluster = Some(ClusterId(7));
            c.members = BTreeSet::from([1, 98, 99]);
        });
        let left_out = Verdict::LeftOut { cluster: ClusterId(7), told_by: "c".into() };
        assert_eq!(judge(&own("a"), &heard), left_out);
        heard.remove("b");
        assert_eq!(judge(&own("a"), &heard), left_out);
    }

    #[test]
    fn a_member_that_was_not_told_yet_waits() {
        let mut heard = all();
        told(&mut heard, "a", |a| {
            a.cluster = Some(ClusterId(7));
            a.members = BTreeSet::from([97, 98, 99]);
        });
        assert_eq!(judge(&own("b"), &heard), Verdict::Await { founder: "a".into() });
    }

    #[test]
    fn wrong_names_and_addresses_are_told_of() {
        let refused = |change: &dyn Fn(&mut BTreeMap<String, Answer>)| {
            let mut heard = all();
            change(&mut heard);
            match judge(&own("a"), &heard) {
                Verdict::Refused(reason) => reason,
                other => panic!("{other:?}"),
            }
        };
        let other_name = refused(&|heard| told(heard, "b", |b| b.name = "c".into()));
        assert!(other_name.contains("b:7600") && other_name.contains('c'), "{other_name}");
        let two_of_a_name = refused(&|heard| told(heard, "a", |a| a.id = 1));
        assert!(two_of_a_name.contains("a:7600"), "{two_of_a_name}");
        let other_list = refused(&|heard| {
            told(heard, "b", |b| drop(b.names.insert("d".into())));
        });
        assert!(other_list.contains("a, b, c, d"), "{other_list}");
        let lost = refused(&|heard| told(heard, "b", |b| b.ever_initialised = true));
        assert!(lost.contains('b'), "{lost}");
    }
}
