//! Gateways of a cluster in memory, and calls in words: for tests.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tollgate_core::bucket::Outcome;
use tollgate_core::command::{Answer, Call, Charging, Combining, Command, KeySlot, Rule, Shown};
use tollgate_core::decision::Modes;
use tollgate_core::descriptor::Charge;
use tollgate_core::key::{DomainTag, Key};
use tollgate_core::limit::{Algorithm, Quota, Unit};
use tollgate_core::time::Clock;

use super::{Answered, Gateway, Options, Unavailable};
use crate::testing::{MemoryCluster, RuntimeClock};

pub(super) const MS: Duration = Duration::from_millis(1);

/// Nodes from 1 on whose tasks run for as long as it lives.
pub(super) struct Rig {
    pub(super) cluster: Arc<MemoryCluster>,
    pub(super) clock: Arc<dyn Clock>,
    nodes: Vec<Arc<Gateway>>,
    _tasks: JoinSet<()>,
}

impl Rig {
    pub(super) fn start(nodes: u64, groups: u32) -> Self {
        Self::start_with(nodes, groups, Options::default())
    }

    pub(super) fn start_with(nodes: u64, groups: u32, options: Options) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(RuntimeClock::start());
        let (cluster, started) = MemoryCluster::start(nodes, groups, &clock, options);
        let mut tasks = JoinSet::new();
        let mut nodes = Vec::new();
        for (gateway, running) in started {
            nodes.push(gateway);
            tasks.spawn(running.run());
        }
        Self { cluster, clock, nodes, _tasks: tasks }
    }

    pub(super) fn node(&self, number: usize) -> &Arc<Gateway> {
        &self.nodes[number - 1]
    }

    /// Entries of a group that carry calls of nodes.
    pub(super) fn entries(&self, group: u32) -> usize {
        let log = self.cluster.group(group).log();
        log.iter().filter(|batch| batch.session.is_some()).count()
    }

    /// Hits that count in a bucket.
    pub(super) fn counted(&self, charging: &Charging) -> u64 {
        let group = 1 + u32::from(charging.slot.0) % 3;
        self.cluster.group(group).read(|replica| {
            let found = replica.bucket(charging.key).map(|mut bucket| {
                bucket.charge(&charging.quota, Charge::Hits(0), replica.latest()).before
            });
            found.unwrap_or(0)
        })
    }
}

pub(super) fn per_hour(limit: u32) -> Quota {
    Quota { counts_refused: false, ..Quota::per_unit(limit, Unit::Hour) }
}

pub(super) fn bucket(burst: u32, limit: u32, unit: Unit) -> Quota {
    Quota { algorithm: Algorithm::TokenBucket { burst }, ..Quota::per_unit(limit, unit) }
}

/// A charge of the key of this number, which is in the slot of this number.
pub(super) fn hits(number: u16, quota: Quota, hits: u64) -> Charging {
    Charging {
        key: Key::from_halves(u64::from(number) << 32, u64::from(number)),
        slot: KeySlot(number),
        quota,
        charge: Charge::Hits(hits),
        domain: DomainTag(1),
        text: "d".into(),
        shadow: false,
        quota_mode: false,
    }
}

pub(super) fn refund(charging: &Charging, hits: u64) -> Charging {
    Charging { charge: Charge::Refund(hits), ..charging.clone() }
}

pub(super) fn each(charges: Vec<Charging>) -> Call {
    Call { once: None, command: Command::Charge { charges, rule: Rule::Each } }
}

/// An item for each charge.
pub(super) fn combining(charges: usize) -> Combining {
    let items = (0..charges).map(|place| Shown::Counted(place..place + 1)).collect();
    Combining { items, modes: Modes::default() }
}

pub(super) fn atomic(charges: Vec<Charging>) -> Call {
    let rule = Rule::AllOrNone(combining(charges.len()));
    Call { once: None, command: Command::Charge { charges, rule } }
}

pub(super) fn outcomes(answered: Result<Answered, Unavailable>) -> Vec<Outcome> {
    match answered.map(|answered| answered.answer) {
        Ok(Answer::Outcomes(outcomes)) => outcomes,
        other => panic!("{other:?}"),
    }
}

/// Lets all that can go on go on.
pub(super) async fn settle() {
    tokio::time::sleep(MS * 50).await; // tidy: virtual time
}
