//! The shapes of the admin API's answers: what a node writes and the command line reads.
//!
//! They are API: a field is added, never renamed. Nothing here decides or looks anything up.

mod cluster;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::cluster::{AskedView, ClusterView, GroupView, MemberView};

/// One configured limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LimitRow {
    /// The domain it stands in.
    pub domain: String,
    /// Where it stands: `domain.key_value.key`.
    pub path: String,
    /// Its name, by which answers tell it and other limits replace it.
    pub name: Option<String>,
    /// `fixed_window`, `sliding_window` or `token_bucket`; absent where it is unlimited.
    pub algorithm: Option<String>,
    /// Hits in each window; absent where it is unlimited.
    pub limit: Option<u32>,
    /// The window's length.
    pub window_seconds: Option<f64>,
    /// The unit that stands for the window on the wire, in lower case.
    pub unit: Option<String>,
    /// Hits that can pass at once.
    pub burst: Option<u32>,
    /// The longest wait of a client that comes back too early; absent where no wait grows.
    pub penalty_max_seconds: Option<f64>,
    /// Computed and shown, not enforced.
    pub shadow: bool,
    /// Denies only together with every other quota limit of its request.
    pub quota_mode: bool,
    /// Lets everything pass, uncounted.
    pub unlimited: bool,
    /// The named limit whose counters it shares.
    pub named: Option<String>,
}

/// The answer of `GET /v1/limits`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Limits {
    /// By domain, then in the order of the files.
    pub limits: Vec<LimitRow>,
}

/// One `key = value` pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EntryView {
    /// The pair's key.
    pub key: String,
    /// The pair's value.
    pub value: String,
}

/// One live counter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CounterRow {
    /// Its key, as 32 hexadecimal digits.
    pub key: String,
    /// What it stands for, in words.
    pub label: String,
    /// Its domain; absent where neither the label nor a configured domain tells it.
    pub domain: Option<String>,
    /// The entries it counts; absent where the label was too long to keep them whole.
    pub entries: Option<Vec<EntryView>>,
    /// The configured limit that leads to it; absent where none does any more.
    pub limit: Option<LimitRow>,
    /// Hits that count now; absent without a limit.
    pub hits: Option<u64>,
    /// Hits left now, neither spent nor held; absent without a limit.
    pub remaining: Option<u32>,
    /// Hits that reservations hold now.
    #[serde(default)]
    pub held: u64,
    /// Time until nothing is spent any more; absent without a limit.
    pub reset_after_seconds: Option<f64>,
    /// The part of the limit that was spent after the last charge; 100 only if nothing was left.
    pub fill_percent: u8,
}

/// The answer of `GET /v1/counters` and `GET /v1/counters/top`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Counters {
    /// By key where they were searched, the greatest first where the top was asked for.
    pub counters: Vec<CounterRow>,
    /// Where the next page starts (`after=`); absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The answer of `DELETE /v1/counters/KEY`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CounterReset")]
pub struct Reset {
    /// The counter as it was.
    pub reset: CounterRow,
    /// Nothing was forgotten: this is what would be.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// The answer of `GET /v1/whoami`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Whoami {
    /// By what the caller is known: `socket:UID`, `token:ID:NAME` or `certificate:NAME`.
    pub who: String,
    /// `viewer`, `operator` or `admin`.
    pub role: Option<String>,
    /// What it may do on the decision API beside asking for decisions.
    pub permissions: Vec<String>,
}

/// A token without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenRow {
    /// Its public part; empty in a dry run that makes none.
    pub id: String,
    /// What whoever made it called it.
    pub name: String,
    /// `viewer`, `operator` or `admin`; absent for a caller of the decision API.
    pub role: Option<String>,
    /// Permissions beside those of the role.
    pub permissions: Vec<String>,
    /// When it was made.
    pub created_at: String,
    /// From when on it is refused; absent where it never is.
    pub expires_at: Option<String>,
    /// Whether it is refused now.
    pub is_expired: bool,
}

/// The answer of `GET /v1/tokens`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tokens {
    /// The oldest first.
    pub tokens: Vec<TokenRow>,
    /// They are kept in memory only.
    pub end_with_node: bool,
}

/// The answer of `POST /v1/tokens`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenCreated {
    /// The token as it is listed from now on.
    pub made: TokenRow,
    /// The token itself, which is shown here and never again; absent in a dry run.
    pub token: Option<String>,
    /// It is kept in memory only: without `listeners.admin.tokens_file` it ends with the node.
    pub end_with_node: bool,
    /// Nothing was made: this is what would be.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// Without the secret.
impl std::fmt::Debug for TokenCreated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenCreated").field("made", &self.made).finish_non_exhaustive()
    }
}

