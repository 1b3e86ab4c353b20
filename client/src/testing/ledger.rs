//! What the fake counts: one shard of the core's store, and its reservations.

use std::collections::HashMap;
use std::time::Duration;

use tollgate_core::bucket::Outcome;
use tollgate_core::decision::{Code, Decision as CoreDecision, Modes, Status as CoreStatus};
use tollgate_core::descriptor::Charge;
use tollgate_core::idempotency::{self, IdempotencyKey, Recent, Unanswered};
use tollgate_core::key::{Fingerprint, KeySecret};
use tollgate_core::limit::{Algorithm as CoreAlgorithm, Quota};
use tollgate_core::plan::Plan;
use tollgate_core::reservation::{HOLD_DEFAULT, HOLD_MAX, HOLD_MIN, Reservation, Reservations};
use tollgate_core::store::{
    Bounds, Refused, Shard, Unsettled, charge_all_or_none, hold_all_or_none, release, settle,
};
use tollgate_core::time::{LogTime, NANOS_PER_SECOND, Now, Wall};

use super::{Question, bad_request};
use crate::{Algorithm, Check, CountedLimit, Decision, Error, Reason, Settled, Status, Ticket};

/// The clock's start: the first second of a day.
const START: u64 = 19_675 * 86_400 * NANOS_PER_SECOND;

/// Keys, bytes, reservations and remembered answers: far more than a test asks for.
const BOUNDS: Bounds = Bounds { keys_max: Shard::KEYS_MAX, bytes_max: 64 << 20 };
const RESERVATIONS_MAX: usize = 10_000;
const REMEMBERED: idempotency::Bounds =
    idempotency::Bounds { keys_max: 10_000, bytes_max: 64 << 20, answer_bytes_max: 4096 };

/// No secret: a test's keys are nobody's.
const SECRET: KeySecret = KeySecret::new([0; 16]);

const MODES: Modes = Modes { shadow: false, quota: false };

#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) limits: HashMap<String, Quota>,
    pub(super) rules: HashMap<(String, Vec<String>), Quota>,
    counted: Counted,
    recent: Recent<Answer>,
}

#[derive(Debug)]
struct Counted {
    shard: Shard,
    reservations: Reservations<()>,
    nanos: u64,
}

/// An answer that is given again under the same key.
type Answer = (Decision, Option<Ticket>);

impl Default for Ledger {
    fn default() -> Self {
        let shard = Shard::new(BOUNDS);
        let reservations = Reservations::new(RESERVATIONS_MAX);
        Self {
            limits: HashMap::new(),
            rules: HashMap::new(),
            counted: Counted { shard, reservations, nanos: START },
            recent: Recent::new(REMEMBERED, |(decision, _)| {
                decision.statuses.len() * size_of::<Status>()
            }),
        }
    }
}

impl Ledger {
    pub(super) fn advance(&mut self, by: Duration) {
        let nanos = tollgate_core::time::saturating_nanos(by);
        self.counted.nanos = self.counted.nanos.saturating_add(nanos);
        let now = self.counted.now();
        while self.counted.reservations.sweep_one(now).is_some() {}
    }

    pub(super) fn check(&mut self, check: &Check) -> Result<Decision, Error> {
        self.decide(check, "check", |counted, question| counted.charge(question, Charge::Hits))
            .map(|(decision, _)| decision)
    }

    pub(super) fn refund(&mut self, check: &Check) -> Result<Decision, Error> {
        self.decide(check, "refund", |counted, question| counted.charge(question, Charge::Refund))
            .map(|(decision, _)| decision)
    }

    pub(super) fn reserve(&mut self, check: &Check) -> Result<Answer, Error> {
        let hold_for = check.hold_for.unwrap_or(HOLD_DEFAULT);
        if !(HOLD_MIN..=HOLD_MAX).contains(&hold_for) {
            return Err(bad_request("hold_for: 1 second to 1 hour"));
        }
        if check.request.hits == Some(0) {
            return Err(bad_request("hits: at least 1"));
        }
        self.decide(check, "reserve", |counted, question| counted.hold(question, hold_for))
    }

    /// What a check would be told, tried on a copy.
    pub(super) fn peek(&mut self, check: &Check) -> Result<Decision, Error> {
        let question = Question::of(check, self)?;
        let shard = self.counted.shard.clone();
        let answer = self.counted.charge(&question, Charge::Hits);
        self.counted.shard = shard;
        answer.map(|(decision, _)| decision)
    }

    fn decide(
        &mut self,
        check: &Check,
        operation: &str,
        execute: impl FnOnce(&mut Counted, &Question) -> Result<Answer, Error>,
    ) -> Result<Answer, Error> {
        let question = Question::of(check, self)?;
        if !check.has_key() {
            return execute(&mut self.counted, &question);
        }
        let key = IdempotencyKey::parse(&check.request.idempotency_key)
            .map_err(|error| bad_request(error.to_string()))?;
        let print = fingerprint(&question, operation, check.hold_for);
        let now = self.counted.now().log;
        let once = self.recent.once(key, print, now, || execute(&mut self.counted, &question));
        once.map_err(|unanswered| match unanswered {
            Unanswered::Conflict => {
                Error::refused(Reason::IdempotencyConflict, unanswered.to_string())
            }
            Unanswered::Full => Error::refused(Reason::IdempotencyFull, unanswered.to_string()),
            Unanswered::Failed(error) => error,
        })
    }

