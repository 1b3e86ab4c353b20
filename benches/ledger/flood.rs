//! One domain floods a full ledger with keys that never come again; another is quiet.

use tollgate_benches::usage;
use tollgate_core::key::DomainTag;
use tollgate_core::limit::Algorithm;
use tollgate_core::store::Bounds;

use crate::cases::{Charger, measure, name};
use crate::report::Figures;

/// Keys of the quiet domain, one hit each before the flood.
const QUIET_KEYS: u32 = 1_000;

pub(crate) fn run(bound: u32, keys: u32) -> anyhow::Result<Figures> {
    let bounds = Bounds { keys_max: bound as usize, bytes_max: usize::MAX };
    let charger = Charger::new(Algorithm::FixedWindow, bounds);
    let (loud, quiet) = (DomainTag(1), DomainTag(2));
    for number in 0..QUIET_KEYS {
        charger.hit("quiet", quiet, &name(number));
    }
    let mut at_bound = None;
    let figures = measure("Flood", keys, |number| {
        charger.hit("bench", loud, &name(number));
        if number == bound + bound / 10 {
            at_bound = usage::resident_bytes(std::process::id()).ok();
        }
    })?;
    let end = usage::resident_bytes(std::process::id())?;
    let intact = (0..QUIET_KEYS)
        .filter(|number| charger.ledger.bucket(charger.key("quiet", &name(*number))).is_some())
        .count();
    let totals = charger.ledger.totals();
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let notes = vec![
        format!(
            "resident {:.1} MiB when the bound was reached, {:.1} MiB after {} keys",
            mib(at_bound.unwrap_or_default()),
            mib(end),
            2 * u64::from(keys)
        ),
        format!(
            "{} evicted live, {} although spent, {} refused",
            totals.stats.evicted_live, totals.stats.evicted_over_limit, totals.stats.refused
        ),
        format!("{intact} of {QUIET_KEYS} buckets of the quiet domain intact"),
    ];
    Ok(Figures { keys: totals.keys, bytes: end as f64 / totals.keys as f64, notes, ..figures })
}
