//! Values as the reference reads them, with every one that is wrong told.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{Issue, Issues, LogFormat, LogLevel, Report, excerpt, is_header_name};

/// Reads values and remembers what is wrong.
pub(super) struct Values<F> {
    strings: F,
    issues: Issues,
}

impl<F: Fn(&str) -> Option<String>> Values<F> {
    pub(super) fn new(strings: F) -> Self {
        Self { strings, issues: Issues::default() }
    }

    /// What was wrong, or `value`.
    pub(super) fn finish<T>(self, value: T) -> Result<T, Report> {
        self.issues.or_else_value(value)
    }

    /// Notes what is wrong with `name`.
    pub(super) fn refuse(&mut self, name: &str, message: impl Into<String>, help: &str) {
        self.issues.push(Issue::with_file(name, message).with_help(help));
    }

    /// A text as it is.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        (self.strings)(name)
    }

    /// A truth, in the words of Go's `strconv.ParseBool`.
    pub(super) fn truth(&mut self, name: &str) -> Option<bool> {
        let help = "write `true` or `false`; 1, t, T, TRUE, True, 0, f, F, FALSE, False do, too";
        self.parsed(name, "a boolean", help, |text| match text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
            _ => None,
        })
    }

    /// A length of time, in the words of Go's `time.ParseDuration`; none is negative.
    pub(super) fn duration(&mut self, name: &str) -> Option<Duration> {
        let help = "write it as 24h, 1h30m, 10s or 300ms; at most a year";
        self.parsed(name, "a duration", help, go_duration)
    }

    /// A part of a whole.
    pub(super) fn ratio(&mut self, name: &str) -> Option<f32> {
        let is_ratio = |ratio: &f32| *ratio > 0.0 && *ratio <= 1.0;
        self.parsed(name, "a number above 0 and at most 1", "0.8 is the default", |text| {
            f32::from_str(text).ok().filter(is_ratio)
        })
    }

    /// The name of a header.
    pub(super) fn header_name(&mut self, name: &str) -> Option<Arc<str>> {
        let help = "write letters, digits and hyphens, at most 128";
        self.parsed(name, "the name of a header", help, |text| {
            is_header_name(text).then(|| text.into())
        })
    }

    /// `default`, with a host and a port that may be set.
    pub(super) fn address(&mut self, names: [&str; 2], default: SocketAddr) -> SocketAddr {
        let [host, port] = names;
        let help = "write an IP address or `localhost`: other names are not resolved";
        let ip = self.parsed(host, "an IP address", help, |text| match text {
            // As for Go: every address.
            "" => Some(IpAddr::from([0_u16; 8])),
            "localhost" => Some(Ipv4Addr::LOCALHOST.into()),
            _ => IpAddr::from_str(text.trim_start_matches('[').trim_end_matches(']')).ok(),
        });
        let number =
            self.parsed(port, "a port", "write a number from 0 to 65535", |text| text.parse().ok());
        SocketAddr::new(ip.unwrap_or(default.ip()), number.unwrap_or(default.port()))
    }

    /// A level of the reference's logger, in any case.
    pub(super) fn log_level(&mut self, name: &str) -> Option<LogLevel> {
        let help = "write panic, fatal, error, warn, info, debug or trace";
        self.parsed(name, "a level", help, |text| match &*text.to_ascii_lowercase() {
            "panic" | "fatal" | "error" => Some(LogLevel::Error),
            "warn" | "warning" => Some(LogLevel::Warn),
            "info" => Some(LogLevel::Info),
            "debug" => Some(LogLevel::Debug),
            "trace" => Some(LogLevel::Trace),
            _ => None,
        })
    }

    /// The form of log lines.
    pub(super) fn log_format(&mut self, name: &str) -> Option<LogFormat> {
        self.parsed(name, "a format", "write text or json", |text| {
            match &*text.to_ascii_lowercase() {
                "text" | "" => Some(LogFormat::Text),
                "json" => Some(LogFormat::Json),
                _ => None,
            }
        })
    }

    fn parsed<T>(
        &mut self,
        name: &str,
        expected: &str,
        help: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(name)?;
        let parsed = parse(&text);
        if parsed.is_none() {
            self.refuse(name, format!("expected {expected}, found \"{}\"", excerpt(&text)), help);
        }
        parsed
    }
}

/// Units of Go's durations, in nanoseconds; those that begin with another one stand before it.
const GO_UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("μs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3_600e9),
];

/// The longest time that is read: what is longer is a mistake.
const GO_DURATION_MAX: f64 = 366.0 * 24.0 * 3_600e9;

/// The duration that `text` spells: numbers with units, one behind the other, or a zero.
fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut nanos = 0.0;
    loop {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at(end);
        let (unit, length) = GO_UNITS.into_iter().find(|(unit, _)| behind.starts_with(unit))?;
        nanos += f64::from_str(number).ok()? * length;
        rest = behind.strip_prefix(unit)?;
        if rest.is_empty() {
            break;
        }
    }
    (nanos <= GO_DURATION_MAX).then(|| Duration::from_nanos(nanos as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, millis) in [
            ("24h", 86_400_000),
            ("1h30m", 5_400_000),
            ("1m1h", 3_660_000),
            ("300ms", 300),
            ("1.5s", 1_500),
            (".5s", 500),
            ("2000us", 2),
            ("2000µs", 2),
            ("+1s", 1_000),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(go_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "1", "s", "1d", "-1s", "1 s", "1s ", "1.2.3s", ".s", "9999999h", "1e3s"] {
            assert_eq!(go_duration(text), None, "{text}");
        }
    }
}
