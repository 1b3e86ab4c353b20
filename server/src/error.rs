//! Why a call is not answered with a decision, and the one mapping of that to each wire.

use http::StatusCode;
use tollgate_proto::ratelimit::Refusal;
use tonic::Status;

use crate::budget::NoRoom;
use crate::decide::Unavailable;

/// Why a call is not answered with a decision.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The message cannot be read as a request.
    #[error("{0}")]
    Unreadable(String),
    /// The message is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Calls in flight hold as much as they may.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// No decision can be made now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl CallError {
    /// A word for metrics and JSON bodies; part of the API.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unreadable(_) | Self::Refused(_) => "bad_request",
            Self::NoRoom(_) => "no_room",
            Self::Unavailable(unavailable) => unavailable.word(),
        }
    }

    /// The HTTP status.
    pub fn http_status(&self) -> StatusCode {
        match self {
            Self::Unreadable(_) | Self::Refused(_) => StatusCode::BAD_REQUEST,
            Self::Unavailable(Unavailable::Senseless) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NoRoom(_) | Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl From<CallError> for Status {
    fn from(error: CallError) -> Self {
        let text = error.to_string();
        match error {
            // UNKNOWN with exactly these texts is what clients of the reference service see.
            CallError::Refused(Refusal::EmptyDomain | Refusal::NoDescriptors)
            | CallError::Unavailable(Unavailable::NotLoaded) => Self::unknown(text),
            CallError::Unreadable(_) | CallError::Refused(_) => Self::invalid_argument(text),
            CallError::NoRoom(no_room) => no_room.into(),
            CallError::Unavailable(Unavailable::Senseless) => Self::internal(text),
            CallError::Unavailable(_) => Self::unavailable(text),
        }
    }
}
