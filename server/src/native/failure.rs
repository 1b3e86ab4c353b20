//! Why a call of the native API has no answer, and the one mapping of that to each wire.

use std::collections::HashMap;
use std::time::Duration;

use http::StatusCode;
use tollgate_core::idempotency::REMEMBERED;
use tollgate_proto::v1::{CheckError, Malformed, Refused, to_duration};
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::access::{Forbidden, Refusal, Rejected};
use crate::budget::NoRoom;
use crate::decide::{Unavailable, Unreserved, Unsettled};

/// `ErrorInfo.domain`: whose reasons they are.
const DOMAIN: &str = "tollgate";

/// Why a call has no answer. Each word is part of the API: `docs/native-api.md` has the table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The message is refused.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A JSON body that cannot be read as the message; the field where it is known.
    #[error("{message}")]
    Unreadable {
        /// What is wrong.
        message: String,
        /// Where.
        field: Option<String>,
    },
    /// There is no open reservation of this name.
    #[error("there is no open reservation of this name: it ended, or was committed or cancelled")]
    UnknownReservation,
    /// There is no counter of this key (administration only).
    #[error("no counter {0}: it may have ended or been reset")]
    NoCounter(String),
    /// Nobody knows who calls.
    #[error(transparent)]
    Unauthenticated(#[from] Rejected),
    /// Whoever calls may not.
    #[error(transparent)]
    PermissionDenied(#[from] Forbidden),
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request in the last 10 seconds")]
    IdempotencyConflict,
    /// No more keys can be remembered.
    #[error("the node remembers as many idempotency keys as it may")]
    IdempotencyFull,
    /// No more reservations can be made.
    #[error("as many reservations are open as may be: raise ledger.reservations_max")]
    ReservationsFull,
    /// The caller does not wait any more.
    #[error("the deadline was over before it was decided")]
    DeadlineExceeded,
    /// No decision can be made now.
    #[error("{error}")]
    Unavailable {
        /// Why.
        error: Unavailable,
        /// Something may have been charged.
        executed: bool,
    },
    /// Calls in flight hold as much as they may.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// The stream ends, though not for anything that was asked.
    #[error("the stream has ended: the node drains, or nothing was asked for too long")]
    StreamEnded,
    /// A panic.
    #[error("internal error")]
    Internal,
}

impl Failure {
    /// Its word in JSON bodies and metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Refused(Refused::Malformed(_)) | Self::Unreadable { .. } => "bad_request",
            Self::Refused(Refused::UnknownLimit(_)) => "unknown_limit",
            Self::UnknownReservation => "unknown_reservation",
            Self::NoCounter(_) => "no_counter",
            Self::Unauthenticated(_) => "unauthenticated",
            Self::PermissionDenied(_) => "permission_denied",
            Self::IdempotencyConflict => "idempotency_conflict",
            Self::IdempotencyFull => "idempotency_full",
            Self::ReservationsFull => "reservations_full",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::Unavailable { error, .. } => error.word(),
            Self::NoRoom(_) => "no_room",
            Self::StreamEnded => "stream_ended",
            Self::Internal => "internal",
        }
    }

    /// The gRPC code.
    pub fn code(&self) -> Code {
        match self {
            Self::Refused(Refused::Malformed(_)) | Self::Unreadable { .. } => Code::InvalidArgument,
            Self::Refused(Refused::UnknownLimit(_))
            | Self::UnknownReservation
            | Self::NoCounter(_) => Code::NotFound,
            Self::Unauthenticated(_) => Code::Unauthenticated,
            Self::PermissionDenied(_) => Code::PermissionDenied,
            Self::IdempotencyConflict => Code::AlreadyExists,
            Self::IdempotencyFull | Self::ReservationsFull | Self::NoRoom(_) => {
                Code::ResourceExhausted
            }
            Self::DeadlineExceeded => Code::DeadlineExceeded,
            Self::Unavailable { .. } | Self::StreamEnded => Code::Unavailable,
            Self::Internal => Code::Internal,
        }
    }

    /// The HTTP status.
    pub fn http_status(&self) -> StatusCode {
        match self.code() {
            Code::InvalidArgument => StatusCode::BAD_REQUEST,
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::Unauthenticated => StatusCode::UNAUTHORIZED,
            Code::PermissionDenied => StatusCode::FORBIDDEN,
            Code::AlreadyExists => StatusCode::CONFLICT,
            Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            Code::ResourceExhausted | Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The field that is wrong, if one is.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Refused(Refused::Malformed(malformed)) => Some(&malformed.field),
            Self::Unreadable { field, .. } => field.as_deref(),
            _ => None,
        }
    }

    /// Whether it may have changed something.
    pub fn may_be_executed(&self) -> bool {
        matches!(self, Self::Internal | Self::Unavailable { executed: true, .. })
    }

    /// How long to wait before it is worth another try, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        // By then all that fills it has ended.
        matches!(self, Self::IdempotencyFull).then_some(REMEMBERED)
    }

    /// As the outcome of one check among several.
    pub(super) fn of_several(&self) -> CheckError {
        CheckError {
            code: self.code() as i32,
            reason: self.reason(),
            message: self.to_string(),
            executed: self.may_be_executed(),
            retry_after: self.retry_after().map(to_duration),
        }
    }

    /// `ErrorInfo.reason`.
    fn reason(&self) -> String {
        self.word().to_ascii_uppercase()
    }
}

impl From<&Failure> for Status {
    fn from(failure: &Failure) -> Self {
        let mut details = ErrorDetails::new();
        let executed = (!failure.may_be_executed()).then(|| ("executed".into(), "no".into()));
        let metadata: HashMap<String, String> = executed.into_iter().collect();
        details.set_error_info(failure.reason(), DOMAIN, metadata);
        if let Some(field) = failure.field() {
            details.add_bad_request_violation(field, failure.to_string());
        }
        if let Some(wait) = failure.retry_after() {
            details.set_retry_info(Some(wait));
        }
        let mut status = Self::with_error_details(failure.code(), failure.to_string(), details);
        if status.code() == Code::Unauthenticated {
            // As over HTTP (RFC 9110, 11.6.1).
            let bearer = MetadataValue::from_static("Bearer");
            status.metadata_mut().insert("www-authenticate", bearer);
        }
        status
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        Self::from(&failure)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Rejected(rejected) => rejected.into(),
            Refusal::Forbidden(forbidden) => forbidden.into(),
        }
    }
}

impl From<Malformed> for Failure {
    fn from(malformed: Malformed) -> Self {
        Self::Refused(malformed.into())
    }
}

impl From<Unavailable> for Failure {
    fn from(error: Unavailable) -> Self {
        match error {
            Unavailable::Conflict => Self::IdempotencyConflict,
            Unavailable::OnceFull => Self::IdempotencyFull,
            Unavailable::NotSent => Self::DeadlineExceeded,
            Unavailable::Senseless => Self::Internal,
            error => Self::Unavailable { error, executed: error.may_be_executed() },
        }
    }
}

impl From<Unreserved> for Failure {
    fn from(error: Unreserved) -> Self {
        match error {
            Unreserved::Full => Self::ReservationsFull,
            Unreserved::Unavailable(error) => error.into(),
        }
    }
}

impl From<Unsettled> for Failure {
    fn from(error: Unsettled) -> Self {
        match error {
            Unsettled::Unknown => Self::UnknownReservation,
            Unsettled::Unavailable(error) => error.into(),
        }
    }
}

#[cfg(test)]
#[path = "failure_tests.rs"]
mod tests;
