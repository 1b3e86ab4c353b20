//! Each rule of the protocol, in no time, and what holds whatever comes.

use proptest::prelude::*;

use super::*;

fn at(millis: u64) -> Monotonic {
    Monotonic::from_nanos(millis * 1_000_000)
}

fn head(version: &str, nonce: &str, content: u64) -> Head {
    Head { version: version.into(), nonce: nonce.into(), content }
}

fn ack(version: &str, nonce: &str) -> Request {
    Request { version: version.into(), nonce: nonce.into(), refusal: None }
}

fn nack(version: &str, nonce: &str) -> Request {
    Request { refusal: Some("bad".into()), ..ack(version, nonce) }
}

fn refused(is_partial: bool) -> Verdict {
    Verdict::Refused { detail: "bad".into(), is_partial }
}

fn machine() -> Machine {
    Machine::new(Backoff::default())
}

/// A machine on whose stream `content` was accepted as version "7".
fn serving(content: u64) -> Machine {
    let mut machine = machine();
    machine.opened(at(0));
    assert_eq!(machine.received(head("7", "n1", content), at(1)), Step::Build);
    assert_eq!(machine.built(Verdict::Accepted, at(2)), Some(ack("7", "n1")));
    machine
}

#[test]
fn a_new_stream_begins_with_no_version_and_no_nonce() {
    let mut machine = serving(1);
    machine.ended(at(20_000), 0.5);
    assert_eq!(machine.opened(at(20_100)), ack("", ""));
}

#[test]
fn responses_without_end_are_looked_at_ten_times_a_second() {
    let mut machine = machine();
    machine.opened(at(5_000));
    for _ in 0..BURST {
        assert_eq!(machine.pause(at(5_000)), Duration::ZERO);
        machine.looked(at(5_000));
    }
    assert_eq!(machine.pause(at(5_000)), PACE);
    // A server that ends the stream each time gains nothing.
    machine.ended(at(5_001), 0.5);
    machine.opened(at(5_002));
    assert_eq!(machine.pause(at(5_060)), Duration::from_millis(40));
    let mut now = 5_100;
    for _ in 0..100 {
        assert_eq!(machine.pause(at(now)), Duration::ZERO);
        machine.looked(at(now));
        assert_eq!(machine.pause(at(now)), PACE);
        now += 100;
    }
    assert_eq!(machine.pause(at(now + 60_000)), Duration::ZERO);
}

#[test]
fn an_accepted_content_is_acknowledged_after_it_is_built_and_not_before() {
    let mut machine = machine();
    machine.opened(at(0));
    assert_eq!(machine.received(head("1", "a", 5), at(1)), Step::Build);
    assert_eq!((machine.due(at(9_000)), machine.wait(at(9_000))), (None, None));
    assert_eq!(machine.built(Verdict::Accepted, at(9_001)), Some(ack("1", "a")));
}

#[test]
fn the_same_content_is_acknowledged_and_not_built_whatever_its_version() {
    let mut machine = serving(1);
    let step = machine.received(head("8", "n2", 1), at(10));
    assert_eq!(step, Step::Unchanged(ack("8", "n2")));
    // The version of this stream moved on.
    assert_eq!(machine.received(head("9", "n3", 2), at(11)), Step::Build);
    assert_eq!(machine.built(refused(false), at(12)), Some(nack("8", "n3")));
}

#[test]
fn a_restarted_server_with_the_same_version_and_other_content_is_followed() {
    let mut machine = serving(1);
    machine.ended(at(20_000), 0.5);
    machine.opened(at(20_100));
    assert_eq!(machine.received(head("7", "n1", 2), at(20_101)), Step::Build);
    assert_eq!(machine.built(Verdict::Accepted, at(20_102)), Some(ack("7", "n1")));
    // And one with the same content costs nothing.
    machine.ended(at(40_000), 0.5);
    machine.opened(at(40_100));
    let step = machine.received(head("1", "n1", 2), at(40_101));
    assert_eq!(step, Step::Unchanged(ack("1", "n1")));
}

