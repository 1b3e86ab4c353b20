//! The same calls to a node on its own and to one whose ledger is replicated: the same answers.

use proptest::prelude::*;
use tollgate_core::time::ManualClock;
use tollgate_proto::v1::{
    CancelRequest, CommitRequest, Descriptors, InlineLimit, RefundRequest, ReserveRequest,
    ResetRequest,
};

use super::tests::{native_of, subject};
use super::*;
use crate::access::PermissionSet;
use crate::decide::double::On;
use crate::done::Done as _;

const CALL: Call<'_> = Call { authorization: None, deadline: None };

/// Domains with every algorithm: one that charges all limits or none, one in which each counts.
const FILES: [&str; 2] = [
    "
domain: atomic
atomic: true
descriptors:
  - {key: few, rate_limit: {unit: minute, requests_per_unit: 20, penalty: {max: 1m}}}
  - {key: many, rate_limit: {unit: second, requests_per_unit: 90, algorithm: token_bucket}}
  - {key: shadow, shadow_mode: true, rate_limit: {unit: hour, requests_per_unit: 30}}
",
    "
domain: each
descriptors:
  - {key: few, rate_limit: {window: 7s, requests_per_unit: 40, algorithm: sliding_window}}
  - {key: many, rate_limit: {unit: minute, requests_per_unit: 90, name: many}}
  - key: slow
    rate_limits:
      - {unit: second, requests_per_unit: 9, algorithm: token_bucket, burst: 70, penalty: {max: 9s}}
      - {unit: day, requests_per_unit: 500, algorithm: sliding_window}
",
];

/// One step: what is asked, of whom, for how much, by which key, after how long.
type Step = (u8, u8, u64, u8, u16);

/// A node, and the names of its reservations in the order in which they were made.
struct Asked {
    clock: Arc<ManualClock>,
    native: Native,
    reservations: Vec<String>,
}

impl Asked {
    fn new(on: On) -> Self {
        let (clock, native) =
            native_of(PermissionSet::ALL, &FILES, |active, secret, bounds, clock| {
                on.decider(active, secret, bounds, clock)
            });
        Self { clock, native, reservations: Vec::new() }
    }

    /// What the step is answered; a reservation's name is its place.
    fn step(&mut self, (verb, user, hits, key, pause): Step) -> String {
        self.clock.advance(Duration::from_millis(pause.into()));
        let subject = subject_of(user);
        // No key, or one of a few.
        let idempotency_key = if key < 6 { String::new() } else { format!("k{key}") };
        let native = &self.native;
        let named = |at: u64| {
            let all = &self.reservations;
            let at = usize::try_from(at).unwrap() % all.len().max(1);
            all.get(at).cloned().unwrap_or_else(|| "0".repeat(32))
        };
        match verb {
            0..4 => {
                let hits = Some(hits);
                let message =
                    CheckRequest { subject, hits, idempotency_key, ..CheckRequest::default() };
                told(native.check(&message, CALL).done())
            }
            4 => {
                let check = |user, hits| CheckRequest {
                    subject: subject_of(user),
                    hits: Some(hits),
                    ..CheckRequest::default()
                };
                let checks = vec![check(user, hits), check(user + 1, 3), check(user, 1)];
                told(native.check_batch(&CheckBatchRequest { checks }, CALL).done())
            }
            5 => told(native.peek(&PeekRequest { subject, hits: Some(hits) }, CALL).done()),
            6 | 7 => {
                let hits = Some(hits + 1);
                let message =
                    ReserveRequest { subject, hits, idempotency_key, ..ReserveRequest::default() };
                let mut answer = native.reserve(&message, CALL).done();
                if let Ok(answer) = &mut answer
                    && !answer.reservation.is_empty()
                {
                    let name = std::mem::take(&mut answer.reservation);
                    let known = self.reservations.iter().position(|known| *known == name);
                    let at = known.unwrap_or(self.reservations.len());
                    if known.is_none() {
                        self.reservations.push(name);
                    }
                    answer.reservation = at.to_string();
                }
                told(answer)
            }
            8 | 9 => {
                let reservation = named(hits);
                let message = CommitRequest { reservation, hits, idempotency_key };
                told(native.commit(&message, CALL).done())
            }
            10 => {
                let message = CancelRequest { reservation: named(hits), idempotency_key };
                told(native.cancel(&message, CALL).done())
            }
            11 => {
                let message = RefundRequest { subject, hits: Some(hits), idempotency_key };
                told(native.refund(&message, CALL).done())
            }
            _ => told(native.reset(&ResetRequest { subject }, CALL).done()),
        }
    }
}

fn subject_of(user: u8) -> Option<Subject> {
    let entry = |key: &str| v1::Entry { key: key.into(), value: "v".into() };
    let descriptor = |key: &str| v1::Descriptor { entries: vec![entry(key)], ..Default::default() };
    let kind = match user {
        0..3 => return subject(["ann", "bob", "cid"][usize::from(user)]),
        3 => {
            let window = Some(v1::to_duration(Duration::from_secs(30)));
            let limit =
                InlineLimit { name: "mine".into(), limit: 50, window, ..Default::default() };
            Kind::Inline(limit)
        }
        4 => Kind::Descriptors(Descriptors {
            domain: "atomic".into(),
            descriptors: vec![descriptor("few"), descriptor("many"), descriptor("shadow")],
        }),
        5 => Kind::Descriptors(Descriptors {
            domain: "each".into(),
            descriptors: vec![descriptor("many"), descriptor("few"), descriptor("slow")],
        }),
        _ => Kind::Descriptors(Descriptors {
            domain: "each".into(),
            descriptors: vec![descriptor("nothing"), descriptor("few"), descriptor("few")],
        }),
    };
    Some(Subject { kind: Some(kind) })
}

fn told<T: std::fmt::Debug>(answer: Result<T, Failure>) -> String {
    match answer {
        Ok(answer) => format!("{answer:?}"),
        Err(failure) => format!("{} {failure}", failure.word()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_replicated_ledger_answers_what_a_node_of_its_own_would(
        steps in proptest::collection::vec(
            (0..13_u8, 0..7_u8, 0..60_u64, 0..10_u8, prop_oneof![Just(0_u16), 0..4_000_u16]),
            1..80,
        ),
    ) {
        let (mut own, mut replicated) = (Asked::new(On::Own), Asked::new(On::Replicated));
        for (number, step) in steps.into_iter().enumerate() {
            let expected = own.step(step);
            prop_assert_eq!(replicated.step(step), expected, "step {}: {:?}", number, step);
        }
    }
}
