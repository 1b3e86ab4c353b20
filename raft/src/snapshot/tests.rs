//! What was spoiled on its way is never taken.

use std::collections::BTreeMap;

use bytes::Bytes;
use tollgate_core::command::Bounds;

use super::*;
use crate::machine::Machine;
use crate::meta::{ClusterId, Founder, META_GROUP, Meta, Spec};
use crate::types::{Member, Membership, NodeId, SnapshotMeta, log_id};

const WHOSE: Whose = Whose { cluster: ClusterId(0x1234_5678_9abc), group: META_GROUP };

fn members() -> BTreeMap<NodeId, Member> {
    let named = |name: &str| Member { name: name.to_owned(), address: format!("{name}:8084") };
    [(11, named("a")), (12, named("b")), (13, named("c"))].into()
}

fn state() -> (SnapshotMeta, View) {
    let mut meta = Meta::new();
    let founders = members().into_iter().map(|(id, member)| Founder { id, member }).collect();
    let bounds = Bounds { keys_max: 1_000, bytes_max: 1 << 20, reservations_max: 10 };
    let spec = Spec::new(WHOSE.cluster, [7; 16], 3, bounds, founders).expect("a spec");
    meta.apply(&Meta::founding(&spec));
    let membership = Membership::new(Some(log_id(1, 1)), members().into());
    let covers = SnapshotMeta { last_log_id: Some(log_id(4, 99)), last_membership: membership };
    (covers, Machine::Meta(meta).view())
}

fn frames() -> Vec<Bytes> {
    let (covers, view) = state();
    Packer::new(WHOSE, &covers, view).collect()
}

fn taken(whose: Whose, frames: &[Bytes]) -> Result<(SnapshotMeta, View), BadSnapshot> {
    let mut unpacker = Unpacker::new(whose);
    for frame in frames {
        unpacker.push(frame)?;
    }
    unpacker.finish().map(|(covers, data)| (covers, data.into_view()))
}

fn text(view: &View) -> String {
    format!("{view:?}")
}

#[test]
fn what_arrives_whole_is_what_was_sent() {
    let (covers, view) = state();
    let (told, taken) = taken(WHOSE, &frames()).expect("taken");
    assert_eq!(told, covers);
    assert_eq!(text(&taken), text(&view));
}

#[test]
fn no_flipped_bit_is_taken() {
    let frames = frames();
    assert_eq!(frames.len(), 3);
    for at in 0..frames.len() {
        for byte in 0..frames[at].len() {
            for bit in [0x01, 0x10, 0x80] {
                let mut spoiled = frames.clone();
                let mut frame = spoiled[at].to_vec();
                frame[byte] ^= bit;
                spoiled[at] = frame.into();
                let taken = taken(WHOSE, &spoiled);
                assert!(taken.is_err(), "frame {at}, byte {byte}, bit {bit:02x}: {taken:?}");
            }
        }
    }
}

#[test]
fn nothing_cut_short_missing_doubled_or_out_of_order_is_taken() {
    let frames = frames();
    for len in 0..frames.len() {
        assert_eq!(taken(WHOSE, &frames[..len]).err(), Some(BadSnapshot::Early));
    }
    for at in 0..frames.len() {
        let mut missing = frames.clone();
        missing.remove(at);
        assert!(taken(WHOSE, &missing).is_err());
        let mut doubled = frames.clone();
        doubled.insert(at, frames[at].clone());
        assert!(taken(WHOSE, &doubled).is_err());
        for cut in 0..frames[at].len() {
            let mut short = frames.clone();
            short[at].truncate(cut);
            assert!(taken(WHOSE, &short).is_err());
        }
        for other in at + 1..frames.len() {
            let mut swapped = frames.clone();
            swapped.swap(at, other);
            assert!(taken(WHOSE, &swapped).is_err());
        }
    }
    let mut trailed = frames.clone();
    trailed.push(frames[1].clone());
    assert_eq!(taken(WHOSE, &trailed).err(), Some(BadSnapshot::Order(2)));
}

#[test]
fn another_group_or_cluster_is_told_apart() {
    for whose in [Whose { group: 1, ..WHOSE }, Whose { cluster: ClusterId(9), ..WHOSE }] {
        assert_eq!(taken(whose, &frames()).err(), Some(BadSnapshot::Stranger(WHOSE)));
    }
}

#[test]
fn frames_of_two_snapshots_do_not_mix() {
    let first = frames();
    let (covers, _) = state();
    let mut other = Meta::new();
    other.apply(b"\xff");
    let second: Vec<_> = Packer::new(WHOSE, &covers, Machine::Meta(other).view()).collect();
    let mixed = [first[0].clone(), second[1].clone(), first[2].clone()];
    assert!(taken(WHOSE, &mixed).is_err());
    let mixed = [first[0].clone(), first[1].clone(), second[2].clone()];
    assert!(taken(WHOSE, &mixed).is_err());
}

#[test]
fn an_oversized_frame_is_refused_before_it_is_read() {
    let len = FRAME_BYTES_MAX + 1;
    let taken = taken(WHOSE, &[Bytes::from(vec![1; len])]);
    assert_eq!(taken.err(), Some(BadSnapshot::Length(len)));
}
