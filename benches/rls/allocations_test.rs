//! How often a decision allocates, once its bucket exists: a number that no machine changes.

#[allow(dead_code, reason = "the bench uses the rest")]
#[path = "cases.rs"]
mod cases;
#[allow(dead_code, reason = "the bench uses the rest")]
#[path = "in_process.rs"]
mod in_process;

/// Entries, descriptors, items, operations, outcomes, statuses, statuses on the wire.
const EACH: u64 = 7;

/// Cases, and what they allocate: a descriptor more costs nothing, a wildcard that the descriptor
/// begins like costs its text.
const CASES: [(&str, u64); 7] = [
    ("one-key-ok", EACH),
    ("one-key-over", EACH),
    ("100k-keys-ok", EACH),
    ("4-descriptors-ok", EACH),
    ("wildcard-nested", EACH + 2),
    ("sliding-window", EACH),
    ("token-bucket", EACH),
];

#[test]
fn a_decision_allocates_as_often_as_is_known() {
    let service = in_process::service().unwrap();
    for (case, known) in CASES {
        let (messages, _) = cases::requests(case).unwrap();
        let message = &messages[0];
        in_process::answer(&service, message).unwrap();
        let counted = allocation_counter::measure(|| drop(in_process::answer(&service, message)));
        assert_eq!(counted.count_total, known, "{case}");
        assert_eq!(counted.count_current, 0, "{case} keeps nothing");
    }
}
