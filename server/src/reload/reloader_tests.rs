//! A reloader over real files, on a clock that the tests move.

use std::fs;
use std::time::Duration;

use tollgate_core::key::KeySecret;
use tollgate_core::store::Bounds;
use tollgate_core::time::{ManualClock, Wall};

use super::*;
use crate::reload::StatusSnapshot;

const SECRET: KeySecret = KeySecret::new([3; 16]);
const GOOD: &str =
    "domain: d\ndescriptors: [{key: a, rate_limit: {unit: day, requests_per_unit: 5}}]";
const BETTER: &str = "domain: d\ndescriptors: [{key: a}, {key: b}]";
const BAD: &str = "domain: bad\ndescriptors: [{key: a, rate_limit: {unit: fortnight}}]";

struct Bench {
    folder: tempfile::TempDir,
    reloader: Reloader,
    decider: Arc<Decider>,
    clock: Arc<ManualClock>,
    status: ConfigStatus,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("limits")).unwrap();
        fs::write(folder.path().join("limits/a.yaml"), GOOD).unwrap();
        let file = folder.path().join("tollgate.yaml");
        fs::write(&file, "ratelimit_files: [limits]").unwrap();
        let Loaded { config, domains, origin, .. } = load::load(&file).unwrap();
        let clock = Arc::new(ManualClock::starting_at(Wall::from_nanos(1_000)));
        let active = Active::new(domains, config.answers.clone(), &SECRET);
        let bounds = Bounds { keys_max: 1_000, bytes_max: 1 << 20 };
        let decider = Arc::new(Decider::new(active, SECRET, bounds, Arc::clone(&clock) as _));
        let status = ConfigStatus::new("tollgate.yaml", origin.content.hash(), clock.wall());
        let reloader = Reloader::new(Started {
            source: origin.source,
            config,
            content: origin.is_settled.then_some(origin.content),
            refused: None,
            decider: Arc::clone(&decider),
            clock: Arc::clone(&clock) as _,
            status: status.clone(),
        });
        Self { folder, reloader, decider, clock, status }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn reload(&mut self) -> Arc<StatusSnapshot> {
        self.clock.advance(Duration::from_nanos(1_000));
        assert_eq!(self.reloader.reload(), Reloaded::Settled);
        self.status.snapshot()
    }

    fn active(&self) -> Arc<Active> {
        Arc::clone(&self.decider.active())
    }
}

#[test]
fn the_same_content_replaces_nothing() {
    let mut bench = Bench::new();
    let (active, status) = (bench.active(), bench.status.snapshot());
    bench.write("limits/a.yaml", GOOD);
    bench.write("limits/.a.yaml.swp", BAD);
    assert_eq!(*bench.reload(), *status);
    assert!(Arc::ptr_eq(&bench.active(), &active));
}

#[test]
fn a_good_content_decides() {
    let mut bench = Bench::new();
    let before = bench.status.snapshot();
    bench.write("limits/b.yaml", "domain: e");
    let after = bench.reload();
    assert_eq!((after.loads_ok, after.loads_failed), (2, 0));
    assert_eq!(after.loaded_at, Some(Wall::from_nanos(2_000)));
    assert_ne!(after.hash, before.hash);
    let domains: Vec<_> =
        bench.active().limits.domains().map(|domain| domain.name().to_string()).collect();
    assert_eq!(domains, ["d", "e"]);
}

#[test]
fn one_bad_file_of_many_keeps_all_that_decides_and_counts_once() {
    let mut bench = Bench::new();
    let (active, before) = (bench.active(), bench.status.snapshot());
    bench.write("limits/a.yaml", BETTER);
    bench.write("limits/b.yaml", BAD);
    for _ in 0..3 {
        let after = bench.reload();
        assert_eq!((after.loads_ok, after.loads_failed, after.hash), (1, 1, before.hash));
        let error = after.error.as_ref().unwrap();
        assert_eq!(error.at, Wall::from_nanos(2_000));
        assert!(error.report.contains("b.yaml:2:43: "), "{}", error.report);
        assert!(Arc::ptr_eq(&bench.active(), &active));
    }
    // Wrong in another way is another content.
    bench.write("limits/b.yaml", "domain: ''");
    assert_eq!(bench.reload().loads_failed, 2);
    bench.write("limits/b.yaml", "domain: e");
    let after = bench.reload();
    assert_eq!((after.loads_ok, after.loads_failed, &after.error), (2, 2, &None));
}

