//! Batches and answers come back as they were, within bounds; what is none is told.

use std::time::Duration;

use proptest::prelude::*;
use prost::Message as _;
use prost::bytes::{BufMut as _, Bytes, BytesMut};
use tollgate_core::command::{Answer, Command, Rule};
use tollgate_core::key::Key;
use tollgate_core::limit::{Algorithm, Quota, Unit};
use tollgate_core::replica::Replica;
use tollgate_core::time::LogTime;

use super::rig::*;
use super::*;

/// The number of a field that no message has.
const UNKNOWN: u32 = 1_999;

fn with_unknown_fields(bytes: &[u8]) -> Bytes {
    let mut more = BytesMut::from(bytes);
    prost::encoding::string::encode(UNKNOWN, &"of a later version".to_owned(), &mut more);
    prost::encoding::uint64::encode(UNKNOWN + 1, &7, &mut more);
    more.freeze()
}

proptest! {
    #[test]
    fn a_batch_is_read_as_it_was_written(batch in any_batch()) {
        let bytes = encode_batch(&batch);
        prop_assert_eq!(stamp_of(&bytes), Some(batch.at));
        prop_assert_eq!(decode_batch(with_unknown_fields(&bytes)), Ok(batch.clone()));
        prop_assert_eq!(decode_batch(bytes), Ok(batch));
    }

    /// A batch is put together by three hands, and its time is found wherever it stands.
    #[test]
    fn a_batch_may_be_written_in_pieces(batch in any_batch()) {
        let mut pieces = BytesMut::new();
        batch.calls.iter().for_each(|call| encode_call(call, &mut pieces));
        if let Some(session) = batch.session {
            encode_session(session, &mut pieces);
        }
        prop_assert_eq!(stamp_of(&pieces), None);
        prop_assert_eq!(decode_batch(stamped(&pieces, batch.at)), Ok(batch.clone()));
        pieces.extend_from_slice(&stamped(&[], batch.at));
        prop_assert_eq!(stamp_of(&pieces), Some(batch.at));
        prop_assert_eq!(decode_batch(pieces.freeze()), Ok(batch));
    }

    #[test]
    fn answers_are_read_as_they_were_given(batches in proptest::collection::vec(any_batch(), 1..8)) {
        let mut replica = Replica::new();
        replica.apply(&batch(0, vec![call(Command::Bound(BOUNDS))]));
        let mut nanos = 0;
        for mut batch in batches {
            nanos += SECOND / 3;
            batch.at = at(nanos);
            let answers = replica.apply(&batch);
            let bytes = encode_answers(&answers);
            prop_assert_eq!(decode_answers(with_unknown_fields(&bytes)), Ok(answers.to_vec()));
        }
    }

    #[test]
    fn bytes_that_are_none_are_told(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        let _ = (stamp_of(&bytes), decode_batch(bytes.clone()), decode_answers(bytes));
    }

    /// What can be read although it was damaged can be applied.
    #[test]
    fn a_damaged_batch_does_no_harm(
        batch in any_batch(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = BytesMut::from(&encode_batch(&batch)[..]);
        for (index, byte) in damage {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        let Ok(batch) = decode_batch(bytes.freeze()) else { return Ok(()) };
        let mut replica = Replica::new();
        replica.apply(&super::rig::batch(0, vec![call(Command::Bound(BOUNDS))]));
        let answers = replica.apply(&batch);
        prop_assert_eq!(answers.len(), batch.calls.len());
        prop_assert_eq!(decode_answers(encode_answers(&answers)), Ok(answers.to_vec()));
    }
}

fn quota() -> Quota {
    let algorithm = Algorithm::TokenBucket { burst: 100 };
    Quota { algorithm, counts_refused: false, ..Quota::per_unit(1_000, Unit::Minute) }
}

#[test]
fn a_charge_with_a_text_of_40_bytes_takes_about_100() {
    let mut one = BytesMut::new();
    let charging = charging(1, quota());
    assert_eq!(charging.text.len(), 38);
    encode_call(&hit(charging), &mut one);
    assert!((80..=110).contains(&one.len()), "{}", one.len());
}

#[test]
fn the_largest_call_fits_into_a_batch() {
    let mut largest = charging(u64::MAX, quota());
    largest.text = "x".repeat(256).into();
    largest.quota.penalty_max = Some(Duration::MAX);
    let charges = vec![largest; CHARGES_MAX];
    let batch = batch(u64::MAX, vec![call(Command::Charge { charges, rule: Rule::All })]);
    let bytes = encode_batch(&batch);
    assert!(bytes.len() < BATCH_BYTES_MAX / 2, "{}", bytes.len());
    assert!(decode_batch(bytes).is_ok());
}

#[test]
fn what_is_beyond_a_bound_is_refused() {
    let too_many = |calls| decode_batch(encode_batch(&batch(0, calls))).unwrap_err().to_string();
    let charges = vec![charging(1, quota()); CHARGES_MAX + 1];
    let charge = call(Command::Charge { charges, rule: Rule::Each });
    assert_eq!(too_many(vec![charge]), "1025 charges are more than 1024");
    let keys = vec![Key::from_halves(0, 0); FORGET_MAX + 1];
    assert_eq!(too_many(vec![call(Command::Forget { keys })]), "129 keys are more than 128");
    let ticks = vec![call(Command::Tick); CALLS_MAX + 1];
    assert_eq!(too_many(ticks), "1025 calls are more than 1024");
    let long = Bytes::from(vec![0; BATCH_BYTES_MAX + 1]);
    let told = decode_batch(long).unwrap_err().to_string();
    assert_eq!(told, "1048577 bytes of a batch are more than 1048576");
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    let told = |change: fn(&mut generated::Charging)| {
        let mut charging = generated::Charging::from(&charging(1, quota()));
        change(&mut charging);
        let charge = generated::Charge { charges: vec![charging], ..Default::default() };
        let command = Some(generated::call::Command::Charge(charge));
        let calls = vec![generated::Call { once: None, command }];
        let at = Some(at(1).into());
        let batch = generated::Batch { at, session: None, calls };
        decode_batch(batch.encode_to_vec().into()).unwrap_err().to_string()
    };
    assert_eq!(told(|c| c.slot = 4_096), "4096 is no slot of keys");
    assert_eq!(told(|c| c.quota = None), "the quota of a charge is missing");
    assert_eq!(told(|c| c.text = "x".repeat(1_025)), "1025 bytes of a text are more than 1024");
    fn quota_of(charging: &mut generated::Charging) -> &mut generated::Quota {
        charging.quota.as_mut().unwrap()
    }
    assert_eq!(told(|c| quota_of(c).window = 999_999), "999999 is no window");
    assert_eq!(told(|c| quota_of(c).algorithm = 9), "9 is no algorithm");
    let mut unknown = BytesMut::from(&stamped(&[], at(1))[..]);
    // A call with a command of a later version, and one without any.
    for call in [&[0xfa, 0x7c, 0x00][..], &[]] {
        let mut with = unknown.clone();
        prost::encoding::encode_key(3, prost::encoding::WireType::LengthDelimited, &mut with);
        with.put_u8(call.len() as u8);
        with.extend_from_slice(call);
        let told = decode_batch(with.freeze()).unwrap_err();
        assert_eq!(told, Malformed::Missing("a command that is known"));
    }
    unknown.clear();
    assert_eq!(decode_batch(unknown.freeze()), Err(Malformed::Missing("the time of a batch")));
}

#[test]
fn a_long_text_is_cut_where_it_is_written() {
    let mut long = charging(1, quota());
    long.text = "ü".repeat(2_000).into();
    let batch = decode_batch(encode_batch(&batch(0, vec![hit(long)]))).unwrap();
    let Command::Charge { charges, .. } = &batch.calls[0].command else { panic!("{batch:?}") };
    assert_eq!(charges[0].text.len(), TEXT_BYTES_MAX);
}

#[test]
fn answers_keep_their_own_times() {
    let mut replica = Replica::new();
    replica.apply(&batch(0, vec![call(Command::Bound(BOUNDS))]));
    let once = tollgate_core::command::Once {
        key: "word".into(),
        fingerprint: tollgate_core::key::Fingerprint::from_halves(1, 2),
    };
    let again = tollgate_core::command::Call { once: Some(once), ..hit(charging(1, quota())) };
    replica.apply(&batch(5, vec![again.clone()]));
    let answers = replica.apply(&batch(9, vec![again, call(Command::Tick)]));
    let read = decode_answers(encode_answers(&answers)).unwrap();
    let times: Vec<_> = read.iter().map(|answered| answered.at.log).collect();
    assert_eq!(times, [LogTime::from_nanos(5), LogTime::from_nanos(9)]);
    assert_eq!(read[1].answer, Answer::Done);
}
