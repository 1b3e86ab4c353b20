//! The configured limits, as rows and as the reference service's `/rlconfig` text.

use tollgate_core::limit::{Algorithm, Bound, Domain, Limit, LimitSet, Quota};
use tollgate_core::plan::is_unprintable;
use tollgate_core::time::NANOS_PER_SECOND;

use super::instant;
use super::view::{LimitRow, Limits};
use crate::reload::{ServerState, StatusSnapshot};

/// All limits, or those of one domain, or the ones at one path.
pub(super) fn list(set: &LimitSet, domain: Option<&str>, path: Option<&str>) -> Limits {
    let wanted = |in_domain: &Domain, limit: &Limit| {
        domain.is_none_or(|name| name == &**in_domain.name())
            && path.is_none_or(|path| path == &*limit.path)
    };
    let found = set.limits().filter(|(domain, limit)| wanted(domain, limit));
    Limits { limits: found.map(|(domain, limit)| row(domain.name(), limit)).collect() }
}

/// One limit in full.
pub(super) fn row(domain: &str, limit: &Limit) -> LimitRow {
    let quota = match limit.bound {
        Bound::Limited(quota) => Some(quota),
        Bound::Unlimited => None,
    };
    let seconds = |quota: Quota| quota.window.nanos() as f64 / NANOS_PER_SECOND as f64;
    LimitRow {
        domain: domain.to_owned(),
        path: limit.path.to_string(),
        name: limit.name.as_ref().map(ToString::to_string),
        algorithm: quota.map(|quota| algorithm(quota.algorithm).to_owned()),
        limit: quota.map(|quota| quota.limit),
        window_seconds: quota.map(seconds),
        unit: quota.map(|quota| quota.window.unit().name().to_lowercase()),
        burst: quota.map(|quota| quota.burst()),
        penalty_max_seconds: quota.and_then(|quota| quota.penalty_max).map(instant::seconds),
        shadow: limit.shadow,
        quota_mode: limit.quota_mode,
        unlimited: quota.is_none(),
        named: limit.named.as_ref().map(|named| named.name.to_string()),
    }
}

/// A line for each limit, exactly as the reference service prints it; before them comments: what is
/// wrong with the newest configuration if it was refused, an issue a line, and the connection to the
/// server that sends it where there is none, or nothing has come yet.
pub(super) fn rlconfig(set: &LimitSet, status: &StatusSnapshot) -> String {
    let mut text = String::new();
    if let Some(failed) = &status.error {
        let at = instant::rfc3339(failed.at);
        for why in failed.report.lines() {
            text.push_str(&one_line(&format!("# the load of {at} was refused: {why}")));
            text.push('\n');
        }
    }
    if let Some(ServerState { is_connected, since, failure }) = &status.server {
        let connected = if *is_connected { "connected" } else { "not connected" };
        let since = since.map(|at| format!(" since {}", instant::rfc3339(at)));
        let why = failure.as_ref().map(|why| format!(": {why}"));
        let (since, why) = (since.unwrap_or_default(), why.unwrap_or_default());
        if !*is_connected || status.loaded_at.is_none() {
            let line = format!("# {}: {connected}{since}{why}", status.source);
            text.push_str(&one_line(&line));
            text.push('\n');
        }
    }
    for (_, limit) in set.limits() {
        // An unlimited rule has neither unit nor number there; these are its zero values.
        let (unit, number) = match limit.bound {
            Bound::Limited(quota) => (quota.window.unit().name(), quota.limit),
            Bound::Unlimited => ("UNKNOWN", 0),
        };
        let Limit { path, shadow, quota_mode, .. } = limit;
        let line = format!(
            "{path}: unit={unit} requests_per_unit={number}, shadow_mode: {shadow}, \
             quota_mode: {quota_mode}"
        );
        text.push_str(&one_line(&line));
        text.push('\n');
    }
    text
}

