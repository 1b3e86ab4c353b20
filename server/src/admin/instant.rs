//! Instants and lengths of time as operators read them.

use std::time::Duration;

use tollgate_core::time::{NANOS_PER_SECOND, Wall};

const DAY_SECONDS: u64 = 86_400;

/// UTC to the second, as RFC 3339 has it: `2026-11-24T11:13:05Z`.
pub(super) fn rfc3339(wall: Wall) -> String {
    let seconds = wall.as_nanos() / NANOS_PER_SECOND;
    let (year, month, day) = date(seconds / DAY_SECONDS);
    let of_day = seconds % DAY_SECONDS;
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Seconds with three decimals, rounded up: what has not ended never reads as zero.
pub(super) fn seconds(duration: Duration) -> f64 {
    let millis = duration.as_nanos().div_ceil(1_000_000);
    millis as f64 / 1_000.0
}

/// The civil date of a day since 1970-01-01. Counts in years that begin in March, so that the leap
/// day is the last of its year.
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468; // days from 0000-03-01 to 1970-01-01
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_instants_read_as_calendars_have_them() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_709_251_200, "2024-03-01T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(Wall::from_nanos(seconds * NANOS_PER_SECOND)), text);
        }
    }

    #[test]
    fn what_has_not_ended_is_not_zero() {
        assert_eq!(seconds(Duration::from_nanos(1)), 0.001);
        assert_eq!(seconds(Duration::from_millis(12_300)), 12.3);
        assert_eq!(seconds(Duration::ZERO), 0.0);
    }
}