#[test]
fn taking_a_bad_edit_back_clears_the_error_and_replaces_nothing() {
    let mut bench = Bench::new();
    let active = bench.active();
    bench.write("limits/a.yaml", BAD);
    assert!(bench.reload().error.is_some());
    bench.write("limits/a.yaml", GOOD);
    let after = bench.reload();
    assert_eq!((after.loads_ok, after.loads_failed, &after.error), (1, 1, &None));
    assert!(Arc::ptr_eq(&bench.active(), &active));
    assert!(!bench.reloader.is_refused());
}

#[test]
fn a_configuration_that_lists_what_is_not_there_is_taken_over_once_it_is() {
    let mut bench = Bench::new();
    bench.write("tollgate.yaml", "ratelimit_files: [limits, more.yaml]");
    let refused = bench.reload();
    assert!(refused.error.as_ref().unwrap().report.contains("more.yaml"), "{refused:?}");
    bench.write("more.yaml", "domain: more");
    assert_eq!(bench.reload().loads_ok, 2);
    assert_eq!(bench.reloader.listed().len(), 2);
}

#[test]
fn a_content_that_was_not_known_for_sure_is_read_again() {
    let mut bench = Bench::new();
    bench.reloader.active = None;
    let after = bench.reload();
    assert_eq!(after.loads_ok, 2);
    assert!(bench.reloader.active.is_some());
}

#[test]
fn a_changed_listener_is_said_to_need_a_restart_and_the_rest_is_applied() {
    let mut bench = Bench::new();
    bench.write("tollgate.yaml", "node: {workers: 7}\nlimits: {x: {by: [], limit: 1, window: 1s}}");
    bench.reload();
    assert_eq!(bench.reloader.warned, ["node.workers"]);
    assert!(bench.active().limits.domain("tollgate").is_some());
    bench.write("tollgate.yaml", "ratelimit_files: [limits]");
    bench.reload();
    assert_eq!(bench.reloader.warned, [""; 0]);
}

#[test]
fn a_listed_file_that_becomes_a_pipe_is_refused_and_holds_nothing_up() {
    let mut bench = Bench::new();
    bench.write("tollgate.yaml", "ratelimit_files: [limits/a.yaml]");
    bench.reload();
    let listed = bench.folder.path().join("limits/a.yaml");
    fs::remove_file(&listed).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&listed).status().unwrap().success());
    let active = bench.active();
    let refused = bench.reload();
    assert!(refused.error.as_ref().unwrap().report.contains("regular file"), "{refused:?}");
    assert!(Arc::ptr_eq(&bench.active(), &active));
}

#[test]
fn a_first_load_that_failed_is_told_once_and_the_first_good_content_decides() {
    let mut bench = Bench::new();
    bench.write("limits/a.yaml", BAD);
    let config = bench.reloader.node.config.clone();
    let loaded = Loaded::environment(config.clone(), load::HealthRule::Always);
    let origin = loaded.origin;
    assert!(!origin.is_loaded() && loaded.domains.is_empty());
    bench.decider.replace(Active::unloaded(config.answers.clone(), &SECRET));
    bench.status = origin.announce(&bench.decider, &*bench.clock);
    bench.reloader = Reloader::new(Started {
        config,
        content: None,
        refused: origin.failure.map(|report| (origin.content, report.to_string())),
        source: origin.source,
        decider: Arc::clone(&bench.decider),
        clock: Arc::clone(&bench.clock) as _,
        status: bench.status.clone(),
    });

    let status = bench.reload();
    assert_eq!((status.loads_ok, status.loads_failed, status.loaded_at), (0, 1, None));
    assert_eq!(status.source, "environment");
    assert!(status.error.is_some() && !bench.active().is_loaded());

    bench.write("limits/a.yaml", GOOD);
    let status = bench.reload();
    assert_eq!((status.loads_ok, status.loads_failed, &status.error), (1, 1, &None));
    assert!(status.loaded_at.is_some() && bench.active().is_loaded());
    assert_eq!(bench.active().limits.domains().len(), 1);

    bench.write("limits/a.yaml", BAD);
    assert_eq!(bench.reload().loads_failed, 2);
    assert!(bench.active().is_loaded());
}
