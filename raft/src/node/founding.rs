//! How a node becomes a member: asks who is there, founds or is founded, and sees to it that every
//! group has its members.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Phase;
use super::options::NotStarted;
use super::resident::{Resident, Running};
use crate::birth::{self, Found, Own, Verdict, judge};
use crate::group::Group;
use crate::meta::{ClusterId, Founder, META_GROUP, Meta, Spec};
use crate::types::{Member, NodeId};

/// Between two rounds of asking, while a cluster may be founded.
const ASK_PERIOD: Duration = Duration::from_millis(200);

/// Between two rounds of asking, while only people can help.
const REFUSED_PERIOD: Duration = Duration::from_secs(5);

/// How often a founder asks those again that it did not hear from.
const FOUND_ATTEMPTS: u32 = 5;

/// Between two looks at whether a founding has come to its end.
const SETTLE_PERIOD: Duration = Duration::from_millis(50);

/// Looks, after which a member whose group 0 never had an entry is a new node: 30 s. Its founder is
/// gone.
const SETTLE_LOOKS_MAX: u32 = 600;

/// How long a member waits for the one whose turn it is to begin a group.
const TURN: Duration = Duration::from_secs(2);

/// Longest wait for an entry of group 0.
const PROPOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs until this node is a member of a cluster that has begun.
pub(super) async fn founding(resident: Arc<Resident>) {
    loop {
        let (running, is_founder) = born(&resident).await;
        if settled(&resident, &running, is_founder).await {
            return;
        }
        tracing::warn!(event = "founding_given_up", cluster = %running.spec.cluster());
        if let Err(error) = resident.give_up(&running).await {
            tracing::error!(event = "founding_not_given_up", %error);
            return;
        }
    }
}

/// Asks until this node is a member; says whether it is the founder.
async fn born(resident: &Arc<Resident>) -> (Arc<Running>, bool) {
    loop {
        let own = resident.own();
        let heard = birth::hello(&resident.peers, &own).await;
        // Somebody may have founded meanwhile.
        if let Some(running) = resident.running() {
            return (running, false);
        }
        let verdict = judge(&own, &heard);
        let wait = match &verdict {
            Verdict::Wait { .. } | Verdict::Await { .. } | Verdict::Found(_) => ASK_PERIOD,
            Verdict::LeftOut { .. } | Verdict::Refused(_) => REFUSED_PERIOD,
        };
        let phase = match verdict {
            Verdict::Wait { missing } => Phase::Waiting { missing },
            Verdict::Await { founder } => Phase::Waiting { missing: vec![founder] },
            Verdict::LeftOut { cluster, told_by } => Phase::LeftOut { cluster, told_by },
            Verdict::Refused(reason) => Phase::Refused(reason),
            Verdict::Found(ids) => match found(resident, &own, ids).await {
                Ok(running) => return (running, true),
                Err(reason) => Phase::Refused(reason),
            },
        };
        tell(resident, phase);
        let mut told = resident.phase.subscribe();
        let founded = told.wait_for(|phase| *phase == Phase::Founded);
        let _ = tokio::time::timeout(wait, founded).await;
    }
}

/// Founds a cluster: all others must accept before anything is begun.
async fn found(
    resident: &Arc<Resident>,
    own: &Own,
    ids: BTreeMap<String, NodeId>,
) -> Result<Arc<Running>, String> {
    let spec = new_spec(resident, own, ids).map_err(|error| error.to_string())?;
    let spec = spec.ok_or("the nodes that answered make no cluster")?;
    let mut unheard = String::new();
    for _ in 0..FOUND_ATTEMPTS {
        match birth::found(&resident.peers, own, &spec).await {
            Found::Accepted => return resident.become_member(spec).await,
            Found::Refused { name, reason } => return Err(format!("{name} refused: {reason}")),
            Found::Unheard(name) => unheard = name,
        }
        tokio::time::sleep(ASK_PERIOD).await;
    }
    Err(format!("{unheard} did not answer when the cluster was founded"))
}

