//! The record: bounded, and in order of ends.

use super::*;
use crate::key::KeySecret;
use crate::time::Wall;

const SECRET: KeySecret = KeySecret::new([1; 16]);

fn at(nanos: u64) -> Now {
    Now { log: LogTime::from_nanos(nanos), epoch: Wall::from_nanos(nanos) }
}

fn reservation(number: u64, end: u64, parts: usize) -> Reservation {
    let (id, end) = (SECRET.reservation_id(number), LogTime::from_nanos(end));
    let quota = crate::limit::Quota::per_unit(1, crate::limit::Unit::Second);
    let part = Part {
        key: SECRET.begin("d").finish(quota.shape(0)),
        quota,
        domain: crate::key::DomainTag(1),
        text: "d".into(),
        cost: Cost::Told,
        is_held: true,
        is_enforced: true,
        name: None,
        shadow: false,
        quota_mode: false,
    };
    Reservation {
        id,
        end,
        parts: vec![part; parts],
        combining: Combining { items: Vec::new(), modes: Modes::default() },
    }
}

fn made(record: &mut Reservations<u64>, end: u64, parts: usize) -> Result<ReservationId, Full> {
    let number = record.admit(parts)?;
    record.insert(reservation(number, end, parts), number);
    Ok(SECRET.reservation_id(number))
}

#[test]
fn it_is_bounded_in_reservations_and_in_their_parts() {
    let mut record = Reservations::new(2);
    let one = made(&mut record, 10, 7).unwrap();
    assert_eq!(made(&mut record, 10, 2), Err(Full));
    made(&mut record, 10, 1).unwrap();
    assert_eq!(made(&mut record, 10, 0), Err(Full));
    assert_eq!(record.take(one).map(|(_, number)| number), Some(1));
    assert!(record.take(one).is_none());
    made(&mut record, 10, 7).unwrap();
    assert_eq!(made(&mut Reservations::new(0), 10, 0), Err(Full));
}

#[test]
fn an_ended_reservation_is_not_found_and_the_sweep_takes_it_in_order() {
    let mut record = Reservations::new(10);
    let late = made(&mut record, 20, 1).unwrap();
    let early = made(&mut record, 10, 1).unwrap();
    assert!(record.find(early, at(9)).is_some());
    assert!(record.find(early, at(10)).is_none());
    assert!(record.sweep_one(at(9)).is_none());
    assert_eq!(record.sweep_one(at(100)).map(|(one, _)| one.id), Some(early));
    assert_eq!(record.sweep_one(at(100)).map(|(one, _)| one.id), Some(late));
    assert!(record.sweep_one(at(100)).is_none());
    assert_eq!((record.len(), record.is_empty(), record.ended()), (0, true, 2));
}

#[test]
fn no_number_is_given_twice() {
    let mut record = Reservations::<u64>::new(1);
    let first = record.admit(1).unwrap();
    // The first was denied and not inserted.
    assert_ne!(record.admit(1).unwrap(), first);
}
