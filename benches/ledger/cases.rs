//! The ledger's own cases.

use std::time::Duration;

use tollgate_benches::usage;
use tollgate_core::descriptor::{Charge, Entry};
use tollgate_core::key::{DomainTag, Key, KeySecret};
use tollgate_core::limit::{Algorithm, Quota, Unit};
use tollgate_core::plan::{Label, Operation};
use tollgate_core::store::Bounds;
use tollgate_core::time::{LogTime, Now, Wall};
use tollgate_server::decide::LocalLedger;

use crate::Case;
use crate::report::Figures;

/// A quiet moment of a window.
const NOW: Now = Now {
    log: LogTime::from_nanos(1_700_000_000_000_000_000),
    epoch: Wall::from_nanos(1_700_000_000_000_000_000),
};

/// Names keys and charges them.
pub(crate) struct Charger {
    pub(crate) ledger: LocalLedger,
    pub(crate) quota: Quota,
    secret: KeySecret,
}

impl Charger {
    pub(crate) fn new(algorithm: Algorithm, bounds: Bounds) -> Self {
        let quota = Quota { algorithm, ..Quota::per_unit(10, Unit::Year) };
        Self { ledger: LocalLedger::new(bounds), quota, secret: KeySecret::new([7; 16]) }
    }

    pub(crate) fn key(&self, domain: &str, name: &str) -> Key {
        let mut key = self.secret.begin(domain);
        key.entry(Entry { key: "user", value: name });
        key.finish(self.quota.shape(0))
    }

    /// One hit; whether it was counted.
    pub(crate) fn hit(&self, domain: &str, tag: DomainTag, name: &str) -> bool {
        let entries = [Entry { key: "user", value: name }];
        let operation = Operation {
            key: self.key(domain, name),
            quota: self.quota,
            charge: Charge::Hits(1),
            domain: tag,
            limit: None,
            label: Label { domain, entries: &entries, named: None },
            first_shared: None,
        };
        self.ledger.charge(&operation, NOW).is_ok()
    }
}

/// The name of a user: as long as a short identifier.
pub(crate) fn name(number: u32) -> String {
    format!("user-{number:08x}")
}

/// The order of the second pass: every number once, far from its neighbours.
pub(crate) fn scattered(at: u32, keys: u32) -> u32 {
    // A multiplier without a common factor with any count below 2^32: it is an odd prime.
    (u64::from(at) * 2_654_435_761 % u64::from(keys)) as u32
}

pub(crate) fn run(case: Case, keys: u32) -> anyhow::Result<Figures> {
    let algorithm = match case {
        Case::TokenBucket => Algorithm::TokenBucket { burst: 10 },
        Case::SlidingWindow => Algorithm::SlidingWindow,
        Case::FixedWindow | Case::Dashmap | Case::Flood => Algorithm::FixedWindow,
    };
    // Shards fill unevenly: with a quarter more room, none meets its bound.
    let keys_max = keys as usize / 4 * 5;
    let tag = DomainTag(1);
    let mut charger = None;
    let make = || Charger::new(algorithm, Bounds { keys_max, bytes_max: usize::MAX });
    let figures = measure(&format!("{case:?}"), keys, |number| {
        charger.get_or_insert_with(make).hit("bench", tag, &name(number));
    })?;
    let held = charger.map_or(0, |charger| charger.ledger.totals().keys);
    Ok(Figures { keys: held, ..figures })
}

/// What naming a user and hashing its key costs alone; a part of every charge here.
pub(crate) fn naming_nanos(keys: u32) -> anyhow::Result<f64> {
    let charger = Charger::new(Algorithm::FixedWindow, Bounds { keys_max: 1, bytes_max: 1 });
    let this = std::process::id();
    let start = usage::cpu_time(this)?;
    for at in 0..keys {
        std::hint::black_box(charger.key("bench", &name(scattered(at, keys))));
    }
    let spent = usage::cpu_time(this)?.saturating_sub(start);
    Ok(spent.as_nanos() as f64 / f64::from(keys))
}

/// Charges every key once, and then again in scattered order. The cost of naming is taken off.
pub(crate) fn measure(case: &str, keys: u32, mut hit: impl FnMut(u32)) -> anyhow::Result<Figures> {
    let this = std::process::id();
    let naming = naming_nanos(keys)?;
    let before = usage::resident_bytes(this)?;
    let start = usage::cpu_time(this)?;
    (0..keys).for_each(&mut hit);
    let first = usage::cpu_time(this)?;
    let after = usage::resident_bytes(this)?;
    (0..keys).for_each(|at| hit(scattered(at, keys)));
    let later = usage::cpu_time(this)?;
    let each = |spent: Duration| spent.as_nanos() as f64 / f64::from(keys) - naming;
    Ok(Figures {
        case: case.to_owned(),
        keys: keys as usize,
        text_bytes: ("bench".len() + "user".len() + name(0).len() + 2) as f64,
        bytes: after.saturating_sub(before) as f64 / f64::from(keys),
        first_nanos: each(first.saturating_sub(start)),
        later_nanos: each(later.saturating_sub(first)),
        notes: Vec::new(),
    })
}
