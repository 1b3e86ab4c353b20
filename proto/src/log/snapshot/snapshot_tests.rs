//! A replica that was written down and read again is the same replica.

use std::time::Duration;

use proptest::prelude::*;
use prost::Message as _;
use prost::bytes::{Bytes, BytesMut};
use tollgate_core::command::Command;
use tollgate_core::limit::{Algorithm, Quota, Unit};
use tollgate_core::replica::{Batch, Replica, Session};

use super::super::generated as wire;
use super::super::rig::*;
use super::*;
use wire::record::Record as Kind;

fn bounded() -> Replica {
    let mut replica = Replica::new();
    replica.apply(&batch(0, vec![call(Command::Bound(BOUNDS))]));
    replica
}

fn written(replica: &Replica) -> Vec<Bytes> {
    chunks(replica.view()).collect()
}

fn read(chunks: impl IntoIterator<Item = Bytes>) -> Result<Replica, BadSnapshot> {
    let mut builder = Builder::new();
    chunks.into_iter().try_for_each(|chunk| builder.push(chunk))?;
    builder.finish()
}

/// One with something of everything in it.
fn rich() -> Replica {
    let mut replica = bounded();
    let quotas =
        [Algorithm::FixedWindow, Algorithm::SlidingWindow, Algorithm::TokenBucket { burst: 9 }]
            .map(|algorithm| Quota { algorithm, ..Quota::per_unit(5, Unit::Minute) });
    let penalised = Quota { penalty_max: Some(Duration::from_secs(60)), ..quotas[0] };
    let calls = quotas.into_iter().chain([penalised]).zip(1..);
    let mut calls: Vec<_> = calls.map(|(quota, number)| hit(charging(number, quota))).collect();
    let fingerprint = tollgate_core::key::Fingerprint::from_halves(1, 2);
    calls[1].once = Some(tollgate_core::command::Once { key: "word".into(), fingerprint });
    let holding = tollgate_core::command::Holding {
        charging: charging(3, quotas[2]),
        is_fixed: false,
        name: Some("name".into()),
    };
    calls.push(call(Command::Hold {
        id: tollgate_core::key::ReservationId::from_halves(7, 8),
        hold_for: Duration::from_secs(60),
        holdings: vec![holding],
        combining: tollgate_core::command::Combining {
            items: vec![tollgate_core::command::Shown::Counted(0..1)],
            modes: tollgate_core::decision::Modes::default(),
        },
    }));
    let session = Some(Session { node: 5, seq: 6 });
    replica.apply(&Batch { session, ..batch(SECOND, calls) });
    // A place that is free again.
    let key = charging(1, quotas[0]).key;
    replica.apply(&batch(SECOND, vec![call(Command::Forget { keys: vec![key] })]));
    replica
}

fn records(chunks: &[Bytes]) -> Vec<wire::Record> {
    let decoded = chunks.iter().map(|chunk| wire::Chunk::decode(chunk.clone()).unwrap());
    decoded.flat_map(|chunk| chunk.records).collect()
}

