//! Seeds, and the defects that some of them find.

use super::planted::Planted;
use super::run::{Report, run};

/// Seeds of a test run that asks for no others.
const SEEDS_DEFAULT: u64 = 4;

/// Seeds in which a planted defect must be found.
const SEEDS_PLANTED: u64 = 30;

/// Events that are shown of a broken run, at most; 0 for all is asked for by name.
const SHOWN_MAX: usize = 200;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}

fn show(report: &Report) {
    let all = report.events.len();
    let skipped =
        if number("TOLLGATE_SIM_EVENTS").is_some() { 0 } else { all.saturating_sub(SHOWN_MAX) };
    for (at, event) in report.events.iter().skip(skipped) {
        println!("{:>10.6} {event}", at.as_secs_f64());
    }
    for broken in report.broken.iter().take(10) {
        println!("seed {}: broken: {broken}", report.seed);
    }
    println!("to run it again: cargo xtask sim --seed {}", report.seed);
}

#[test]
fn seeds_break_nothing() {
    let first = number("TOLLGATE_SIM_FROM").unwrap_or(1);
    let count = number("TOLLGATE_SIM_SEEDS").unwrap_or(SEEDS_DEFAULT);
    let mut failed = Vec::new();
    let mut figures = [0; 3];
    for seed in first..first + count {
        // Said before, so that the last one is known if the process ends.
        println!("seed {seed}");
        let report = run(seed, None);
        if !report.broken.is_empty() {
            show(&report);
            failed.push(seed);
        }
        figures.iter_mut().zip(report.figures).for_each(|(sum, more)| *sum += more);
    }
    let [calls, answered, entries] = figures;
    println!("{count} seeds: {calls} calls, {answered} answered, {entries} entries");
    assert!(failed.is_empty(), "seeds {failed:?}");
    // Runs in which little is answered would hold whatever happens.
    assert!(answered * 2 > calls, "{answered} of {calls}");
}

#[test]
fn a_seed_is_the_same_run_twice() {
    let (first, second) = (run(1, None), run(1, None));
    for (one, other) in first.events.iter().zip(&second.events) {
        assert_eq!(one, other);
    }
    assert_eq!(first.trace, second.trace);
    assert_ne!(first.trace, run(2, None).trace);
}

fn is_found(planted: Planted, by: &[&str]) {
    let finds = |seed: &u64| {
        let report = run(*seed, Some(planted));
        report.broken.iter().any(|broken| by.contains(&broken.what))
    };
    let found = (1..=SEEDS_PLANTED).find(finds);
    println!("{planted:?} is found by seed {found:?}");
    assert!(found.is_some(), "{planted:?} is not found by {by:?}");
}

#[test]
fn a_node_s_own_time_is_found() {
    is_found(Planted::LocalTime, &["equal replicas"]);
}

#[test]
#[ignore = "none of the first 60 seeds meets it: too few batches are sent again"]
fn a_forgotten_session_is_found() {
    is_found(Planted::ForgottenSessions, &["once"]);
}

#[test]
fn a_log_that_is_forgotten_under_the_same_name_is_found() {
    is_found(Planted::OldId, &["forgotten logs"]);
}

#[test]
fn the_order_of_a_map_is_found() {
    is_found(Planted::MapOrder, &["equal replicas"]);
}

#[test]
fn a_denial_that_outlives_a_refund_is_found() {
    is_found(Planted::LastingDenials, &["denials end"]);
}

#[test]
fn a_leader_s_own_wall_clock_is_found() {
    is_found(Planted::LeadersWallClock, &["limits", "order"]);
}
