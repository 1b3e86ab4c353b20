//! Flushes over real sockets: every hit is told once, whatever the peer does.

use std::collections::BTreeMap;

use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tollgate_core::tally::Tally;
use tollgate_core::time::{Clock, ManualClock, Wall};

use super::*;
use crate::statistics::Origin;
use crate::statistics::statsd::Protocol;

const BOUND: Duration = Duration::from_secs(10);

fn exporter(protocol: Protocol, port: u16) -> (Arc<Statistics>, Exporter) {
    let settings = Statsd {
        protocol,
        host: "127.0.0.1".to_owned(),
        port,
        flush_interval: Duration::from_secs(10),
        tags: Vec::new(),
        mogrifiers: Vec::new(),
        is_asked_for: true,
    };
    let statistics = Arc::new(Statistics::default());
    let status = ConfigStatus::new("a.yaml", 1, Wall::default());
    (Arc::clone(&statistics), Exporter::new(settings, statistics, status))
}

fn hit(statistics: &Statistics, name: &str, total: u64, over: u64) {
    let limit = statistics.limits.figures(Origin::Configuration, "d", name, Vec::new);
    let within = total - over;
    limit.figures.add(&Tally { total, within, over, ..Tally::default() });
}

async fn accept(listener: &TcpListener) -> (TcpStream, std::net::SocketAddr) {
    tokio::time::timeout(BOUND, listener.accept()).await.unwrap().unwrap()
}

/// Reads lines until there are `count`, and adds their values up by name.
async fn sums(peer: &mut TcpStream, count: usize) -> BTreeMap<String, u64> {
    let mut text = String::new();
    let reading = async {
        while text.lines().count() < count || !text.ends_with('\n') {
            let mut part = [0; 4_096];
            let bytes = peer.read(&mut part).await.unwrap();
            assert!(bytes > 0, "closed after {text}");
            text.push_str(std::str::from_utf8(&part[..bytes]).unwrap());
        }
    };
    tokio::time::timeout(BOUND, reading).await.unwrap();
    add_up(&text)
}

fn add_up(text: &str) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for line in text.lines() {
        let (name, rest) = line.split_once(':').unwrap();
        if let Some(value) = rest.strip_suffix("|c") {
            *sums.entry(name.to_owned()).or_default() += value.parse::<u64>().unwrap();
        }
    }
    sums
}

fn named(last: &[(&str, u64)]) -> BTreeMap<String, u64> {
    last.iter().map(|(name, count)| (format!("ratelimit.service.{name}"), *count)).collect()
}

#[tokio::test]
async fn each_flush_tells_what_was_added() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (statistics, mut exporter) =
        exporter(Protocol::StatsdTcp, listener.local_addr().unwrap().port());
    hit(&statistics, "d.k:v", 5, 2);
    exporter.flush().await.unwrap();
    let (mut peer, _) = accept(&listener).await;
    let first = [
        ("config_load_success", 1),
        ("rate_limit.d.k_v.total_hits", 5),
        ("rate_limit.d.k_v.within_limit", 3),
        ("rate_limit.d.k_v.over_limit", 2),
    ];
    assert_eq!(sums(&mut peer, 4).await, named(&first));
    // Nothing changed: nothing is told, and the next line is the next change.
    exporter.flush().await.unwrap();
    hit(&statistics, "d.k:v", 1, 1);
    hit(&statistics, "d.new", 1, 0);
    exporter.flush().await.unwrap();
    let second = [
        ("rate_limit.d.k_v.total_hits", 1),
        ("rate_limit.d.k_v.over_limit", 1),
        ("rate_limit.d.new.total_hits", 1),
        ("rate_limit.d.new.within_limit", 1),
    ];
    assert_eq!(sums(&mut peer, 4).await, named(&second));
}

