//! Every word, with its code, status and details.

use super::*;
use crate::access::{Forbidden, Permission};

#[test]
fn every_word_has_its_codes_and_says_that_nothing_was_executed() {
    let malformed = tollgate_proto::v1::Fault::Missing.at("subject");
    let table = [
        (Failure::from(malformed), "bad_request", Code::InvalidArgument, 400),
        (Refused::unknown_limit("x").into(), "unknown_limit", Code::NotFound, 404),
        (Failure::UnknownReservation, "unknown_reservation", Code::NotFound, 404),
        (Failure::NoCounter("0".into()), "no_counter", Code::NotFound, 404),
        (Rejected::Unknown.into(), "unauthenticated", Code::Unauthenticated, 401),
        (
            Forbidden::Permission(Permission::Refund).into(),
            "permission_denied",
            Code::PermissionDenied,
            403,
        ),
        (Failure::IdempotencyConflict, "idempotency_conflict", Code::AlreadyExists, 409),
        (Failure::DeadlineExceeded, "deadline_exceeded", Code::DeadlineExceeded, 504),
        (Failure::IdempotencyFull, "idempotency_full", Code::ResourceExhausted, 503),
        (Failure::ReservationsFull, "reservations_full", Code::ResourceExhausted, 503),
        (Failure::NoRoom(NoRoom), "no_room", Code::ResourceExhausted, 503),
        (Unavailable::LedgerFull.into(), "ledger_full", Code::Unavailable, 503),
        (Unavailable::NotLoaded.into(), "not_loaded", Code::Unavailable, 503),
        (Failure::StreamEnded, "stream_ended", Code::Unavailable, 503),
    ];
    for (failure, word, code, http) in table {
        assert_eq!((failure.word(), failure.code()), (word, code));
        assert_eq!(failure.http_status().as_u16(), http, "{word}");
        let status = Status::from(&failure);
        let details = status.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!((status.code(), &*info.domain), (code, "tollgate"));
        assert_eq!(info.reason, word.to_uppercase());
        assert_eq!(info.metadata.get("executed").map(String::as_str), Some("no"), "{word}");
        assert_eq!(failure.of_several().reason, info.reason);
        assert!(!failure.of_several().executed);
    }
}

#[test]
fn what_may_have_been_executed_is_not_denied() {
    let partly = Failure::Unavailable { error: Unavailable::LedgerFull, executed: true };
    for failure in [Failure::Internal, partly] {
        let info = Status::from(&failure).get_error_details().error_info().unwrap().clone();
        assert!(info.metadata.is_empty(), "{failure}");
        assert!(failure.of_several().executed);
    }
}

#[test]
fn who_is_not_known_is_told_how_to_be() {
    for (failure, asked) in [
        (Failure::from(Rejected::Needed(Permission::Refund)), Some("Bearer")),
        (Rejected::Missing.into(), Some("Bearer")),
        (Forbidden::Permission(Permission::Refund).into(), None),
    ] {
        let headers = Status::from(&failure).into_http::<()>().into_parts().0.headers;
        let told = headers.get("www-authenticate").map(|value| value.to_str().unwrap());
        assert_eq!(told, asked, "{failure}");
    }
}

#[test]
fn a_wrong_field_and_a_known_wait_have_details_of_their_own() {
    let failure = Failure::from(tollgate_proto::v1::Fault::Missing.at("subject.kind"));
    let details = Status::from(&failure).get_error_details();
    let [violation] = &details.bad_request().unwrap().field_violations[..] else { panic!() };
    assert_eq!(violation.field, "subject.kind");
    let details = Status::from(&Failure::IdempotencyFull).get_error_details();
    assert_eq!(details.retry_info().unwrap().retry_delay, Some(REMEMBERED));
}