fn of_records(records: Vec<wire::Record>) -> Vec<Bytes> {
    vec![wire::Chunk { records }.encode_to_vec().into()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Against one that was never written down: the same answers, and the same bytes.
    #[test]
    fn a_replica_that_was_read_goes_on_as_the_one_that_was_written(
        steps in proptest::collection::vec((0..SECOND, any_batch(), any::<bool>()), 1..20),
    ) {
        let (mut plain, mut moved) = (bounded(), bounded());
        let mut nanos = 0;
        for (pause, mut batch, is_moved) in steps {
            nanos += pause;
            batch.at = at(nanos);
            batch.session = batch.session.map(|of| Session { seq: of.seq % 8, ..of });
            if is_moved {
                moved = read(written(&moved)).unwrap();
            }
            prop_assert_eq!(plain.apply(&batch), moved.apply(&batch));
        }
        prop_assert_eq!(written(&plain), written(&moved));
    }
}

#[test]
fn an_empty_replica_is_one_chunk() {
    let chunks = written(&Replica::new());
    assert_eq!(chunks.len(), 1);
    let replica = read(chunks.clone()).unwrap();
    assert_eq!((replica.bounds(), written(&replica)), (None, chunks));
}

#[test]
fn chunks_are_bounded_and_each_is_read_by_itself() {
    let mut replica = Replica::new();
    let bounds = tollgate_core::command::Bounds { keys_max: 100_000, bytes_max: 1 << 30, ..BOUNDS };
    replica.apply(&batch(0, vec![call(Command::Bound(bounds))]));
    let quota = Quota::per_unit(5, Unit::Hour);
    let keys = 30_000;
    for from in (0..keys).step_by(1_000) {
        let calls = (from..from + 1_000).map(|number| hit(charging(number, quota)));
        replica.apply(&batch(1, calls.collect()));
    }
    let chunks = written(&replica);
    assert!(chunks.len() >= 3, "{}", chunks.len());
    assert!(chunks.iter().all(|chunk| chunk.len() <= CHUNK_BYTES_MAX));
    let (_, full) = chunks.split_last().unwrap();
    assert!(full.iter().all(|chunk| (CHUNK_BYTES..CHUNK_BYTES + 200).contains(&chunk.len())));
    let bytes: usize = chunks.iter().map(Bytes::len).sum();
    assert!(bytes < 100 * keys as usize, "{bytes}");
    let again = read(chunks.clone()).unwrap();
    assert_eq!(again.totals(), replica.totals());
    assert_eq!(written(&again), chunks);
}

#[test]
fn no_single_damaged_byte_does_harm() {
    let chunks = written(&rich());
    let [chunk] = &chunks[..] else { panic!("{}", chunks.len()) };
    let mut told = 0;
    for at in 0..chunk.len() {
        let mut bytes = BytesMut::from(&chunk[..]);
        bytes[at] ^= 1 << (at % 8);
        told += usize::from(read([bytes.freeze()]).is_err());
    }
    // A changed number is a number: the carrier's checksum is what tells it.
    assert!(told > chunk.len() / 4, "{told} of {}", chunk.len());
    for length in 0..chunk.len() {
        assert!(read([chunk.slice(..length)]).is_err(), "{length}");
    }
}

#[test]
fn a_record_that_is_lost_doubled_or_moved_is_told() {
    let all = records(&written(&rich()));
    assert!(read(of_records(all.clone())).is_ok());
    for at in 0..all.len() {
        let mut lost = all.clone();
        let record = lost.remove(at);
        assert!(read(of_records(lost.clone())).is_err(), "without {record:?}");
        let mut doubled = all.clone();
        doubled.insert(at, record.clone());
        assert!(read(of_records(doubled)).is_err(), "twice {record:?}");
        let kind = |record: &wire::Record| record.record.as_ref().map(std::mem::discriminant);
        if kind(&all[0]) != kind(&record) {
            lost.insert(0, record.clone());
            assert!(read(of_records(lost)).is_err(), "first {record:?}");
        }
    }
    let mut unknown = all;
    unknown.insert(1, wire::Record { record: None });
    let told = read(of_records(unknown)).unwrap_err();
    assert_eq!(told, BadSnapshot::Malformed(Malformed::Missing("a record that is known")));
}

#[test]
fn more_than_is_possible_is_refused() {
    let changed = |change: fn(&mut Kind)| {
        let mut all = records(&written(&rich()));
        all.iter_mut().filter_map(|record| record.record.as_mut()).for_each(change);
        read(of_records(all)).unwrap_err()
    };
    let too_many_places = changed(|record| {
        if let Kind::Shard(shard) = record {
            shard.places = u32::MAX;
        }
    });
    assert_eq!(too_many_places.to_string(), "4294967295 places of a shard are more than 65535");
    let too_few_shards = changed(|record| {
        if let Kind::Head(head) = record {
            head.shards = 3;
        }
    });
    assert_eq!(too_few_shards, BadSnapshot::OutOfPlace("a shard"));
    let wrong_count = changed(|record| {
        if let Kind::Tail(tail) = record {
            tail.places += 1;
        }
    });
    assert_eq!(wrong_count, BadSnapshot::Counted { what: "places", found: 3, expected: 4 });
    let huge = Bytes::from(vec![0; CHUNK_BYTES_MAX + 1]);
    let told = read([huge]).map(|_| ()).unwrap_err().to_string();
    assert_eq!(told, "4194305 bytes of a chunk are more than 4194304");
}
