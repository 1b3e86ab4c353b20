//! The lines of statsd and dogstatsd, formed by the `cadence` crate.

use std::time::Duration;

use cadence::ext::{MetricValue, ToTimerValue};
use cadence::prelude::*;
use cadence::{Metric, MetricBuilder, MetricResult, NopMetricSink, StatsdClient};

use super::mogrifier::mogrify;
use super::{Protocol, Statsd};
use crate::statistics::reference_names::sanitized;

/// Bytes of a line. Names come from limits and may be long; more than any peer takes.
const LINE_BYTES_MAX: usize = 4 * 1_024;

/// Makes lines for one peer.
#[derive(Debug)]
pub(super) struct Lines {
    client: StatsdClient,
    settings: Statsd,
    /// What tags add to every name of plain statsd: `.__key=value`, as the reference writes them.
    suffix: String,
}

/// A duration in milliseconds and parts of them.
struct Millis(Duration);

impl ToTimerValue for Millis {
    fn try_to_value(self) -> MetricResult<MetricValue> {
        Ok(MetricValue::Float(self.0.as_secs_f64() * 1_000.0))
    }
}

impl Lines {
    pub(super) fn new(settings: Statsd) -> Self {
        let tags = settings.tags.iter();
        let tags: Vec<_> = tags.map(|(key, value)| (clean(key), clean(value))).collect();
        let suffix = match settings.protocol {
            Protocol::StatsdTcp | Protocol::StatsdUdp => {
                tags.iter().map(|(key, value)| format!(".__{key}={value}")).collect()
            }
            Protocol::Dogstatsd => String::new(),
        };
        let settings = Statsd { tags, ..settings };
        // It only forms lines; they are sent elsewhere, bounded and without blocking.
        Self { client: StatsdClient::from_sink("", NopMetricSink), settings, suffix }
    }

    /// A counter that grew; none if the line would be too long.
    pub(super) fn counter(&self, name: &str, delta: u64) -> Option<String> {
        let (name, tags) = self.named(name);
        self.line(self.client.count_with_tags(&name, delta), &tags)
    }

    /// `count` answers that took `time`, as one sample that stands for all of them.
    pub(super) fn timer(&self, name: &str, time: Duration, count: u64) -> Option<String> {
        let (name, tags) = self.named(name);
        let builder = self.client.time_with_tags(&name, Millis(time));
        let builder = if count == 1 { builder } else { builder.with_sampling_rate(rate(count)) };
        self.line(builder, &tags)
    }

    fn named(&self, name: &str) -> (String, Vec<(String, String)>) {
        match self.settings.protocol {
            Protocol::StatsdTcp | Protocol::StatsdUdp => {
                (format!("{name}{}", self.suffix), Vec::new())
            }
            Protocol::Dogstatsd => {
                let (name, own) = mogrify(&self.settings.mogrifiers, name.to_owned());
                let own = own.iter().map(|(key, value)| (tag_text(key), tag_text(value)));
                (sanitized(&name), self.settings.tags.iter().cloned().chain(own).collect())
            }
        }
    }

    fn line<'m, T: Metric + From<String>>(
        &self,
        mut builder: MetricBuilder<'m, '_, T>,
        tags: &'m [(String, String)],
    ) -> Option<String> {
        for (key, value) in tags {
            builder = builder.with_tag(key, value);
        }
        let metric = builder.try_send().ok()?;
        let line = metric.as_metric_str();
        (line.len() < LINE_BYTES_MAX).then(|| format!("{line}\n"))
    }
}

/// A tag's key or value without what ends it, or is a level of a name.
fn clean(text: &str) -> String {
    tag_text(text).replace(['.', ':', '='], "_")
}

/// The same for a tag that a rule made, in which colons and dots may stand.
fn tag_text(text: &str) -> String {
    text.replace(|c: char| matches!(c, '|' | ',' | '#') || c.is_control(), "_")
}

/// The sampling rate of one sample that stands for `count`, such that one divided by it, rounded
/// down as peers do, is `count`.
fn rate(count: u64) -> f64 {
    let exact = 1.0 / count as f64;
    if 1.0 / exact < count as f64 { exact.next_down() } else { exact }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::statsd::Mogrifier;

    fn lines(protocol: Protocol, tags: &[(&str, &str)], mogrifiers: Vec<Mogrifier>) -> Lines {
        Lines::new(Statsd {
            protocol,
            host: "localhost".to_owned(),
            port: 8125,
            flush_interval: Duration::from_secs(10),
            tags: tags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            mogrifiers,
            is_asked_for: true,
        })
    }

    #[test]
    fn plain_lines_carry_tags_in_the_name() {
        let plain = lines(Protocol::StatsdTcp, &[], vec![]);
        assert_eq!(plain.counter("a.b", 7).unwrap(), "a.b:7|c\n");
        let one = Duration::from_micros(25);
        assert_eq!(plain.timer("a.t", one, 1).unwrap(), "a.t:0.025|ms\n");
        assert_eq!(plain.timer("a.t", Duration::from_millis(10), 4).unwrap(), "a.t:10|ms|@0.25\n");
        let tagged = lines(Protocol::StatsdUdp, &[("COMMIT", "1.2:3|4"), ("DEPLOY", "6")], vec![]);
        let line = tagged.counter("a.b", u64::MAX).unwrap();
        assert_eq!(line, "a.b.__COMMIT=1_2_3_4.__DEPLOY=6:18446744073709551615|c\n");
    }

    #[test]
    fn dogstatsd_lines_carry_them_behind_and_those_of_rules_after() {
        let tags = vec![("d".to_owned(), "$1".to_owned()), ("v".to_owned(), "$2".to_owned())];
        let rule = Mogrifier::new("^x\\.(.*)\\.(.*)$", "y", tags).unwrap();
        let dog = lines(Protocol::Dogstatsd, &[("env", "prod")], vec![rule]);
        assert_eq!(dog.counter("a", 1).unwrap(), "a:1|c|#env:prod\n");
        let line = dog.counter("x.a,b#c.d", 2).unwrap();
        assert_eq!(line, "y:2|c|#env:prod,d:a_b_c,v:d\n");
        let line = dog.timer("x.a.b", Duration::from_millis(5), 2).unwrap();
        assert_eq!(line, "y:5|ms|@0.5|#env:prod,d:a,v:b\n");
    }

    #[test]
    fn a_line_that_no_peer_takes_is_left_out() {
        let plain = lines(Protocol::StatsdTcp, &[], vec![]);
        assert_eq!(plain.counter(&"x".repeat(LINE_BYTES_MAX), 1), None);
    }

    #[test]
    fn one_sample_stands_for_as_many_as_it_says() {
        let counts = (1..200_000_u64).chain([u64::from(u32::MAX), 1 << 40, (1 << 40) + 1]);
        for count in counts {
            let written: f64 = rate(count).to_string().parse().unwrap();
            assert_eq!((1.0 / written) as u64, count);
        }
    }
}
