//! What of `/metrics` is counted here rather than by the process's recorder.

use std::time::Duration;

use super::exposition::Page;
use super::histogram::BOUNDS;
use super::{CallTotals, Statistics};
use crate::metrics::{
    ABANDONED, ANSWER_SECONDS, LATE, LIMIT_HITS, LIMITS_OVERFLOWN, SHADOWED, UNKNOWN_DOMAIN,
};

/// The buckets that are shown: from 10 µs to 1 s.
const SHOWN: (Duration, Duration) = (Duration::from_micros(10), Duration::from_secs(1));

/// Writes all of it.
pub(crate) fn write(page: &mut Page, statistics: &Statistics) {
    limits(page, statistics);
    let help = "Requests that pass only because of ratelimit.shadow_mode.";
    page.family(SHADOWED, "counter", help);
    page.sample(SHADOWED, &[], statistics.shadowed());
    let apis = [
        ("rls", statistics.rls.totals()),
        ("json", statistics.json.totals()),
        ("native", statistics.native.totals()),
    ];
    answers(page, &apis);
    page.family(LATE, "counter", "Answers after the deadline that their caller had sent.");
    // Callers of /json send none.
    for (api, totals) in apis.iter().filter(|(api, _)| *api != "json") {
        page.sample(LATE, &[("api", api)], totals.late);
    }
    page.family(ABANDONED, "counter", "Calls that their caller ended before the answer, by API.");
    for (api, totals) in &apis {
        page.sample(ABANDONED, &[("api", api)], totals.abandoned);
    }
    page.family(UNKNOWN_DOMAIN, "counter", "Descriptors in domains that are not configured.");
    for (domain, count) in statistics.unknown_domains.all() {
        page.sample(UNKNOWN_DOMAIN, &[("domain", &domain)], count);
    }
}

fn limits(page: &mut Page, statistics: &Statistics) {
    page.family(LIMIT_HITS, "counter", "Hits by domain, limit and what they met.");
    for limit in statistics.limits.all() {
        let hits = limit.figures.read();
        let outcomes = [
            ("within", hits.within),
            ("near", hits.near),
            ("over", hits.over),
            ("shadow_over", hits.shadow),
            ("refunded", hits.refunded),
        ];
        for (outcome, hits) in outcomes {
            let labels = [("domain", &*limit.domain), ("limit", &limit.name), ("outcome", outcome)];
            page.sample(LIMIT_HITS, &labels, hits);
        }
    }
    page.family(LIMITS_OVERFLOWN, "counter", "Operations counted under the name _other.");
    page.sample(LIMITS_OVERFLOWN, &[], statistics.limits.overflown());
}

fn answers(page: &mut Page, apis: &[(&str, CallTotals)]) {
    page.family(ANSWER_SECONDS, "histogram", "Time from a call's head to its answer, by API.");
    let (least, most) = SHOWN;
    for (api, CallTotals { times, .. }) in apis {
        let bucket = format!("{ANSWER_SECONDS}_bucket");
        for bound in BOUNDS.iter().filter(|bound| (least..=most).contains(*bound)) {
            let le = bound.as_secs_f64().to_string();
            page.sample(&bucket, &[("api", api), ("le", &le)], times.within(*bound));
        }
        page.sample(&bucket, &[("api", api), ("le", "+Inf")], times.count());
        page.sample(&format!("{ANSWER_SECONDS}_sum"), &[("api", api)], times.sum_seconds());
        page.sample(&format!("{ANSWER_SECONDS}_count"), &[("api", api)], times.count());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tollgate_core::tally::Tally;
    use tollgate_core::time::{ManualClock, Wall};

    use super::*;
    use crate::statistics::Origin;
    use crate::statistics::exposition::tests::read;

    #[test]
    fn everything_counted_is_shown_under_its_name() {
        let statistics = Statistics::default();
        let name = "d\"\n.k_\\";
        let limit =
            statistics.limits.figures(Origin::Request, "d\"\n", name, || vec!["k_\\".into()]);
        let hits = Tally { total: 9, within: 4, near: 1, over: 5, shadow: 2, refunded: 3 };
        limit.figures.add(&hits);
        statistics.count_shadowed();
        statistics.unknown_domains.count("nobody", 2);
        let clock = Arc::new(ManualClock::starting_at(Wall::default()));
        let mut call =
            statistics.rls.stopwatch(Arc::clone(&clock) as _).start(Some(Duration::from_millis(1)));
        clock.advance(Duration::from_millis(2));
        call.answered();

        let mut page = Page::default();
        write(&mut page, &statistics);
        let samples = read(&page.into_text()).unwrap();
        let value = |metric: &str, wanted: &[(&str, &str)]| {
            let mut found = samples.iter().filter(|(name, labels, _)| {
                name == metric && wanted.iter().all(|(label, value)| labels[*label] == *value)
            });
            let value = found.next().unwrap().2.clone();
            assert!(found.next().is_none(), "{metric} {wanted:?}");
            value
        };
        for (outcome, hits) in
            [("within", "4"), ("near", "1"), ("over", "5"), ("shadow_over", "2"), ("refunded", "3")]
        {
            let labels = [("domain", "d\"\n"), ("limit", name), ("outcome", outcome)];
            assert_eq!(value(LIMIT_HITS, &labels), hits);
        }
        let bucket = format!("{ANSWER_SECONDS}_bucket");
        for (le, count) in [("0.00001", "0"), ("0.001", "0"), ("0.0025", "1"), ("+Inf", "1")] {
            assert_eq!(value(&bucket, &[("api", "rls"), ("le", le)]), count, "{le}");
        }
        assert_eq!(value(&format!("{ANSWER_SECONDS}_sum"), &[("api", "rls")]), "0.002");
        assert_eq!(value(LATE, &[("api", "rls")]), "1");
        assert_eq!(value(SHADOWED, &[]), "1");
        assert_eq!(value(UNKNOWN_DOMAIN, &[("domain", "nobody")]), "2");
    }
}