/// The answer of `DELETE /v1/tokens/ID`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Revoked {
    /// The token as it was.
    pub revoked: TokenRow,
    /// Nothing was revoked: this is what would be.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// The answer of `POST /v1/explain`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explained {
    /// The domain that was asked in.
    pub domain: String,
    /// Whether any rule is configured in it; a request in an unknown domain passes.
    pub domain_known: bool,
    /// The domain charges all limits of a request or none.
    pub atomic: bool,
    /// What the request would be told: `OK` or `OVER_LIMIT`.
    pub overall: String,
    /// It passes only because the node enforces nothing.
    pub shadowed: bool,
    /// One for each descriptor, in the request's order.
    pub descriptors: Vec<ExplainedDescriptor>,
}

/// What one descriptor meets and would be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExplainedDescriptor {
    /// What was asked.
    pub entries: Vec<EntryView>,
    /// What it would spend; negative where it gives hits back.
    pub hits: i64,
    /// The rules on the way, outermost first.
    pub way: Vec<Step>,
    /// Why no limit was met; absent where one was.
    pub unmatched: Option<String>,
    /// `counted`, `unmatched`, `unlimited` or `replaced`.
    pub outcome: String,
    /// What it would be told: `OK` or `OVER_LIMIT`.
    pub code: String,
    /// Hits that would be left; absent where nothing is counted.
    pub remaining: Option<u32>,
    /// Time until its limit is whole again, or until the same request would pass.
    pub reset_after_seconds: Option<f64>,
    /// Denies only together with every other quota descriptor.
    pub quota_mode: bool,
    /// The counters behind it, as they are now.
    pub counters: Vec<ExplainedCounter>,
}

/// One rule that a descriptor passes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// The entry that led to it.
    pub entry: EntryView,
    /// What the rule is found by: `key`, or `key_value`.
    pub rule: String,
    /// `value`: key and value are the rule's; `pattern`: they fit its wildcard; `key`: the rule
    /// takes every value.
    pub by: String,
    /// All values that fit share one counter.
    pub shared: bool,
}

/// One counter that a descriptor would charge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExplainedCounter {
    /// Its key, as 32 hexadecimal digits.
    pub key: String,
    /// The limit; absent where the caller brought its own.
    pub limit: Option<LimitRow>,
    /// The limit's number.
    pub number: u32,
    /// Hits that count now.
    pub hits: u64,
    /// Hits left now.
    pub remaining: u32,
    /// Time until nothing is spent any more.
    pub reset_after_seconds: f64,
}

/// The answer of `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// The running version.
    pub version: String,
    /// The process.
    pub pid: u32,
    /// Time since the start.
    pub uptime_seconds: f64,
    /// Whether it takes traffic.
    pub ready: bool,
    /// Whether it finishes what is in flight and takes nothing new.
    pub draining: bool,
    /// Where it listens.
    pub listeners: Vec<ListenerView>,
    /// What it decides by.
    pub config: ConfigView,
    /// What it counts.
    pub ledger: LedgerView,
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListenerView {
    /// `decide`, `http`, `admin` or `admin_socket`.
    pub name: String,
    /// Its address, or the socket's path.
    pub address: String,
    /// Open connections, as of the last second.
    pub connections: usize,
    /// Connections that may be open; more are closed on arrival.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections_max: Option<usize>,
    /// Its certificate; absent where it speaks in the clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsView>,
}

/// The certificate of a listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TlsView {
    /// When the served one ends.
    pub not_after: String,
    /// Whether it has ended.
    pub is_expired: bool,
    /// Why what stands in the files is not served; absent where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// The state of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigView {
    /// Where it comes from.
    pub source: String,
    /// The hash of what decides, as 16 hexadecimal digits.
    pub hash: String,
    /// When that was taken over; absent where no content was right yet.
    pub loaded_at: Option<String>,
    /// Contents taken over, the first one included.
    pub loads_ok: u64,
    /// Contents refused.
    pub loads_failed: u64,
    /// When the newest content was refused; absent where it decides.
    pub failed_at: Option<String>,
    /// Why.
    pub failure: Option<String>,
    /// Domains.
    pub domains: usize,
    /// Limits.
    pub limits: usize,
    /// The connection to the server that the limits come from; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerView>,
}

/// The connection to the server that the limits come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerView {
    /// Whether there is one.
    pub connected: bool,
    /// Since when it is so; absent before the first try has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Why the newest try or connection failed; absent while there is a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// The state of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LedgerView {
    /// Keys.
    pub keys: usize,
    /// Keys that it may hold.
    pub keys_max: usize,
    /// Bytes that the keys account for.
    pub bytes: usize,
    /// Bytes that they may.
    pub bytes_max: usize,
    /// Counters freed after they had ended.
    pub expired: u64,
    /// Counters given up while they still counted.
    pub evicted: u64,
    /// Counters given up although their limit was spent.
    pub evicted_over_limit: u64,
    /// Operations refused because nobody could leave.
    pub refused: u64,
}

/// The body of every error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A word that programs may match on.
    pub error: String,
    /// A sentence for people.
    pub message: String,
}