    /// Commits so many hits, or cancels.
    pub(super) fn settle(&mut self, ticket: &Ticket, hits: Option<u64>) -> Result<Settled, Error> {
        let Counted { shard, reservations, nanos } = &mut self.counted;
        let now = at(*nanos);
        let message = "never made, ended, committed or cancelled";
        let unknown = || Error::refused(Reason::UnknownReservation, message);
        let id = ticket.id().parse().map_err(|_| unknown())?;
        let (reservation, ()) = reservations.find(id, now).ok_or_else(unknown)?;
        let (parts, of) = (&reservation.parts, reservation.hold());
        let settled = match hits {
            Some(hits) => settle(shard, parts, of, hits, now),
            None => release(shard, parts, of, now),
        };
        let settled = settled.map_err(|error| match error {
            Unsettled::Ended => unknown(),
            Unsettled::Refused(refused) => full(refused),
        })?;
        let statuses = reservation.statuses(&settled.outcomes).iter().map(status).collect();
        reservations.take(id);
        Ok(Settled { charged: settled.charged, uncharged: settled.uncharged, statuses })
    }
}

impl Counted {
    fn now(&self) -> Now {
        at(self.nanos)
    }

    fn charge(&mut self, question: &Question, charge: fn(u64) -> Charge) -> Result<Answer, Error> {
        let now = self.now();
        question.planned(&SECRET, charge, |plan, _| {
            let passes = |outcomes: &[Outcome]| passes(plan, outcomes);
            let outcomes = if question.is_atomic {
                charge_all_or_none(&mut self.shard, &plan.operations, now, passes)
            } else {
                let each = plan.operations.iter();
                each.map(|operation| self.shard.charge(operation, &[operation.key], now)).collect()
            };
            Ok((decision(plan, &outcomes.map_err(full)?), None))
        })
    }

    fn hold(&mut self, question: &Question, hold_for: Duration) -> Result<Answer, Error> {
        let now = self.now();
        question.planned(&SECRET, Charge::Hits, |plan, request| {
            let number = self.reservations.admit(Reservation::parts_of(plan));
            let number = number
                .map_err(|error| Error::refused(Reason::ReservationsFull, error.to_string()))?;
            let of = (now.log.plus(hold_for), SECRET.reservation_id(number));
            let passes = |outcomes: &[Outcome]| passes(plan, outcomes);
            let outcomes = hold_all_or_none(&mut self.shard, &plan.operations, of, now, passes);
            let outcomes = outcomes.map_err(full)?;
            let decision = decision(plan, &outcomes);
            if !decision.allowed() {
                return Ok((decision, None));
            }
            self.reservations.insert(Reservation::new(of, plan, request, &outcomes, MODES), ());
            Ok((decision, Ticket::new(of.1.to_string(), hold_for)))
        })
    }
}

/// Both of the decision's instants: the fake's wall clock never steps.
fn at(nanos: u64) -> Now {
    Now { log: LogTime::from_nanos(nanos), epoch: Wall::from_nanos(nanos) }
}

/// The same question has the same operations, whatever order its values came in.
fn fingerprint(question: &Question, operation: &str, hold_for: Option<Duration>) -> Fingerprint {
    let text = question.planned(&SECRET, Charge::Hits, |plan, _| {
        let each = plan.operations.iter().map(|operation| (operation.key, operation.charge));
        format!("{operation} {hold_for:?} {:?}", each.collect::<Vec<_>>())
    });
    SECRET.fingerprint(text.as_bytes())
}

fn passes(plan: &Plan<'_>, outcomes: &[Outcome]) -> bool {
    CoreDecision::of(plan, outcomes, MODES).overall == Code::Ok
}

fn decision(plan: &Plan<'_>, outcomes: &[Outcome]) -> Decision {
    let decision = CoreDecision::of(plan, outcomes, MODES);
    Decision {
        allowed: decision.overall == Code::Ok,
        statuses: decision.statuses.iter().map(status).collect(),
        retry_after: decision.retry_after.filter(|_| decision.overall == Code::OverLimit),
        shadowed: decision.shadowed,
        local: None,
    }
}

fn status(status: &CoreStatus<'_>) -> Status {
    let limit = |current: &tollgate_core::decision::Current<'_>| CountedLimit {
        name: current.name.map_or_else(String::new, |name| name.to_string()),
        limit: current.quota.limit,
        window: Duration::from_nanos(current.quota.window.nanos()),
        algorithm: Some(match current.quota.algorithm {
            CoreAlgorithm::FixedWindow => Algorithm::FixedWindow,
            CoreAlgorithm::SlidingWindow => Algorithm::SlidingWindow,
            CoreAlgorithm::TokenBucket { .. } => Algorithm::TokenBucket,
        }),
        burst: current.quota.burst(),
    };
    Status {
        allowed: status.code == Code::Ok,
        limit: status.current.as_ref().map(limit),
        remaining: status.remaining,
        reset_after: status.current.as_ref().map(|c| c.reset_after).unwrap_or_default(),
        quota_mode: status.quota_mode,
    }
}

fn full(refused: Refused) -> Error {
    Error::refused(Reason::LedgerFull, refused.to_string())
}