#[test]
fn the_first_refusal_is_told_at_once_with_the_last_version_of_this_stream() {
    let mut machine = serving(1);
    assert_eq!(machine.received(head("8", "n2", 2), at(10)), Step::Build);
    assert_eq!(machine.built(refused(false), at(11)), Some(nack("7", "n2")));
    machine.ended(at(20_000), 0.0);
    machine.opened(at(20_000));
    assert_eq!(machine.received(head("9", "m1", 3), at(20_001)), Step::Build);
    assert_eq!(machine.built(refused(false), at(20_002)), Some(nack("", "m1")));
}

#[test]
fn a_server_that_resends_on_every_refusal_hears_six_requests_in_15_seconds() {
    let mut machine = machine();
    let mut requests = vec![(0, machine.opened(at(0)))];
    assert_eq!(machine.received(head("1", "0", 2), at(0)), Step::Build);
    requests.push((0, machine.built(refused(false), at(0)).unwrap()));
    for now in 0..60_000 {
        if let Some(request) = machine.due(at(now)) {
            requests.push((now, request));
        }
        if machine.wait(at(now)).is_none() {
            let nonce = requests.len().to_string();
            assert_eq!(machine.received(head("1", &nonce, 2), at(now)), Step::Refused);
        }
    }
    let times: Vec<_> = requests.iter().map(|(time, _)| *time).collect();
    assert_eq!(times, [0, 0, 1_000, 3_000, 7_000, 15_000, 25_000, 35_000, 45_000, 55_000]);
    assert_eq!(requests[5].1, nack("", "5"), "the newest nonce");
}

#[test]
fn a_mended_content_is_built_at_once_even_while_a_refusal_waits() {
    let mut machine = serving(1);
    machine.received(head("8", "n2", 2), at(10));
    machine.built(refused(true), at(11));
    assert_eq!(machine.received(head("8", "n3", 2), at(12)), Step::Refused);
    assert_eq!(machine.received(head("9", "n4", 3), at(13)), Step::Build);
    assert_eq!(machine.built(Verdict::Accepted, at(14)), Some(ack("9", "n4")));
    assert_eq!((machine.due(at(60_000)), machine.wait(at(60_000))), (None, None));
    // What was refused once is told at once again if it comes back later.
    assert_eq!(machine.received(head("10", "n5", 2), at(70_000)), Step::Build);
    assert_eq!(machine.built(refused(true), at(70_001)), Some(nack("9", "n5")));
}

#[test]
fn a_newer_response_with_the_refused_content_only_changes_the_nonce() {
    let mut machine = serving(1);
    machine.received(head("8", "n2", 2), at(0));
    machine.built(refused(false), at(0));
    machine.received(head("8", "n3", 2), at(100));
    machine.received(head("8", "n4", 2), at(900));
    assert_eq!(machine.wait(at(900)), Some(Duration::from_millis(200)));
    assert_eq!(machine.due(at(1_100)), Some(nack("7", "n4")));
}

#[test]
fn refusals_of_contents_that_differ_each_time_are_a_second_apart() {
    let mut machine = machine();
    machine.opened(at(0));
    let mut told = Vec::new();
    for now in 0..5_000 {
        if machine.wait(at(now)).is_none() {
            assert_eq!(machine.received(head("1", "n", now + 1), at(now)), Step::Build);
            told.extend(machine.built(refused(false), at(now)).map(|_| now));
        }
        told.extend(machine.due(at(now)).map(|_| now));
    }
    assert_eq!(told, [0, 1_000, 2_000, 3_000, 4_000]);
}

#[test]
fn after_a_partial_refusal_the_content_before_it_is_built_again() {
    let mut machine = serving(1);
    machine.received(head("8", "n2", 2), at(10));
    machine.built(refused(true), at(11));
    assert_eq!(machine.received(head("9", "n3", 1), at(12)), Step::Build);
}

#[test]
fn after_a_whole_refusal_the_content_before_it_still_serves() {
    let mut machine = serving(1);
    machine.received(head("8", "n2", 2), at(10));
    machine.built(refused(false), at(11));
    let step = machine.received(head("9", "n3", 1), at(12));
    assert_eq!(step, Step::Unchanged(ack("9", "n3")));
}

