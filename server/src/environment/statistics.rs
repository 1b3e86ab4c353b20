//! The variables of statsd, dogstatsd and Prometheus.

use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr as _;
use std::time::Duration;

use super::duration;
use super::values::Values;
use crate::config::telemetry::{Protocol, RatelimitPrometheus, Statsd};
use crate::config::{Config, overlap};
use crate::statistics::TimeUnit;
use crate::statistics::statsd::Mogrifier;

/// Names of rules, and tags.
const LISTED_MAX: usize = 100;

const FLUSH_INTERVALS: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(3_600)];

/// Where figures go. The reference refuses two ways at once, and statsd is on there unless it is
/// switched off. Here statsd gives way to another one unless it is asked for, and Prometheus goes
/// with either.
pub(super) fn read<F: Fn(&str) -> Option<String>>(values: &mut Values<F>, config: &mut Config) {
    let is_disabled = values.truth("DISABLE_STATS") == Some(true);
    let asked = values.truth("USE_STATSD");
    let is_dog = values.truth("USE_DOG_STATSD") == Some(true);
    let prometheus = values.truth("USE_PROMETHEUS") == Some(true);
    let page = page(values, config);
    let protocol = plain_protocol(values);
    let protocol = match asked {
        Some(true) if is_dog => {
            let message = "USE_STATSD asks for the same peer in another way";
            values.refuse("USE_DOG_STATSD", message, "set one of the two to false");
            None
        }
        _ if is_dog => Some(Protocol::Dogstatsd),
        Some(true) => Some(protocol),
        None if !prometheus => Some(protocol),
        Some(false) | None => None,
    };
    let is_asked_for = is_dog || asked == Some(true) || values.text("STATSD_HOST").is_some();
    let host = values.text("STATSD_HOST").filter(|host| !host.is_empty());
    let statsd = Statsd {
        protocol: protocol.unwrap_or(Protocol::StatsdTcp),
        host: host.unwrap_or_else(|| "localhost".to_owned()),
        port: port(values),
        flush_interval: flush_interval(values),
        tags: tags(values, "EXTRA_TAGS"),
        mogrifiers: if is_dog { mogrifiers(values) } else { Vec::new() },
        is_asked_for,
    };
    config.telemetry.statsd = (protocol.is_some() && !is_disabled).then_some(statsd);
    config.telemetry.ratelimit_prometheus = page.filter(|_| prometheus && !is_disabled);
    if prometheus && !is_disabled {
        refuse_overlaps(values, config);
    }
}

fn plain_protocol<F: Fn(&str) -> Option<String>>(values: &mut Values<F>) -> Protocol {
    let parsed =
        values.parsed("STATSD_PROTOCOL", "a protocol", "write tcp or udp", |text| match text {
            "" | "tcp" | "tcp4" | "tcp6" => Some(Protocol::StatsdTcp),
            "udp" | "udp4" | "udp6" => Some(Protocol::StatsdUdp),
            _ => None,
        });
    parsed.unwrap_or(Protocol::StatsdTcp)
}

fn port<F: Fn(&str) -> Option<String>>(values: &mut Values<F>) -> u16 {
    let help = "write a number from 1 to 65535";
    let parsed = values
        .parsed("STATSD_PORT", "a port", help, |text| text.parse().ok().filter(|port| *port > 0));
    parsed.unwrap_or(8_125)
}

fn flush_interval<F: Fn(&str) -> Option<String>>(values: &mut Values<F>) -> Duration {
    let [min, max] = FLUSH_INTERVALS;
    let help = "write 100ms to 1h, as in 10s or 1m30s";
    let parsed = values.parsed("STATS_FLUSH_INTERVAL", "a duration", help, |text| {
        duration::parse(text).filter(|interval| (min..=max).contains(interval))
    });
    parsed.unwrap_or(Duration::from_secs(10))
}

/// `key:value` pairs with commas between them. As for the reference, pairs without a key or a value
/// say nothing.
fn tags<F: Fn(&str) -> Option<String>>(
    values: &mut Values<F>,
    name: &str,
) -> Vec<(String, String)> {
    let help = "write key:value, with commas between pairs";
    let parsed = values.parsed(name, "tags", help, pairs);
    let mut tags = parsed.unwrap_or_default();
    tags.retain(|(key, value)| !key.is_empty() && !value.is_empty());
    // One of a kind, the last one, in the order of their names: the reference keeps them in a map.
    tags.reverse();
    tags.sort_by(|one, other| one.0.cmp(&other.0));
    tags.dedup_by(|later, earlier| later.0 == earlier.0);
    tags
}

fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    if text.trim().is_empty() {
        return Some(Vec::new());
    }
    let pair = |pair: &str| {
        let (key, value) = pair.split_once(':')?;
        Some((key.to_owned(), value.to_owned()))
    };
    let all: Option<Vec<_>> = text.split(',').map(pair).collect();
    all.filter(|all| all.len() <= LISTED_MAX)
}

fn mogrifiers<F: Fn(&str) -> Option<String>>(values: &mut Values<F>) -> Vec<Mogrifier> {
    const LIST: &str = "USE_DOG_STATSD_MOGRIFIERS";
    let listed = values.text(LIST).unwrap_or_default();
    let names: Vec<_> = listed.split(',').filter(|_| !listed.trim().is_empty()).collect();
    if names.len() > LISTED_MAX {
        let message = format!("expected at most {LISTED_MAX} names, found {}", names.len());
        values.refuse(LIST, message, "the first that fits counts");
        return Vec::new();
    }
    let mut mogrifiers = Vec::new();
    for name in names {
        let prefix = format!("DOG_STATSD_MOGRIFIER_{}", name.to_uppercase());
        let text = |last: &str| values.text(&format!("{prefix}_{last}")).unwrap_or_default();
        let (pattern, new_name, tags) = (text("PATTERN"), text("NAME"), text("TAGS"));
        let Some(tags) = pairs(&tags) else {
            let help = "write key:value, with commas between pairs";
            values.refuse(&format!("{prefix}_TAGS"), "expected tags", help);
            continue;
        };
        match Mogrifier::new(&pattern, &new_name, tags) {
            Ok(mogrifier) => mogrifiers.push(mogrifier),
            Err(error) => {
                let help = format!("set {prefix}_PATTERN, {prefix}_NAME and {prefix}_TAGS");
                values.refuse(&prefix, error.to_string(), &help);
            }
        }
    }
    mogrifiers
}

/// The page, whether it is asked for or not, so that what is wrong is told.
fn page<F: Fn(&str) -> Option<String>>(
    values: &mut Values<F>,
    config: &Config,
) -> Option<RatelimitPrometheus> {
    let help = "write HOST:PORT or :PORT with an IP address or `localhost`";
    let default = SocketAddr::new([0_u16; 8].into(), 9_090);
    let address = values.parsed("PROMETHEUS_ADDR", "an address", help, |text| match text {
        "" => Some(default),
        text => {
            let (host, port) = text.rsplit_once(':')?;
            let port = port.parse().ok()?;
            let ip = match host {
                "" => [0_u16; 8].into(),
                "localhost" => Ipv4Addr::LOCALHOST.into(),
                _ => return SocketAddr::from_str(text).ok(),
            };
            Some(SocketAddr::new(ip, port))
        }
    });
    let help = "it begins with a slash";
    let path = values.parsed("PROMETHEUS_PATH", "a path", help, |text| match text {
        "" => Some("/metrics".to_owned()),
        text => text.starts_with('/').then(|| text.to_owned()),
    });
    let in_milliseconds = values.truth("PROMETHEUS_RESPONSE_TIME_AS_MILLISECONDS") == Some(true);
    let unit = if in_milliseconds { TimeUnit::Milliseconds } else { TimeUnit::Seconds };
    // What was there before stands in for what is not said.
    let before = config.telemetry.ratelimit_prometheus.as_ref().map(|page| page.address);
    let address = address.or(before).unwrap_or(default);
    Some(RatelimitPrometheus { address, path: path.unwrap_or_else(|| "/metrics".to_owned()), unit })
}

fn refuse_overlaps<F: Fn(&str) -> Option<String>>(values: &mut Values<F>, config: &Config) {
    let Some(page) = &config.telemetry.ratelimit_prometheus else { return };
    let at = &config.listeners;
    for (name, taken) in [("GRPC_PORT", at.decide), ("PORT", at.http), ("DEBUG_PORT", at.admin)] {
        if overlap(page.address, taken) {
            let message = format!("{} is taken by {name}, which has {taken}", page.address);
            values.refuse("PROMETHEUS_ADDR", message, "give each listener a port of its own");
        }
    }
}

#[cfg(test)]
#[path = "statistics_tests.rs"]
mod tests;
