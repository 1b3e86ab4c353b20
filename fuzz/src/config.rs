//! A `tollgate.yaml`: everything that is wrong with it, or a configuration that holds.

use std::path::Path;
use std::str;

use tollgate_server::config::Config;

use crate::{places, ratelimit};

/// Panics if a configuration is refused without a place in it, if a second reading gives something
/// else, or if its named limits admit more than they say. The files that it names are not read.
pub fn config(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let parse = || Config::parse("fuzz.yaml", text, Path::new("nowhere"));
    match (parse(), parse()) {
        (Ok(config), Ok(again)) => {
            assert_eq!(format!("{config:?}"), format!("{again:?}"), "not the same configuration");
            assert_bounds(&config);
            assert_limits_hold(&Config { ratelimit_files: Vec::new(), ..config });
        }
        (Err(report), again) => {
            places::assert_report(&report, text);
            assert_eq!(Some(report), again.err(), "not the same report");
        }
        (Ok(_), Err(report)) => assert_eq!(report.to_string(), "", "right once, then wrong"),
    }
}

/// No bound is off.
fn assert_bounds(config: &Config) {
    let bounds = &config.bounds;
    let all = [
        bounds.descriptors_max,
        bounds.entries_max,
        bounds.key_bytes_max,
        bounds.value_bytes_max,
        bounds.domain_bytes_max,
        bounds.message_bytes_max,
        bounds.in_flight_bytes_max,
        config.ledger.keys_max,
        config.ledger.bytes_max,
    ];
    assert!(all.iter().all(|bound| *bound > 0), "{config:?}");
}

fn assert_limits_hold(config: &Config) {
    let domains = config.domains();
    assert!(domains.is_ok(), "{domains:?}");
    ratelimit::assert_rules_hold(&domains.unwrap_or_default());
}
