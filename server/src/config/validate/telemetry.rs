//! What the node says about itself: from what was written to what is valid.

use std::time::Duration;

use super::{Validator, overlap};
use crate::config::document::Trail;
use crate::config::quantity::Length;
use crate::config::raw::{
    FLUSH_INTERVAL, RawRatelimitPrometheus, RawStatsd, RawStatsdProtocol, RawTelemetry,
    RawTimeUnit, STATSD_PORT,
};
use crate::config::telemetry::{Protocol, RatelimitPrometheus, Statsd, Telemetry};
use crate::config::{Listeners, excerpt};
use crate::statistics::TimeUnit;
use crate::statistics::statsd::Mogrifier;

/// Tags, and rules; each is looked at in every flush.
const TAGS_MAX: usize = 100;

impl Validator<'_> {
    pub(super) fn telemetry(&mut self, raw: &RawTelemetry, listeners: &Listeners) -> Telemetry {
        let section = Trail::Root.key("telemetry");
        Telemetry {
            log_format: raw.log_format,
            log_level: raw.log_level,
            statsd: self.statsd(&section.key("statsd"), &raw.statsd),
            ratelimit_prometheus: self.ratelimit_prometheus(
                &section.key("ratelimit_prometheus"),
                &raw.ratelimit_prometheus,
                listeners,
            ),
        }
    }

    fn statsd(&mut self, section: &Trail<'_>, raw: &RawStatsd) -> Option<Statsd> {
        let mut wrong = Vec::new();
        if raw.host.is_empty() {
            wrong.push(("host", "expected a name or an address, found empty text".to_owned()));
        }
        let port = self.whole(&section.key("port"), raw.port, STATSD_PORT);
        let Length(interval) = raw.flush_interval;
        let millis = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
        let shown = |millis| Length(Duration::from_millis(millis)).to_string();
        self.within(&section.key("flush_interval"), millis, FLUSH_INTERVAL, shown);
        let is_empty = |(key, value): (&String, &String)| key.is_empty() || value.is_empty();
        if raw.tags.iter().any(is_empty) {
            wrong.push(("tags", "a tag's key and value cannot be empty".to_owned()));
        }
        for (key, count) in [("tags", raw.tags.len()), ("mogrifiers", raw.mogrifiers.len())] {
            if count > TAGS_MAX {
                wrong.push((key, format!("expected at most {TAGS_MAX}, found {count}")));
            }
        }
        let is_dogstatsd = raw.protocol == RawStatsdProtocol::Dogstatsd;
        if !raw.mogrifiers.is_empty() && !is_dogstatsd {
            wrong.push(("mogrifiers", "only dogstatsd has tags to make".to_owned()));
        }
        for (key, message) in wrong {
            self.issues.push(self.document.issue(&section.key(key), message));
        }
        let mogrifiers = self.mogrifiers(&section.key("mogrifiers"), raw);
        let protocol = match raw.protocol {
            RawStatsdProtocol::Off => return None,
            RawStatsdProtocol::StatsdTcp => Protocol::StatsdTcp,
            RawStatsdProtocol::StatsdUdp => Protocol::StatsdUdp,
            RawStatsdProtocol::Dogstatsd => Protocol::Dogstatsd,
        };
        Some(Statsd {
            protocol,
            host: raw.host.clone(),
            port: u16::try_from(port).unwrap_or(u16::MAX),
            flush_interval: interval,
            tags: raw.tags.clone().into_iter().collect(),
            mogrifiers,
            is_asked_for: true,
        })
    }

    fn mogrifiers(&mut self, section: &Trail<'_>, raw: &RawStatsd) -> Vec<Mogrifier> {
        let mut mogrifiers = Vec::new();
        for (index, one) in raw.mogrifiers.iter().take(TAGS_MAX).enumerate() {
            let tags = one.tags.clone().into_iter().collect();
            match Mogrifier::new(&one.pattern, &one.name, tags) {
                Ok(mogrifier) => mogrifiers.push(mogrifier),
                Err(error) => {
                    let issue = self.document.issue(&section.index(index), error.to_string());
                    self.issues.push(issue);
                }
            }
        }
        mogrifiers
    }

    fn ratelimit_prometheus(
        &mut self,
        section: &Trail<'_>,
        raw: &RawRatelimitPrometheus,
        listeners: &Listeners,
    ) -> Option<RatelimitPrometheus> {
        if !raw.path.starts_with('/') {
            let found = excerpt(&raw.path);
            let message = format!("expected a path that begins with `/`, found \"{found}\"");
            self.issues.push(self.document.issue(&section.key("path"), message));
        }
        if raw.address.is_empty() {
            return None;
        }
        let address = self.address(section, &raw.address)?;
        let Listeners { decide, http, admin, .. } = *listeners;
        for (name, taken) in [("decide", decide), ("http", http), ("admin", admin)] {
            // An address that is not served takes nobody's.
            let is_served = name != "decide" || listeners.decide_socket.is_none();
            if is_served && overlap(address, taken) && !self.is_wrong_below("listeners") {
                self.refuse_overlap(section, address, name, taken);
            }
        }
        let unit = match raw.response_time {
            RawTimeUnit::Seconds => TimeUnit::Seconds,
            RawTimeUnit::Milliseconds => TimeUnit::Milliseconds,
        };
        Some(RatelimitPrometheus { address, path: raw.path.clone(), unit })
    }
}
