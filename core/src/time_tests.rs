//! The clock that joins two clocks, against steps of either and against its successors.

use proptest::prelude::*;

use super::*;

const START: Wall = Wall(1_700_000_003 * NANOS_PER_SECOND);

fn started() -> (ManualClock, LogClock) {
    let clock = ManualClock::starting_at(START);
    let log = LogClock::new(clock.monotonic(), clock.wall());
    (clock, log)
}

#[test]
fn agrees_with_the_wall_clock_at_the_start() {
    let (clock, log) = started();
    assert_eq!(log.now(clock.monotonic()).epoch, START);
}

#[test]
fn a_backward_step_of_the_wall_clock_never_moves_epoch_time_back() {
    let (clock, log) = started();
    let mut last = log.now(clock.monotonic()).epoch;
    clock.step_wall_to(Wall(0));
    for pause in [1_000, 1, 250, 3_600_000, 1].into_iter().cycle().take(500) {
        clock.advance(Duration::from_millis(pause));
        let before = log.now(clock.monotonic()).epoch;
        log.discipline(clock.monotonic(), clock.wall());
        let after = log.now(clock.monotonic()).epoch;
        assert!(before >= last && after >= before, "{last:?} {before:?} {after:?}");
        last = after;
    }
}

#[test]
fn a_forward_step_is_followed_by_at_most_500_ppm() {
    let (clock, log) = started();
    clock.step_wall_to(START.plus(Duration::from_secs(3600)));
    for _ in 0..100 {
        clock.advance(Duration::from_secs(1));
        log.discipline(clock.monotonic(), clock.wall());
    }
    let gained = log.now(clock.monotonic()).epoch.since(START);
    assert_eq!(gained, Duration::from_secs(100) + Duration::from_millis(50));
}

#[test]
fn a_small_error_is_corrected_in_full() {
    let (clock, log) = started();
    clock.step_wall_to(START.plus(Duration::from_micros(300)));
    clock.advance(Duration::from_secs(1));
    log.discipline(clock.monotonic(), clock.wall());
    assert_eq!(log.now(clock.monotonic()).epoch, clock.wall());
}

fn now(log: u64, epoch: u64) -> Now {
    Now { log: LogTime(log), epoch: Wall(epoch) }
}

#[test]
fn a_clock_that_goes_on_leaves_out_a_thousandth_of_the_time_between() {
    let last = now(5_000, 9_000);
    let clock = LogClock::resume(last, Duration::from_nanos(2_000), Monotonic(70));
    assert_eq!(clock.now(Monotonic(70)), now(6_998, 10_998));
    assert_eq!(clock.now(Monotonic(80)), now(7_008, 11_008));
    // What cannot be halved is not carried.
    let clock = LogClock::resume(last, Duration::from_nanos(1), Monotonic(70));
    assert_eq!(clock.now(Monotonic(70)), last);
    assert_eq!(LogClock::resume(last, Duration::ZERO, Monotonic(0)).now(Monotonic(0)), last);
}

#[test]
fn a_clock_that_goes_on_behind_the_wall_clock_comes_nearer_by_at_most_500_ppm() {
    let last = now(START.0, START.0);
    let clock = LogClock::resume(last, Duration::ZERO, Monotonic(0));
    let ahead = START.plus(Duration::from_secs(3_600));
    for second in 1..=100 {
        let passed = Duration::from_secs(second);
        clock.discipline(Monotonic(0).plus(passed), ahead.plus(passed));
    }
    let then = clock.now(Monotonic(100 * NANOS_PER_SECOND));
    assert_eq!(then.log.since(last.log), Duration::from_secs(100));
    assert_eq!(then.epoch.since(last.epoch), Duration::from_secs(100) + Duration::from_millis(50));
}

proptest! {
    /// Leaders come and go, their wall clocks anywhere; what is stamped is held against the real time
    /// that passed. Their own clocks measure it up to a thousandth wrong.
    #[test]
    fn from_leader_to_leader_time_never_goes_back_nor_faster_than_real_time(
        start in (0..1_u64 << 63, 0..1_u64 << 63),
        leaders in proptest::collection::vec(
            (0..5_000_000_000_u64, any::<bool>(), 0..1_u64 << 63, any::<u64>(),
                proptest::collection::vec((0..2_000_000_000_u64, any::<bool>()), 0..20)),
            1..8),
    ) {
        let first = now(start.0, start.1);
        let (mut last, mut real) = (first, 0_u64);
        for (between, is_fast, origin, wall, steps) in leaders {
            real += between;
            let origin = Monotonic(origin);
            let measured = between + if is_fast { between / 1_000 } else { 0 };
            let clock = LogClock::resume(last, Duration::from_nanos(measured), origin);
            let mut passed = 0;
            for (pause, disciplines) in steps {
                (passed, real) = (passed + pause, real + pause);
                let monotonic = origin.plus(Duration::from_nanos(passed));
                if disciplines {
                    clock.discipline(monotonic, Wall(wall));
                }
                let then = clock.now(monotonic);
                prop_assert!(then.log >= last.log && then.epoch >= last.epoch, "{then:?} {last:?}");
                prop_assert!(then.log.since(first.log) <= Duration::from_nanos(real));
                let slewed = real.saturating_add(real / 1_000_000 * SLEW_PPM_MAX + SLEW_PPM_MAX);
                prop_assert!(then.epoch.since(first.epoch) <= Duration::from_nanos(slewed));
                last = then;
            }
        }
    }
}
