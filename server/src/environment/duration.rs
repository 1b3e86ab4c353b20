//! Durations as Go writes them: `10s`, `1m30s`, `1.5h`, `300ms`.

use std::time::Duration;

/// Units, with those that begin like another one first; in nanoseconds.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Digits behind a point that count: a nanosecond of the longest unit.
const FRACTION_DIGITS_MAX: usize = 13;

/// The duration that `text` spells; none for a negative one, any other text, and beyond 584 years.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let text = text.strip_prefix('+').unwrap_or(text);
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut nanos = 0_u64;
    while !rest.is_empty() {
        let (whole, behind) = digits(rest);
        let (fraction, behind) = match behind.strip_prefix('.') {
            Some(behind) => digits(behind),
            None => ("", behind),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let unit =
            UNITS.iter().find_map(|(name, length)| Some((behind.strip_prefix(name)?, length)));
        let (behind, length) = unit?;
        let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()? };
        nanos = nanos.checked_add(whole.checked_mul(*length)?)?;
        nanos = nanos.checked_add(part(fraction, *length)?)?;
        rest = behind;
    }
    (!text.is_empty()).then_some(Duration::from_nanos(nanos))
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

/// The part of a unit that digits behind a point are, rounded down.
fn part(fraction: &str, length: u64) -> Option<u64> {
    let mut divisor = 1_u128;
    let mut number = 0_u128;
    for digit in fraction.bytes().take(FRACTION_DIGITS_MAX) {
        divisor *= 10;
        number = number * 10 + u128::from(digit - b'0');
    }
    u64::try_from(number * u128::from(length) / divisor).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, nanos) in [
            ("10s", Some(10_000_000_000)),
            ("+5s", Some(5_000_000_000)),
            ("1m30s", Some(90_000_000_000)),
            ("1.5h", Some(5_400_000_000_000)),
            (".5s", Some(500_000_000)),
            ("1.s", Some(1_000_000_000)),
            ("300ms", Some(300_000_000)),
            ("7us", Some(7_000)),
            ("7µs", Some(7_000)),
            ("7ns", Some(7)),
            ("1s2m", Some(121_000_000_000)),
            ("0", Some(0)),
            ("0s", Some(0)),
            ("0.33333333333333333333333h", Some(1_199_999_999_999)),
            ("", None),
            ("10", None),
            ("s", None),
            (".s", None),
            ("-1s", None),
            ("1 s", None),
            ("1d", None),
            ("99999999999999999999s", None),
            ("9999999999h", None),
        ] {
            assert_eq!(parse(text), nanos.map(Duration::from_nanos), "{text:?}");
        }
    }
}
