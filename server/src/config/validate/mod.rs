//! From what was written to what is valid, with everything that is wrong told at once.
//!
//! Parts that could not even be decoded stand here with their defaults, which are valid, so that
//! the rest can still be judged; what compares several parts is skipped where one of them is wrong.

mod cluster;
mod limits;
mod listeners;
mod telemetry;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tollgate_core::decision::Modes;
use tollgate_proto::ratelimit::HeaderNames;

pub(crate) use self::listeners::overlap;
use super::document::{Document, Trail};
use super::quantity::{Length, Size};
use super::raw::{self, Range, RawConfig};
use super::report::{Issue, Issues, Report, excerpt};
use super::{Bounds, Config, Ledger, Node, decode, ratelimit};
use crate::decide::Answers;

/// Named limits, and paths of files and folders. Far beyond what a person writes; what is wrong
/// with them is looked up in time that grows with the square of their number.
const LISTED_MAX: usize = 10_000;

/// Bytes of a header's name, which every answer repeats.
const HEADER_NAME_BYTES_MAX: usize = 128;

/// The configuration in `document`; relative paths in it start at `base_dir`.
///
/// # Errors
/// Everything that is wrong.
pub(super) fn config(document: &Document, base_dir: &Path) -> Result<Config, Report> {
    let mut issues = Issues::default();
    let raw: Option<RawConfig> = decode::decode(document, &mut issues);
    let mut validator = Validator { document, issues };
    let config = raw.map(|raw| validator.config(&raw, base_dir));
    match validator.issues.into_report() {
        Some(report) if ratelimit::is_one(document) => Err(report.map(taken_for_a_ratelimit_file)),
        Some(report) => Err(report),
        None => config.ok_or_else(|| document.issue(&Trail::Root, "cannot be decoded").into()),
    }
}

/// Says of the keys of a ratelimit file where such a file belongs.
fn taken_for_a_ratelimit_file(issue: Issue) -> Issue {
    match issue.path.as_str() {
        "domain" | "descriptors" => {
            issue.with_help("this is a ratelimit file: list it under `ratelimit_files`")
        }
        _ => issue,
    }
}

struct Validator<'a> {
    document: &'a Document,
    issues: Issues,
}

