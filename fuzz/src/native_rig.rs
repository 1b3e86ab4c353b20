//! A native adapter on three limits, a clock that the input moves, and what must hold of its ledger.

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tollgate_core::descriptor::{Charge, Descriptor, Request};
use tollgate_core::key::KeySecret;
use tollgate_core::limit::NAMED_DOMAIN;
use tollgate_core::plan::{Label, Plan};
use tollgate_core::store;
use tollgate_core::time::{Clock, ManualClock, NANOS_PER_SECOND, Wall};
use tollgate_server::access::{Access, ListenerPermissions, PermissionSet};
use tollgate_server::config::Config;
use tollgate_server::decide::{Active, Answers, Decider};
use tollgate_server::native::{Native, Parts};

/// One limit of each algorithm.
const LIMITS: &str = "limits:
  fixed: { by: [k], limit: 7, window: 60s }
  slide: { by: [k], limit: 7, window: 60s, algorithm: sliding_window }
  drops: { by: [k], rate: 7/m, burst: 5 }
";

const START: Wall = Wall::from_nanos(1_700_000_003 * NANOS_PER_SECOND);
const LEDGER: store::Bounds = store::Bounds { keys_max: 1 << 16, bytes_max: 1 << 26 };
/// So few that an input can fill it.
const RESERVATIONS_MAX: usize = 8;

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let parsed = Config::parse("native.yaml", LIMITS, Path::new(""));
    assert!(parsed.is_ok(), "{parsed:?}");
    parsed.unwrap_or_else(|_| Config::bare())
});

/// What answers.
pub(crate) struct NativeRig {
    pub(crate) native: Native,
    decider: Arc<Decider>,
    clock: Arc<ManualClock>,
}

impl NativeRig {
    /// An empty ledger, and a caller who may do everything.
    pub(crate) fn new() -> Self {
        let domains = CONFIG.domains();
        assert!(domains.is_ok(), "{domains:?}");
        let secret = KeySecret::new([3; 16]);
        let active = Active::new(domains.unwrap_or_default(), Answers::default(), &secret);
        let clock = Arc::new(ManualClock::starting_at(START));
        let shared: Arc<dyn Clock> = Arc::clone(&clock) as _;
        let decider = Decider::new(active, secret, LEDGER, Arc::clone(&shared));
        let decider = Arc::new(decider.with_reservations_max(RESERVATIONS_MAX));
        let access = Arc::new(Access::of_nobody(shared));
        let bounds = CONFIG.bounds.of_request();
        let parts = Parts { decider: Arc::clone(&decider), access, bounds };
        let listener = ListenerPermissions { listener: "fuzz", everybody: PermissionSet::ALL };
        Self { native: Native::new(parts, listener), decider, clock }
    }

    /// Time passes, and what a node does now and then is done.
    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.decider.tick();
        self.native.tick();
    }

    /// Panics if more of a named limit is spent and held than there is.
    pub(crate) fn assert_limits(&self) {
        let mut keys = Vec::new();
        self.decider.ledger().visit(|slot| keys.push((slot.key, slot.text.to_owned())));
        let (active, now) = (self.decider.active(), self.decider.now());
        for (key, text) in keys {
            let Some((domain, entries)) = Label::parse(&text) else { continue };
            if domain != NAMED_DOMAIN {
                continue;
            }
            let descriptors =
                [Descriptor { entries: &entries, limit_override: None, charge: None }];
            let request = Request { domain, descriptors: &descriptors, hits_addend: 0 };
            let plan = Plan::of(&active.limits, &request);
            let met = plan.operations.iter().find(|operation| operation.key == key);
            let Some((met, mut bucket)) = met.zip(self.decider.ledger().bucket(key)) else {
                continue;
            };
            let spent = bucket.charge(&met.quota, Charge::Hits(0), now).before;
            let held = self.decider.ledger().held(key, now);
            let most = u64::from(met.quota.burst());
            assert!(spent + held <= most, "{text}: {spent} spent, {held} held of {most}");
        }
    }
}

/// What a future says that awaits nothing; absent if it waits after all.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}
