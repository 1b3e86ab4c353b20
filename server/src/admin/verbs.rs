//! What the admin API can do: one table of paths and methods, and the role that each takes.
//!
//! Everything that routes a call or judges who may make it reads this table; a test asks every verb
//! of it as everybody.

use crate::access::Role;

/// What a verb does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    ListLimits,
    FindCounters,
    TopCounters,
    ShowCounter,
    ResetCounter,
    Explain,
    Status,
    Cluster,
    Whoami,
    ListTokens,
    CreateToken,
    RevokeToken,
}

/// A method on a path.
#[derive(Debug)]
pub(crate) struct Verb {
    pub(crate) method: &'static str,
    /// A last part in capitals stands for anything.
    pub(crate) path: &'static str,
    /// The least role that may.
    pub(crate) role: Role,
    pub(crate) does: Does,
    /// The method of `tollgate.v1.Admin` that does the same.
    pub(super) rpc: Option<&'static str>,
    /// It waits for a disk, so it is run where nobody else waits for it.
    pub(crate) waits: bool,
}

const fn verb(method: &'static str, path: &'static str, role: Role, does: Does) -> Verb {
    Verb { method, path, role, does, rpc: None, waits: false }
}

/// Every verb.
pub(crate) const VERBS: &[Verb] = &[
    verb("GET", "/v1/limits", Role::Viewer, Does::ListLimits),
    Verb {
        rpc: Some("ListCounters"),
        ..verb("GET", "/v1/counters", Role::Viewer, Does::FindCounters)
    },
    Verb {
        rpc: Some("TopCounters"),
        ..verb("GET", "/v1/counters/top", Role::Viewer, Does::TopCounters)
    },
    Verb {
        rpc: Some("GetCounter"),
        ..verb("GET", "/v1/counters/KEY", Role::Viewer, Does::ShowCounter)
    },
    Verb {
        rpc: Some("ResetCounter"),
        ..verb("DELETE", "/v1/counters/KEY", Role::Operator, Does::ResetCounter)
    },
    verb("POST", "/v1/explain", Role::Viewer, Does::Explain),
    verb("GET", "/v1/status", Role::Viewer, Does::Status),
    verb("GET", "/v1/cluster", Role::Viewer, Does::Cluster),
    verb("GET", "/v1/whoami", Role::Viewer, Does::Whoami),
    verb("GET", "/v1/tokens", Role::Viewer, Does::ListTokens),
    Verb { waits: true, ..verb("POST", "/v1/tokens", Role::Admin, Does::CreateToken) },
    Verb { waits: true, ..verb("DELETE", "/v1/tokens/ID", Role::Admin, Does::RevokeToken) },
];

/// A verb that was found, and what stands for its path's last part.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) verb: &'static Verb,
    pub(super) last: String,
}

/// Why none was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotFound {
    /// There is no such path; those there are.
    Path(String),
    /// The path takes other methods.
    Method(String),
}

/// The verb for a call.
///
/// # Errors
/// [`NotFound`] if there is none.
pub(crate) fn find(method: &str, path: &str) -> Result<Found, NotFound> {
    let whole = VERBS.iter().filter(|verb| verb.path == path).map(|verb| (verb, ""));
    let mut fitting: Vec<_> = whole.collect();
    if fitting.is_empty() {
        let open = VERBS.iter().filter_map(|verb| Some((verb, path.strip_prefix(verb.folder()?)?)));
        fitting = open.collect();
    }
    if let Some((verb, last)) = fitting.iter().find(|(verb, _)| verb.method == method) {
        return Ok(Found { verb, last: (*last).to_owned() });
    }
    if fitting.is_empty() {
        return Err(NotFound::Path(paths()));
    }
    let methods: Vec<_> = fitting.iter().map(|(verb, _)| verb.method).collect();
    Err(NotFound::Method(methods.join(", ")))
}

/// The verb that a path of gRPC calls, if one does.
pub(crate) fn find_rpc(path: &str) -> Option<&'static Verb> {
    let method = path.strip_prefix("/tollgate.v1.Admin/")?;
    VERBS.iter().find(|verb| verb.rpc == Some(method))
}

impl Verb {
    /// What stands before the last part, if anything may stand for that.
    fn folder(&self) -> Option<&'static str> {
        let start = self.path.trim_end_matches(|c: char| c.is_ascii_uppercase());
        (start.len() < self.path.len()).then_some(start)
    }
}

fn paths() -> String {
    let mut paths: Vec<_> = VERBS.iter().map(|verb| verb.path).collect();
    paths.dedup();
    paths.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_path_goes_before_an_open_one_and_methods_are_told_apart() {
        let found = |method, path| find(method, path).map(|found| (found.verb.does, found.last));
        let no_method = |methods: &str| Err(NotFound::Method(methods.to_owned()));
        assert_eq!(found("GET", "/v1/counters/top"), Ok((Does::TopCounters, String::new())));
        assert_eq!(found("DELETE", "/v1/counters/top"), no_method("GET"));
        assert_eq!(found("DELETE", "/v1/counters/0"), Ok((Does::ResetCounter, "0".to_owned())));
        assert_eq!(found("POST", "/v1/counters/0"), no_method("GET, DELETE"));
        assert_eq!(found("PATCH", "/v1/tokens"), no_method("GET, POST"));
        assert_eq!(found("GET", "/v1/tokens/x"), no_method("DELETE"));
        for path in ["/v1", "/v1/", "/v1/counter", "/v1/limits/", "/v2/limits"] {
            assert!(matches!(found("GET", path), Err(NotFound::Path(_))), "{path}");
        }
    }

    #[test]
    fn no_verb_stands_twice_and_only_looking_is_for_viewers() {
        for (index, verb) in VERBS.iter().enumerate() {
            let same = |other: &Verb| (other.method, other.path) == (verb.method, verb.path);
            assert!(!VERBS[..index].iter().any(same), "{verb:?}");
            let looks = verb.method == "GET" || verb.does == Does::Explain;
            assert_eq!(verb.role == Role::Viewer, looks, "{verb:?}");
        }
    }
}