const fn algorithm(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::FixedWindow => "fixed_window",
        Algorithm::SlidingWindow => "sliding_window",
        Algorithm::TokenBucket { .. } => "token_bucket",
    }
}

/// A key in a file may hold a line's end; the format has one line a limit.
fn one_line(text: &str) -> String {
    text.replace(is_unprintable, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tollgate_core::key::KeySecret;
    use tollgate_core::limit::{Node, Options, Rules, Unit};
    use tollgate_core::time::Wall;

    use super::*;
    use crate::reload::FailedLoad;

    fn set() -> LimitSet {
        let bound = Bound::Limited(Quota::per_unit(5, Unit::Minute));
        let counted = Limit { shadow: true, ..Limit::new(bound, Arc::from("d.user")) };
        let free = Limit::new(Bound::Unlimited, Arc::from("d.free"));
        let mut rules = Rules::default();
        for (key, limit) in [("user", counted), ("free", free)] {
            let limits = Box::new([limit]);
            rules.add(Node { key: key.into(), limits, ..Node::default() }).unwrap();
        }
        let domains = vec![(Arc::from("d"), rules, Options::default())];
        LimitSet::new(domains, &KeySecret::new([1; 16]))
    }

    fn status(error: Option<FailedLoad>) -> StatusSnapshot {
        StatusSnapshot {
            source: "f".into(),
            hash: 1,
            loaded_at: None,
            loads_ok: 1,
            loads_failed: 0,
            error,
            server: None,
        }
    }

    #[test]
    fn rlconfig_is_what_the_reference_prints() {
        let expected = "\
d.user: unit=MINUTE requests_per_unit=5, shadow_mode: true, quota_mode: false
d.free: unit=UNKNOWN requests_per_unit=0, shadow_mode: false, quota_mode: false
";
        assert_eq!(rlconfig(&set(), &status(None)), expected);
    }

    #[test]
    fn every_issue_of_a_refused_load_stands_before_the_limits() {
        let failed = FailedLoad { at: Wall::default(), report: "f:1:2: a\nf:2:2: b".into() };
        let text = rlconfig(&set(), &status(Some(failed)));
        let said: Vec<_> = text.lines().take_while(|line| line.starts_with('#')).collect();
        let refused = "# the load of 1970-01-01T00:00:00Z was refused: ";
        assert_eq!(said, [format!("{refused}f:1:2: a"), format!("{refused}f:2:2: b")]);
        assert_eq!(text.lines().count(), 4);
    }

    #[test]
    fn a_lost_server_is_told_before_the_limits_and_one_that_serves_is_not() {
        let source = "xds a:1".into();
        let with = |server| StatusSnapshot { source, server: Some(server), ..status(None) };
        let (since, failure) = (Some(Wall::default()), Some("no\nroute".to_owned()));
        let lost = with(ServerState { is_connected: false, since, failure });
        let first = "# xds a:1: not connected since 1970-01-01T00:00:00Z: no\u{fffd}route";
        assert_eq!(rlconfig(&set(), &lost).lines().next(), Some(first));
        let serving = ServerState { is_connected: true, since, failure: None };
        let mut found = StatusSnapshot { server: Some(serving), ..lost };
        let first = "# xds a:1: connected since 1970-01-01T00:00:00Z";
        assert_eq!(rlconfig(&set(), &found).lines().next(), Some(first));
        found.loaded_at = since;
        assert_eq!(rlconfig(&set(), &found), rlconfig(&set(), &status(None)));
    }

    #[test]
    fn filters_select_a_domain_and_a_path() {
        let set = set();
        assert_eq!(list(&set, None, None).limits.len(), 2);
        assert_eq!(list(&set, Some("other"), None).limits.len(), 0);
        let one = list(&set, Some("d"), Some("d.free")).limits;
        assert!(one.len() == 1 && one[0].unlimited && one[0].limit.is_none());
    }
}
