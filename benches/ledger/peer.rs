//! The peer: a `DashMap` from the same key to the same count and text.

use dashmap::DashMap;
use tollgate_core::key::Key;
use tollgate_core::limit::Algorithm;
use tollgate_core::store::Bounds;

use crate::cases::{Charger, measure, name};
use crate::report::Figures;

/// What has to be remembered of a fixed window and its key, without any bound or order of eviction.
struct Counter {
    _ends: u64,
    hits: u32,
    _domain: u32,
    _text: Box<str>,
}

pub(crate) fn run(keys: u32) -> anyhow::Result<Figures> {
    let names = Charger::new(Algorithm::FixedWindow, Bounds { keys_max: 1, bytes_max: 1 });
    let map: DashMap<Key, Counter> = DashMap::new();
    let figures = measure("Dashmap", keys, |number| {
        let name = name(number);
        let fresh = || Counter {
            _ends: u64::MAX,
            hits: 0,
            _domain: 1,
            _text: format!("bench user={name}").into(),
        };
        let mut counter = map.entry(names.key("bench", &name)).or_insert_with(fresh);
        counter.hits = counter.hits.saturating_add(1);
    })?;
    Ok(Figures { keys: map.len(), ..figures })
}
