//! Which variables send figures where.

use super::*;
use crate::environment::{Settings, read as read_all};

fn strings(set: &[(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
    let set = set.to_vec();
    move |name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
}

fn config(set: &[(&'static str, &'static str)]) -> Config {
    let Settings { config, .. } = read_all(strings(set)).unwrap();
    config
}

fn wrong(set: &[(&'static str, &'static str)]) -> Vec<String> {
    let report = read_all(strings(set)).unwrap_err();
    report.issues().iter().map(|issue| format!("{}: {}", issue.source, issue.message)).collect()
}

fn sinks(set: &[(&'static str, &'static str)]) -> (Option<Protocol>, bool) {
    let telemetry = config(set).telemetry;
    (telemetry.statsd.map(|statsd| statsd.protocol), telemetry.ratelimit_prometheus.is_some())
}

#[test]
fn statsd_is_on_unless_something_else_is() {
    let (statsd, prometheus, dog) =
        (("USE_STATSD", "true"), ("USE_PROMETHEUS", "true"), ("USE_DOG_STATSD", "true"));
    let off = ("USE_STATSD", "false");
    for (set, protocol, page) in [
        (vec![], Some(Protocol::StatsdTcp), false),
        (vec![off], None, false),
        (vec![statsd], Some(Protocol::StatsdTcp), false),
        (vec![("STATSD_PROTOCOL", "udp")], Some(Protocol::StatsdUdp), false),
        (vec![dog], Some(Protocol::Dogstatsd), false),
        (vec![dog, off], Some(Protocol::Dogstatsd), false),
        (vec![prometheus], None, true),
        (vec![prometheus, off], None, true),
        (vec![prometheus, statsd], Some(Protocol::StatsdTcp), true),
        (vec![prometheus, dog], Some(Protocol::Dogstatsd), true),
        (vec![("DISABLE_STATS", "true")], None, false),
        (vec![("DISABLE_STATS", "true"), prometheus, statsd], None, false),
    ] {
        assert_eq!(sinks(&set), (protocol, page), "{set:?}");
    }
    let both = wrong(&[statsd, dog]);
    assert_eq!(both, ["USE_DOG_STATSD: USE_STATSD asks for the same peer in another way"]);
}

#[test]
fn a_peer_is_the_reference_s_unless_it_is_named() {
    let statsd = config(&[]).telemetry.statsd.unwrap();
    assert_eq!((&*statsd.host, statsd.port, statsd.is_asked_for), ("localhost", 8_125, false));
    assert_eq!((statsd.flush_interval, statsd.tags), (Duration::from_secs(10), vec![]));
    let statsd = config(&[
        ("STATSD_HOST", "statsd.example"),
        ("STATSD_PORT", "9125"),
        ("STATS_FLUSH_INTERVAL", "1m30s"),
        ("EXTRA_TAGS", "b:1,a:x:y,c:,:d,a:z"),
    ]);
    let statsd = statsd.telemetry.statsd.unwrap();
    assert_eq!((&*statsd.host, statsd.port, statsd.is_asked_for), ("statsd.example", 9_125, true));
    assert_eq!(statsd.flush_interval, Duration::from_secs(90));
    let tags: Vec<_> = statsd.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(tags, ["a=z", "b=1"]);
}

#[test]
fn mogrifiers_are_read_by_their_names() {
    let set = [
        ("USE_DOG_STATSD", "true"),
        ("USE_DOG_STATSD_MOGRIFIERS", "HITS,other"),
        ("DOG_STATSD_MOGRIFIER_HITS_PATTERN", r"^a\.(.*)$"),
        ("DOG_STATSD_MOGRIFIER_HITS_NAME", "b"),
        ("DOG_STATSD_MOGRIFIER_HITS_TAGS", "t:$1,u:v"),
        ("DOG_STATSD_MOGRIFIER_OTHER_PATTERN", "^c$"),
        ("DOG_STATSD_MOGRIFIER_OTHER_NAME", "d"),
    ];
    let mogrifiers = config(&set).telemetry.statsd.unwrap().mogrifiers;
    let tags = [("t", "$1"), ("u", "v")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let expected = [
        Mogrifier::new(r"^a\.(.*)$", "b", tags.into()).unwrap(),
        Mogrifier::new("^c$", "d", vec![]).unwrap(),
    ];
    assert_eq!(mogrifiers, expected);
    let broken = [
        ("USE_DOG_STATSD", "true"),
        ("USE_DOG_STATSD_MOGRIFIERS", "A,B,C"),
        ("DOG_STATSD_MOGRIFIER_A_PATTERN", "("),
        ("DOG_STATSD_MOGRIFIER_A_NAME", "n"),
        ("DOG_STATSD_MOGRIFIER_B_NAME", "n"),
        ("DOG_STATSD_MOGRIFIER_C_TAGS", "no-colon"),
    ];
    let wrong = wrong(&broken);
    assert_eq!(wrong.len(), 3, "{wrong:?}");
    assert!(wrong[0].starts_with("DOG_STATSD_MOGRIFIER_A: the pattern is not"), "{wrong:?}");
    assert_eq!(wrong[1], "DOG_STATSD_MOGRIFIER_B: the pattern cannot be empty");
    assert_eq!(wrong[2], "DOG_STATSD_MOGRIFIER_C_TAGS: expected tags");
}

#[test]
fn the_page_listens_where_go_would() {
    for (address, expected) in [
        ("", "[::]:9090"),
        (":19001", "[::]:19001"),
        ("localhost:1", "127.0.0.1:1"),
        ("10.0.0.1:2", "10.0.0.1:2"),
        ("[::1]:3", "[::1]:3"),
    ] {
        let set = [("USE_PROMETHEUS", "true"), ("PROMETHEUS_ADDR", address)];
        let page = config(&set).telemetry.ratelimit_prometheus.unwrap();
        assert_eq!(page.address.to_string(), expected);
        assert_eq!((&*page.path, page.unit), ("/metrics", TimeUnit::Seconds));
    }
    let set = [
        ("USE_PROMETHEUS", "true"),
        ("PROMETHEUS_PATH", "/stats/prometheus"),
        ("PROMETHEUS_RESPONSE_TIME_AS_MILLISECONDS", "true"),
    ];
    let page = config(&set).telemetry.ratelimit_prometheus.unwrap();
    assert_eq!((&*page.path, page.unit), ("/stats/prometheus", TimeUnit::Milliseconds));
    let taken = wrong(&[("USE_PROMETHEUS", "true"), ("PROMETHEUS_ADDR", ":8080")]);
    assert_eq!(taken, ["PROMETHEUS_ADDR: [::]:8080 is taken by PORT, which has [::]:8080"]);
}

#[test]
fn every_wrong_value_is_told_by_its_name() {
    let set = [
        ("STATSD_PORT", "0"),
        ("STATSD_PROTOCOL", "sctp"),
        ("STATS_FLUSH_INTERVAL", "1ms"),
        ("EXTRA_TAGS", "a"),
        ("USE_PROMETHEUS", "yes"),
        ("PROMETHEUS_ADDR", "prometheus:9090"),
        ("PROMETHEUS_PATH", "metrics"),
    ];
    let wrong = wrong(&set);
    assert_eq!(wrong.len(), set.len(), "{wrong:?}");
    for (name, _) in set {
        assert!(wrong.iter().any(|line| line.starts_with(name)), "{name}: {wrong:?}");
    }
}