#[test]
fn connections_are_made_again_in_doubling_waits_up_to_a_bound() {
    let mut machine = machine();
    let waits: Vec<_> = (0..9).map(|_| machine.ended(at(0), 1.0).as_millis()).collect();
    assert_eq!(waits, [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
    assert_eq!(machine.ended(at(0), 0.25).as_millis(), 2_500, "any part of it");
}

#[test]
fn a_stream_that_ends_again_and_again_makes_no_loop_and_a_steady_one_starts_anew() {
    let mut machine = machine();
    for (index, wait) in [100, 200, 400].into_iter().enumerate() {
        machine.opened(at(index as u64 * 1_000));
        machine.received(head("1", "n", 1), at(index as u64 * 1_000));
        machine.built(Verdict::Accepted, at(index as u64 * 1_000));
        let ended = machine.ended(at(index as u64 * 1_000 + 500), 1.0);
        assert_eq!(ended.as_millis(), wait);
    }
    machine.opened(at(50_000));
    assert_eq!(machine.ended(at(60_000), 1.0).as_millis(), 100);
}

#[test]
fn bounds_of_the_environment_and_no_jitter_are_kept() {
    let seconds = Duration::from_secs;
    let backoff = Backoff { first: seconds(2), longest: seconds(5), jitter: false };
    let mut machine = Machine::new(backoff);
    let waits: Vec<_> = (0..4).map(|_| machine.ended(at(0), 0.1).as_secs()).collect();
    assert_eq!(waits, [2, 4, 5, 5]);
}

#[test]
fn a_refusal_is_cut_to_a_kibibyte_between_characters() {
    let mut machine = machine();
    machine.opened(at(0));
    machine.received(head("1", "n", 1), at(0));
    let detail = format!("x{}", "ä".repeat(5_000));
    let told = machine.built(Verdict::Refused { detail, is_partial: false }, at(0)).unwrap();
    assert_eq!(told.refusal.unwrap().len(), 1_023);
}

#[derive(Clone, Debug)]
enum Happening {
    Response { content: u64, good: bool },
    Time(u64),
    Ended,
}

fn any_happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (0..4_u64, any::<bool>()).prop_map(|(content, good)| {
            Happening::Response { content, good }
        }),
        4 => (0..3_000_u64).prop_map(Happening::Time),
        1 => Just(Happening::Ended),
    ]
}

proptest! {
    /// Whatever comes: a version is only ever told on the stream on which it was accepted, a
    /// response is answered at most once and with its own nonce, and refusals make no loop.
    #[test]
    fn nothing_is_told_that_is_not_so(
        happenings in proptest::collection::vec(any_happening(), 1..200),
    ) {
        let mut machine = machine();
        let (mut now, mut nonce) = (0, 0_u32);
        let mut accepted_here = vec![String::new()];
        let mut unanswered: Option<String> = None;
        let mut refusals = Vec::new();
        machine.opened(at(now));
        for happening in happenings {
            let mut said = None;
            match happening {
                Happening::Response { content, good } => {
                    nonce += 1;
                    unanswered = Some(nonce.to_string());
                    let head = head(&format!("v{nonce}"), &nonce.to_string(), content);
                    said = match machine.received(head, at(now)) {
                        Step::Unchanged(request) => Some(request),
                        Step::Build => {
                            let verdict = if good { Verdict::Accepted } else { refused(content > 1) };
                            machine.built(verdict, at(now))
                        }
                        Step::Refused => None,
                    };
                }
                Happening::Time(millis) => {
                    now += millis;
                    said = machine.due(at(now));
                }
                Happening::Ended => {
                    machine.ended(at(now), 0.5);
                    prop_assert_eq!(machine.opened(at(now)), ack("", ""));
                    (accepted_here, unanswered) = (vec![String::new()], None);
                }
            }
            let Some(said) = said else { continue };
            prop_assert_eq!(Some(said.nonce.clone()), unanswered.take());
            if said.refusal.is_some() {
                prop_assert_eq!(Some(&said.version), accepted_here.last());
                refusals.push(now);
            } else {
                accepted_here.push(said.version);
            }
        }
        let is_apart = refusals.windows(2).all(|pair| pair[1] - pair[0] >= 1_000);
        prop_assert!(is_apart, "{refusals:?}");
    }
}