impl Validator<'_> {
    fn config(&mut self, raw: &RawConfig, base_dir: &Path) -> Config {
        let bounds = self.bounds(&raw.bounds);
        let listeners = self.listeners(&raw.listeners, base_dir);
        Config {
            node: self.node(&raw.node),
            bounds,
            ledger: self.ledger(&raw.ledger),
            telemetry: self.telemetry(&raw.telemetry, &listeners),
            listeners,
            cluster: self.cluster(&raw.cluster, base_dir),
            ratelimit_files: self.ratelimit_files(&raw.ratelimit_files, base_dir),
            merge_domains: raw.ratelimit.merge_domains,
            answers: self.answers(&raw.ratelimit),
            limits: self.limits(raw, bounds.entries_max),
        }
    }

    fn node(&mut self, raw: &raw::RawNode) -> Node {
        let section = Trail::Root.key("node");
        let workers = self.whole(&section.key("workers"), raw.workers, raw::WORKERS);
        let most = raw::DRAIN_NOTICE_MAX;
        let drain_notice = self.length(&section.key("drain_notice"), raw.drain_notice, most);
        Node { workers: NonZeroUsize::new(workers), drain_notice }
    }

    fn bounds(&mut self, raw: &raw::RawBounds) -> Bounds {
        let section = Trail::Root.key("bounds");
        let key = |name| section.key(name);
        self.refuse_less_in_flight_than_a_message(&key("in_flight_bytes_max"), raw);
        Bounds {
            descriptors_max: self.whole(
                &key("descriptors_max"),
                raw.descriptors_max,
                raw::DESCRIPTORS,
            ),
            entries_max: self.whole(&key("entries_max"), raw.entries_max, raw::ENTRIES),
            key_bytes_max: self.size(&key("key_bytes_max"), raw.key_bytes_max, raw::KEY_BYTES),
            value_bytes_max: self.size(
                &key("value_bytes_max"),
                raw.value_bytes_max,
                raw::VALUE_BYTES,
            ),
            domain_bytes_max: self.size(
                &key("domain_bytes_max"),
                raw.domain_bytes_max,
                raw::DOMAIN_BYTES,
            ),
            message_bytes_max: self.size(
                &key("message_bytes_max"),
                raw.message_bytes_max,
                raw::MESSAGE_BYTES,
            ),
            in_flight_bytes_max: self.size(
                &key("in_flight_bytes_max"),
                raw.in_flight_bytes_max,
                raw::IN_FLIGHT_BYTES,
            ),
        }
    }

    fn refuse_less_in_flight_than_a_message(&mut self, trail: &Trail<'_>, raw: &raw::RawBounds) {
        let (message, all) = (raw.message_bytes_max, raw.in_flight_bytes_max);
        // Below its own range that is said, and enough.
        if all.0 < message.0 && all.0 >= raw::IN_FLIGHT_BYTES.min {
            let expected = format!("expected at least message_bytes_max, {message}, found {all}");
            self.issues.push(self.document.issue(trail, expected));
        }
    }

    fn ledger(&mut self, raw: &raw::RawLedger) -> Ledger {
        let section = Trail::Root.key("ledger");
        Ledger {
            keys_max: self.whole(&section.key("keys_max"), raw.keys_max, raw::LEDGER_KEYS),
            bytes_max: self.size(&section.key("bytes_max"), raw.bytes_max, raw::LEDGER_BYTES),
            reservations_max: self.whole(
                &section.key("reservations_max"),
                raw.reservations_max,
                raw::RESERVATIONS,
            ),
        }
    }

    fn ratelimit_files(&mut self, raw: &[String], base_dir: &Path) -> Vec<PathBuf> {
        let section = Trail::Root.key("ratelimit_files");
        let mut seen = BTreeSet::new();
        let mut files = Vec::new();
        if self.is_too_long(&section, raw.len()) {
            return files;
        }
        for (index, text) in raw.iter().enumerate() {
            let path = base_dir.join(text);
            let wrong = match path.metadata() {
                _ if text.is_empty() => Some("expected a path, found empty text".to_owned()),
                Err(error) => Some(format!("{} cannot be read: {error}", path.display())),
                Ok(_) if !seen.insert(text) => Some("this path is listed twice".to_owned()),
                Ok(found) if !found.is_file() && !found.is_dir() => {
                    Some(format!("{} is neither a regular file nor a folder", path.display()))
                }
                Ok(_) => None,
            };
            if let Some(message) = wrong {
                self.issues.push(self.document.issue(&section.index(index), message));
            }
            files.push(path);
        }
        files
    }

    fn answers(&mut self, raw: &raw::RawRatelimit) -> Answers {
        let section = Trail::Root.key("ratelimit");
        let ratio = raw.near_limit_ratio as f32;
        if !(ratio > 0.0 && ratio <= 1.0) {
            let message = format!("expected more than 0 and at most 1, found {ratio}");
            self.issues.push(self.document.issue(&section.key("near_limit_ratio"), message));
        }
        Answers {
            modes: Modes { shadow: raw.shadow_mode, quota: raw.quota_mode },
            headers: raw.response_headers.into(),
            header_names: self.header_names(&section.key("header_names"), &raw.header_names),
            dynamic_metadata: raw.dynamic_metadata,
            near_limit_ratio: ratio,
        }
    }

    fn header_names(&mut self, section: &Trail<'_>, raw: &raw::RawHeaderNames) -> HeaderNames {
        let mut name = |key, text: &str| {
            if !is_header_name(text) {
                let message = format!("expected the name of a header, found \"{}\"", excerpt(text));
                self.issues.push(self.document.issue(&section.key(key), message));
            }
            text.into()
        };
        HeaderNames {
            limit: name("limit", &raw.limit),
            remaining: name("remaining", &raw.remaining),
            reset: name("reset", &raw.reset),
        }
    }

    fn is_too_long(&mut self, trail: &Trail<'_>, count: usize) -> bool {
        if count > LISTED_MAX {
            let message = format!("expected at most {LISTED_MAX}, found {count}");
            self.issues.push(self.document.issue(trail, message));
        }
        count > LISTED_MAX
    }

    fn whole(&mut self, trail: &Trail<'_>, number: u64, range: Range) -> usize {
        self.within(trail, number, range, |number| number.to_string())
    }

    fn size(&mut self, trail: &Trail<'_>, Size(bytes): Size, range: Range) -> usize {
        self.within(trail, bytes, range, |bytes| Size(bytes).to_string())
    }

    fn length(&mut self, trail: &Trail<'_>, Length(length): Length, most: Duration) -> Duration {
        if length > most {
            let [most, length] = [most, length].map(|length| Length(length).to_string());
            let message = format!("expected 0s to {most}, found {length}");
            self.issues.push(self.document.issue(trail, message));
        }
        length
    }

    fn within(
        &mut self,
        trail: &Trail<'_>,
        number: u64,
        Range { min, max }: Range,
        shown: fn(u64) -> String,
    ) -> usize {
        if !(min..=max).contains(&number) {
            let [min, max, number] = [min, max, number].map(shown);
            let message = format!("expected {min} to {max}, found {number}");
            self.issues.push(self.document.issue(trail, message));
        }
        usize::try_from(number).unwrap_or(usize::MAX)
    }

    /// Whether a section could not be decoded or is not valid in some part.
    fn is_wrong_below(&self, section: &str) -> bool {
        let below = |path: &str| {
            path.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.issues.as_slice().iter().any(|issue| below(&issue.path))
    }
}

/// Whether answers may carry a header of this name.
pub(crate) fn is_header_name(text: &str) -> bool {
    text.len() <= HEADER_NAME_BYTES_MAX && http::HeaderName::try_from(text).is_ok()
}
