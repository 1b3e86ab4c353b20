//! A decider as a node has one, on a clock that stands still.

use std::sync::{Arc, LazyLock};

use tollgate_core::key::KeySecret;
use tollgate_core::limit::Rules;
use tollgate_core::store;
use tollgate_core::time::{ManualClock, NANOS_PER_SECOND, Wall};
use tollgate_proto::ratelimit::Bounds;
use tollgate_proto::rls::{RateLimitRequest, RateLimitResponse};
use tollgate_server::config::{self, Config, Domains};
use tollgate_server::decide::{Active, Answers, Decider};
use tollgate_server::error::CallError;
use tollgate_server::grpc::RateLimit;

use crate::native_rig::at_once;

/// Rules with every feature that a decision can meet.
const RICH_RULES: &str = include_str!("../rules/rich.yaml");
/// The named limits that they count in.
const NAMED_LIMITS: &str = include_str!("../rules/named.yaml");

/// More than one input can fill.
const LEDGER: store::Bounds = store::Bounds { keys_max: 1 << 16, bytes_max: 1 << 26 };

static BARE: LazyLock<Config> = LazyLock::new(Config::bare);
static RICH: LazyLock<Domains> = LazyLock::new(rich);

/// Where and when a rig stands. Nothing that is decided may depend on it.
#[derive(Clone, Copy)]
pub(crate) struct Stand {
    at: Wall,
    secret: [u8; 16],
}

/// Two that differ in everything.
pub(crate) const STANDS: [Stand; 2] = [
    Stand { at: Wall::from_nanos(1_700_000_003 * NANOS_PER_SECOND), secret: [3; 16] },
    Stand {
        at: Wall::from_nanos(1_811_471_159 * NANOS_PER_SECOND + 999_999_999),
        secret: [250; 16],
    },
];

/// What answers requests.
pub(crate) struct Rig {
    decider: Arc<Decider>,
    rate_limit: RateLimit,
}

impl Rig {
    /// An empty ledger and these limits.
    pub(crate) fn new(domains: &Domains, answers: Answers, stand: Stand) -> Self {
        let secret = KeySecret::new(stand.secret);
        let active = Active::new(domains.clone(), answers, &secret);
        let clock = Arc::new(ManualClock::starting_at(stand.at));
        let decider = Arc::new(Decider::new(active, secret, LEDGER, clock));
        Self { rate_limit: RateLimit::new(Arc::clone(&decider), bounds(), "fuzz"), decider }
    }

    /// One with every feature.
    pub(crate) fn rich(stand: Stand) -> Self {
        let answers = Answers { dynamic_metadata: true, ..Answers::default() };
        Self::new(&RICH, answers, stand)
    }

    pub(crate) fn answer(
        &self,
        request: &RateLimitRequest,
    ) -> Result<RateLimitResponse, CallError> {
        let answer = at_once(self.rate_limit.answer(request, None));
        assert!(answer.is_some(), "a lone node waits");
        answer.unwrap_or(Err(CallError::Unreadable(String::new())))
    }

    pub(crate) fn active(&self) -> Arc<Active> {
        Arc::clone(&self.decider.active())
    }
}

/// What one message may hold, by default.
pub(crate) fn bounds() -> Bounds {
    BARE.bounds.of_request()
}

/// The bytes of a message that are decoded at all, by default.
pub(crate) fn message_bytes_max() -> usize {
    BARE.bounds.message_bytes_max
}

/// The named limits that ratelimit files may count in.
pub(crate) fn named() -> &'static Rules {
    static NAMED: LazyLock<Config> = LazyLock::new(named_config);
    &NAMED.limits
}

fn named_config() -> Config {
    let parsed = Config::parse("named.yaml", NAMED_LIMITS, std::path::Path::new(""));
    assert!(parsed.is_ok(), "{parsed:?}");
    parsed.unwrap_or_else(|_| Config::bare())
}

/// The rich rules and the named limits.
fn rich() -> Domains {
    let options = config::ratelimit::Options { merge_domains: true };
    let mut domains = Domains::new();
    for text in RICH_RULES.split("\n---\n") {
        let loaded = config::ratelimit::parse("rich.yaml", text, options, named());
        assert!(loaded.is_ok(), "{loaded:?}");
        domains.extend(loaded.map(|loaded| loaded.domains).unwrap_or_default());
    }
    let own = named_config().domains();
    assert!(own.is_ok(), "{own:?}");
    domains.extend(own.unwrap_or_default());
    domains
}
