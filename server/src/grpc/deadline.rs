//! `grpc-timeout`: how long a caller waits for its answer.

use std::time::Duration;

use http::HeaderMap;

const HEADER: &str = "grpc-timeout";

/// Digits of a timeout.
const DIGITS_MAX: usize = 8;

/// The timeout that a call's head names; none if there is none or it is malformed. Source: the
/// gRPC specification over HTTP/2, `Timeout`.
pub(super) fn of(head: &HeaderMap) -> Option<Duration> {
    parse(head.get(HEADER)?.to_str().ok()?)
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let is_number = (1..=DIGITS_MAX).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = if is_number { digits.parse().ok()? } else { return None };
    Some(match unit {
        "H" => Duration::from_secs(number * 3_600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_up_to_eight_digits_and_a_unit() {
        for (text, expected) in [
            ("20m", Some(Duration::from_millis(20))),
            ("1S", Some(Duration::from_secs(1))),
            ("2M", Some(Duration::from_secs(120))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3_600))),
            ("250000u", Some(Duration::from_millis(250))),
            ("7n", Some(Duration::from_nanos(7))),
            ("0m", Some(Duration::ZERO)),
            ("123456789m", None),
            ("m", None),
            ("", None),
            ("5", None),
            ("5s", None),
            ("+5S", None),
            ("-5S", None),
            (" 5S", None),
            ("5 S", None),
            ("5ä", None),
            ("1.5S", None),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }
}
