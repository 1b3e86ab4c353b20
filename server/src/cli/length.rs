//! Lengths of time on the command line: `500ms`, `2s`, `1m30s`.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::config::Length;

/// The length that `text` spells, if it is in the range.
///
/// # Errors
/// A sentence that says what would be right.
pub(super) fn within(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, String> {
    match Length::parse(text) {
        Some(Length(length)) if range.contains(&length) => Ok(length),
        _ => {
            let (least, most) = (Length(*range.start()), Length(*range.end()));
            Err(format!("a length of time such as 500ms or 1m30s, from {least} to {most}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_within_its_range() {
        let read = |text| within(text, Duration::from_millis(100)..=Duration::from_secs(3_600));
        assert_eq!(read("100ms"), Ok(Duration::from_millis(100)));
        assert_eq!(read("1h"), Ok(Duration::from_secs(3_600)));
        for wrong in ["", "2", "99ms", "1h1ms", "-1s", "2 s", "s"] {
            assert!(read(wrong).unwrap_err().ends_with("from 100ms to 1h"), "{wrong}");
        }
    }
}
