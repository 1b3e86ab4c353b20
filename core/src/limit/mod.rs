//! What is configured: limits, and the descriptor tree that says which of them a request meets.
//!
//! Every value here is valid by construction; reading files and explaining what is wrong with them
//! belongs to the server's configuration.

mod pattern;
mod quota;
mod set;
mod tree;
mod unit;

use std::sync::Arc;

pub use pattern::Pattern;
pub use quota::{Algorithm, Quota, Window};
pub use set::{Domain, HeaderStyle, LimitSet, Options};
pub use tree::{DuplicateKey, Found, Node, Rules};
pub use unit::Unit;

use crate::metadata::Map;

/// One configured limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// How much is allowed.
    pub bound: Bound,
    /// The name that answers carry and that other limits may replace.
    pub name: Option<Arc<str>>,
    /// Where the limit stands: `domain.key_value.key`. Also its name in statistics.
    pub path: Arc<str>,
    /// Counted and reported, never enforced.
    pub shadow: bool,
    /// Denies only together with every other quota descriptor of the request.
    pub quota_mode: bool,
    /// Names of limits that do not count when this one is met.
    pub replaces: Box<[Arc<str>]>,
    /// What answers carry when this limit lets a request pass.
    pub metadata: Option<Arc<Map>>,
    /// A number that is this limit's alone in its [`LimitSet`], from zero; given by the set.
    pub id: u32,
}

impl Limit {
    /// A limit that is enforced, without a name.
    pub fn new(bound: Bound, path: Arc<str>) -> Self {
        Self {
            bound,
            name: None,
            path,
            shadow: false,
            quota_mode: false,
            replaces: Box::default(),
            metadata: None,
            id: 0,
        }
    }
}

/// How much a limit allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Everything, uncounted.
    Unlimited,
    /// A number of hits in a window.
    Limited(Quota),
}
