//! What one rate-limit call answered, read from the bytes and the trailers.
//!
//! Only what a client would act on is checked here: status, framing, the message itself. Whether
//! an answer is the expected one is the bench's business.

use bytes::Bytes;
use envoy_types::pb::envoy::service::ratelimit::v3::RateLimitResponse;
use http::{HeaderMap, StatusCode};
use prost::Message;
use thiserror::Error;

use crate::bodies::PREFIX_BYTES;

/// Why one call has no answer that counts.
#[derive(Debug, Error)]
pub enum CallError {
    /// The connection or the stream failed.
    #[error("HTTP/2: {0}")]
    Http2(#[from] h2::Error),
    /// The server answered with another HTTP status than 200.
    #[error("HTTP status {0}")]
    Http(StatusCode),
    /// The call ended without a `grpc-status`.
    #[error("the answer has no grpc-status")]
    NoStatus,
    /// The server refused the call.
    #[error("grpc-status {status}: {message}")]
    Refused {
        /// The status as sent.
        status: String,
        /// The message as sent, percent-encoded.
        message: String,
    },
    /// The answer is larger than any rate-limit answer can be.
    #[error("an answer of more than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
    /// The answer is not exactly one uncompressed gRPC message.
    #[error("the answer's {bytes} bytes are not one uncompressed gRPC message")]
    Framing {
        /// How many bytes came.
        bytes: usize,
    },
    /// The message is no `RateLimitResponse`.
    #[error("the answer does not decode: {0}")]
    Decode(#[from] prost::DecodeError),
}

/// Above this the driver stops reading: a rate-limit answer is some hundred bytes.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Checks the status that came with the headers or the trailers.
pub(crate) fn check_status(trailers: &HeaderMap) -> Result<(), CallError> {
    let status = trailers.get("grpc-status").ok_or(CallError::NoStatus)?;
    if status == "0" {
        return Ok(());
    }
    let message = trailers.get("grpc-message").map(|value| value.as_bytes()).unwrap_or_default();
    Err(CallError::Refused {
        status: String::from_utf8_lossy(status.as_bytes()).into_owned(),
        message: String::from_utf8_lossy(message).into_owned(),
    })
}

/// Decodes the one message of an answer.
pub(crate) fn decode(framed: &Bytes) -> Result<RateLimitResponse, CallError> {
    let malformed = CallError::Framing { bytes: framed.len() };
    let Some((&[compressed, l0, l1, l2, l3], message)) = framed.split_first_chunk::<PREFIX_BYTES>()
    else {
        return Err(malformed);
    };
    if compressed != 0 || u32::from_be_bytes([l0, l1, l2, l3]) as usize != message.len() {
        return Err(malformed);
    }
    Ok(RateLimitResponse::decode(message)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_one_message() {
        let answer = decode(&Bytes::from_static(b"\x00\x00\x00\x00\x02\x08\x02")).unwrap();
        assert_eq!(answer.overall_code, 2);
    }

    #[test]
    fn refuses_what_is_not_exactly_one_message() {
        for bytes in
            [&b""[..], b"\x00\x00\x00\x00", b"\x01\x00\x00\x00\x00", b"\x00\x00\x00\x00\x00!"]
        {
            let decoded = decode(&Bytes::from_static(bytes));
            assert!(matches!(decoded, Err(CallError::Framing { .. })), "{bytes:?}: {decoded:?}");
        }
    }

    #[test]
    fn a_status_other_than_zero_is_an_error() {
        let mut trailers = HeaderMap::new();
        assert!(matches!(check_status(&trailers), Err(CallError::NoStatus)));
        trailers.insert("grpc-status", "12".parse().unwrap());
        assert!(matches!(check_status(&trailers), Err(CallError::Refused { .. })));
        trailers.insert("grpc-status", "0".parse().unwrap());
        assert!(check_status(&trailers).is_ok());
    }
}
