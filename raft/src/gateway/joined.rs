//! The gateway of a node that is a member of its cluster.

use std::sync::Arc;

use tollgate_core::time::Clock;

use super::groups::OneGroup;
use super::seat::Seat;
use super::{Denials, Gateway, Options, Parts, Running};
use crate::node::Cluster;

impl Gateway {
    /// The gateway of a node that is a member of its cluster, which takes the batches of other nodes
    /// from now on; nothing before it is one. `denials` are those that the node's watchers tell.
    pub fn of_cluster(
        cluster: &Cluster,
        clock: Arc<dyn Clock>,
        denials: Arc<Denials>,
        options: Options,
    ) -> Option<(Arc<Self>, Running)> {
        let spec = cluster.spec()?;
        let seat = |id| Some(Arc::new(Seat(cluster.group(id)?)) as Arc<dyn OneGroup>);
        let parts = Parts {
            me: cluster.id(),
            groups: (1..=spec.groups()).map(seat).collect::<Option<_>>()?,
            forward: cluster.forwarder()?,
            clock,
            bounds: spec.bounds(),
            secret: spec.key_secret(),
            denials,
        };
        let (gateway, running) = Self::new(parts, options);
        cluster.set_forwarded(Arc::clone(&gateway) as _);
        Some((gateway, running))
    }
}