#[tokio::test]
async fn a_peer_that_was_away_is_told_everything_once_it_is_there() {
    let held = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = held.local_addr().unwrap();
    drop(held);
    let (statistics, mut exporter) = exporter(Protocol::StatsdTcp, address.port());
    for failures in 1..=3 {
        hit(&statistics, "d.k", 1, 0);
        let flushed = exporter.flush().await;
        exporter.tell(flushed);
        assert_eq!(exporter.failures, failures);
    }
    // The pause grows with each failure, up to half a minute.
    assert_eq!(exporter.ticks_to_wait(), 3);
    let listener = TcpListener::bind(address).await.unwrap();
    let flushed = exporter.flush().await;
    exporter.tell(flushed);
    assert_eq!((exporter.failures, exporter.ticks_to_wait()), (0, 1));
    let (mut peer, _) = accept(&listener).await;
    let all = sums(&mut peer, 3).await;
    assert_eq!(all["ratelimit.service.rate_limit.d.k.total_hits"], 3);
    // It closes; the next flush sees that and connects anew.
    drop(peer);
    let closed = async {
        while exporter.transport.as_ref().is_some_and(Transport::is_open) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(BOUND, closed).await.unwrap();
    hit(&statistics, "d.k", 4, 0);
    exporter.flush().await.unwrap();
    let (mut peer, _) = accept(&listener).await;
    let all = sums(&mut peer, 2).await;
    assert_eq!(all["ratelimit.service.rate_limit.d.k.total_hits"], 4);
}

#[tokio::test]
async fn datagrams_are_bounded_and_times_are_samples_that_stand_for_many() {
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (statistics, mut exporter) =
        exporter(Protocol::Dogstatsd, peer.local_addr().unwrap().port());
    for number in 0..40 {
        hit(&statistics, &format!("d.a_name_of_some_length_{number}"), 2, 1);
    }
    let clock = Arc::new(ManualClock::starting_at(Wall::default()));
    let stopwatch = statistics.rls.stopwatch(Arc::clone(&clock) as Arc<dyn Clock>);
    for micros in [20, 20, 20, 400] {
        let mut call = stopwatch.start(None);
        clock.advance(Duration::from_micros(micros));
        call.answered();
    }
    exporter.flush().await.unwrap();
    let mut text = String::new();
    // total, within and over of forty limits, the load, the calls and two buckets.
    while text.lines().count() < 40 * 3 + 4 {
        let mut datagram = [0; 2_048];
        let bytes = tokio::time::timeout(BOUND, peer.recv(&mut datagram)).await.unwrap().unwrap();
        assert!(bytes <= 1_432 && datagram[bytes - 1] == b'\n', "{bytes}");
        text.push_str(std::str::from_utf8(&datagram[..bytes]).unwrap());
    }
    let sums = add_up(&text);
    assert_eq!(sums.len(), 40 * 3 + 2);
    assert_eq!(sums["ratelimit_server.ShouldRateLimit.total_requests"], 4);
    let times: Vec<_> = text.lines().filter(|line| line.contains("|ms")).collect();
    let name = "ratelimit_server.ShouldRateLimit.response_time";
    assert!(times[0].starts_with(&format!("{name}:0.025|ms|@0.333333333333333")), "{times:?}");
    assert_eq!(times[1..], [format!("{name}:0.5|ms")]);
}

#[tokio::test]
async fn a_flush_has_a_bound_and_every_limit_its_turn() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (statistics, mut exporter) =
        exporter(Protocol::StatsdTcp, listener.local_addr().unwrap().port());
    let limits = 6_000;
    for number in 0..limits {
        hit(&statistics, &format!("d.a_name_of_some_length_{number}"), 2, 1);
    }
    let reader = tokio::spawn(async move {
        let (mut peer, _) = accept(&listener).await;
        let mut text = String::new();
        peer.read_to_string(&mut text).await.unwrap();
        text
    });
    for _ in 0..3 {
        exporter.flush().await.unwrap();
        // The first limits go on being hit and must not keep the last ones from their turn.
        hit(&statistics, "d.a_name_of_some_length_0", 2, 1);
    }
    exporter.transport = None;
    let sums = add_up(&tokio::time::timeout(BOUND, reader).await.unwrap().unwrap());
    let last = format!("ratelimit.service.rate_limit.d.a_name_of_some_length_{}", limits - 1);
    assert_eq!(sums[&format!("{last}.total_hits")], 2);
    assert_eq!(sums.len(), limits * 3 + 1);
}

#[tokio::test]
async fn a_peer_that_never_reads_costs_a_bounded_time_and_nothing_is_told_twice() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (statistics, mut exporter) =
        exporter(Protocol::StatsdTcp, listener.local_addr().unwrap().port());
    let mut flushes = 0_u64;
    // Hit them anew until the buffers between the two are full and a flush gives up.
    loop {
        flushes += 1;
        for number in 0..6_000 {
            hit(&statistics, &format!("d.a_name_of_some_length_{number}"), 1, 0);
        }
        if exporter.flush().await.is_err() {
            break;
        }
        assert!(flushes < 1_000, "a peer that does not read takes everything");
    }
    assert!(exporter.transport.is_none());
    let (mut peer, _) = accept(&listener).await;
    let mut text = Vec::new();
    tokio::time::timeout(BOUND, peer.read_to_end(&mut text)).await.unwrap().unwrap();
    let text = String::from_utf8(text).unwrap();
    // The last line may have been cut.
    let whole = text.rsplit_once('\n').unwrap().0;
    let sums = add_up(whole);
    assert!(sums.values().all(|sum| *sum <= flushes), "something was told twice");
}

#[tokio::test]
async fn domains_that_are_spelled_alike_on_the_wire_are_told_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (statistics, mut exporter) =
        exporter(Protocol::StatsdTcp, listener.local_addr().unwrap().port());
    statistics.unknown_domains.count("a:b", 5);
    statistics.unknown_domains.count("a|b", 3);
    exporter.flush().await.unwrap();
    let (mut peer, _) = accept(&listener).await;
    let all = sums(&mut peer, 2).await;
    assert_eq!(all["ratelimit.service.rate_limit.a_b.domain_not_found"], 8);
    // Nothing was added: nothing is told, and the next line is the next change.
    exporter.flush().await.unwrap();
    statistics.count_shadowed();
    exporter.flush().await.unwrap();
    assert_eq!(sums(&mut peer, 1).await, named(&[("global_shadow_mode", 1)]));
}