fn new_spec(
    resident: &Resident,
    own: &Own,
    ids: BTreeMap<String, NodeId>,
) -> Result<Option<Spec>, NotStarted> {
    let (mut cluster, mut key_secret) = ([0; 16], [0; 16]);
    (resident.random)(&mut cluster)?;
    (resident.random)(&mut key_secret)?;
    let founder = |(name, id): (String, NodeId)| {
        let address = own.peers.get(&name)?.clone();
        Some(Founder { id, member: Member { name, address } })
    };
    let members = ids.into_iter().filter_map(founder).collect();
    let cluster = ClusterId(u128::from_be_bytes(cluster));
    let options = &resident.options;
    Ok(Spec::new(cluster, key_secret, options.groups, options.bounds, members))
}

/// Logs what is new.
fn tell(resident: &Resident, phase: Phase) {
    let is_new = resident.phase.send_if_modified(|before| {
        // A member is not told back by a round of asking that began before.
        let is_new = *before != phase && *before != Phase::Founded;
        if is_new {
            before.clone_from(&phase);
        }
        is_new
    });
    if !is_new {
        return;
    }
    let name = &resident.options.name;
    match phase {
        Phase::Waiting { missing } => {
            let missing = missing.join(", ");
            tracing::info!(event = "cluster_awaited", missing);
        }
        Phase::LeftOut { cluster, told_by } => tracing::error!(
            event = "cluster_left_out",
            %cluster,
            told_by,
            "node {name} of this cluster was lost and this start is a new node; joining is not possible yet"
        ),
        Phase::Refused(reason) => tracing::error!(event = "cluster_refused", reason),
        Phase::Founded | Phase::Member => {}
    }
}

/// Sees to it that group 0 knows what it is, and that each group has its members. False if nothing
/// came of it.
async fn settled(resident: &Arc<Resident>, running: &Running, is_founder: bool) -> bool {
    let Some(meta) = running.groups.first() else { return false };
    if is_founder {
        initialize(running, meta).await;
    }
    let mut looks = 0;
    while !knows_itself(meta) {
        if let Some(term) = meta.is_leader() {
            let proposed = meta.propose(term, Meta::founding(&running.spec));
            let _ = tokio::time::timeout(PROPOSE_TIMEOUT, proposed).await;
        }
        let _ = tokio::time::timeout(SETTLE_PERIOD, meta.changed()).await;
        looks += 1;
        if looks > SETTLE_LOOKS_MAX && matches!(meta.is_initialized().await, Ok(false)) {
            return false;
        }
    }
    tracing::info!(event = "cluster_founded", cluster = %running.spec.cluster());
    resident.phase.send_replace(Phase::Member);
    begin_groups(running).await;
    true
}

fn knows_itself(meta: &Group) -> bool {
    meta.machine().read(|machine| machine.meta().is_some_and(|meta| meta.spec().is_some()))
}

/// Each member begins its share of the groups, so that each leads some at first. Whoever is not
/// there misses its turn. It does no harm to begin a group twice: the entry is the same.
async fn begin_groups(running: &Running) {
    let members = running.spec.members();
    let own = members.iter().position(|founder| founder.id == running.id);
    let counters = || running.groups.iter().filter(|group| group.id() != META_GROUP);
    let is_turn = |group: &&Arc<Group>| {
        usize::try_from(group.id() - 1).is_ok_and(|group| Some(group % members.len()) == own)
    };
    for group in counters().filter(is_turn) {
        initialize(running, group).await;
    }
    tokio::time::sleep(TURN).await;
    for group in counters() {
        if matches!(group.is_initialized().await, Ok(false)) {
            initialize(running, group).await;
        }
    }
}

async fn initialize(running: &Running, group: &Group) {
    if let Err(error) = group.initialize(running.members()).await {
        tracing::error!(event = "group_not_begun", group = group.id(), %error);
    }
}
