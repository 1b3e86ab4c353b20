//! A rate-limit service on files given as text and on a clock that stands still.

use std::sync::Arc;

use tollgate_core::key::KeySecret;
use tollgate_core::store;
use tollgate_core::time::{ManualClock, Wall};

use super::*;
use crate::config::Config;
use crate::decide::double::On;
use crate::decide::{Active, Answers};

/// Bounds that no test meets by accident.
const BOUNDS: Bounds = Bounds {
    descriptors_max: 100,
    entries_max: 32,
    domain_bytes_max: 1_000,
    key_bytes_max: 1_000,
    value_bytes_max: 10_000,
};

/// Reads `files`, each with its name, as a configuration would, and serves them at `now`.
pub(super) fn service<'a>(
    on: On,
    files: impl IntoIterator<Item = (&'a str, &'a str)>,
    answers: Answers,
    now: Wall,
) -> RateLimit {
    let folder = tempfile::tempdir().unwrap();
    for (file, yaml) in files {
        std::fs::write(folder.path().join(file), yaml).unwrap();
    }
    let text = format!("ratelimit_files: [{:?}]", folder.path());
    let config = Config::parse("tested", &text, folder.path()).unwrap();
    let secret = KeySecret::new([9; 16]);
    let active = Active::new(config.domains().unwrap(), answers, &secret);
    let bounds = store::Bounds { keys_max: 1 << 20, bytes_max: 1 << 30 };
    let clock = Arc::new(ManualClock::starting_at(now));
    let decider = Arc::new(on.decider(active, secret, bounds, clock));
    RateLimit::new(decider, BOUNDS, "tested")
}
