//! Reservations, refunds and resets.

use tollgate_core::key::{Key, ReservationId};
use tollgate_core::plan::Label;
use tollgate_proto::v1::{
    self, CancelRequest, CancelResponse, CheckResponse, CommitRequest, CommitResponse, Fault,
    RefundRequest, ReserveRequest, ReserveResponse, ResetRequest, ResetResponse,
};

use super::{Call, Failure, Native};
use crate::access::Permission;
use crate::audit::{self, Action, Audit};

impl Native {
    /// `ReserveRequest`.
    pub(crate) fn reserve(
        &self,
        message: &ReserveRequest,
        call: Call<'_>,
    ) -> Result<ReserveResponse, Failure> {
        let answer = self.reserved(message, call);
        self.counted(answer, |response| match &response.decision {
            Some(decision) => decision.verdict(),
            None => v1::Verdict::Denied,
        })
    }

    fn reserved(
        &self,
        message: &ReserveRequest,
        call: Call<'_>,
    ) -> Result<ReserveResponse, Failure> {
        let subject = message.subject.as_ref();
        self.expect_inline(subject, call)?;
        if message.hits == Some(0) {
            let max = tollgate_core::descriptor::HITS_ADDEND_MAX;
            return Err(Fault::OutOfRange { found: 0, min: 1, max }.at("hits").into());
        }
        let hold_for = v1::hold_for(message.hold_for.as_ref())?;
        self.once(
            &message.idempotency_key,
            "reserve",
            || message.clone(),
            || {
                self.ask(subject, message.hits, |active, request| {
                    self.in_time(call)?;
                    let reserved = self.parts.decider.reserve(active, request, hold_for)?;
                    let decision = v1::response(&reserved.checked.decision, subject);
                    let id = reserved.id.map(|id| id.to_string());
                    Ok(ReserveResponse {
                        ends_after: id.is_some().then(|| v1::to_duration(reserved.ends_after)),
                        decision: Some(decision),
                        reservation: id.unwrap_or_default(),
                    })
                })
            },
        )
    }

    /// `CommitRequest`.
    pub(crate) fn commit(
        &self,
        message: &CommitRequest,
        call: Call<'_>,
    ) -> Result<CommitResponse, Failure> {
        let answer = id(&message.reservation).and_then(|id| {
            let hits = message.hits;
            let max = tollgate_core::descriptor::HITS_ADDEND_MAX;
            if hits > max {
                return Err(Fault::OutOfRange { found: hits, min: 0, max }.at("hits").into());
            }
            self.once(
                &message.idempotency_key,
                "commit",
                || message.clone(),
                || {
                    self.in_time(call)?;
                    let settled = self.parts.decider.commit(id, hits)?;
                    let (charged, uncharged) = (settled.charged, settled.uncharged);
                    let statuses = v1::statuses(&settled.statuses(), None);
                    Ok(CommitResponse { charged, uncharged, statuses })
                },
            )
        });
        answer.map_err(|failure| self.count(failure))
    }

    /// `CancelRequest`.
    pub(crate) fn cancel(
        &self,
        message: &CancelRequest,
        call: Call<'_>,
    ) -> Result<CancelResponse, Failure> {
        let answer = id(&message.reservation).and_then(|id| {
            self.once(
                &message.idempotency_key,
                "cancel",
                || message.clone(),
                || {
                    self.in_time(call)?;
                    let settled = self.parts.decider.cancel(id)?;
                    Ok(CancelResponse { statuses: v1::statuses(&settled.statuses(), None) })
                },
            )
        });
        answer.map_err(|failure| self.count(failure))
    }

    /// `RefundRequest`.
    pub(crate) fn refund(
        &self,
        message: &RefundRequest,
        call: Call<'_>,
    ) -> Result<CheckResponse, Failure> {
        let answer = self.refunded(message, call);
        answer.map_err(|failure| self.count(failure))
    }

    fn refunded(&self, message: &RefundRequest, call: Call<'_>) -> Result<CheckResponse, Failure> {
        let caller = self.expect(Permission::Refund, call)?;
        let subject = message.subject.as_ref();
        self.expect_inline(subject, call)?;
        self.once(
            &message.idempotency_key,
            "refund",
            || message.clone(),
            || {
                self.ask(subject, message.hits, |active, request| {
                    self.in_time(call)?;
                    let refunded = self.parts.decider.refund(active, request)?;
                    let operations = &refunded.checked.plan.operations;
                    for (operation, outcome) in operations.iter().zip(&refunded.outcomes) {
                        audit::write(&Audit {
                            who: &caller.who,
                            action: Action::Refund,
                            target: &key_text(operation.key),
                            label: &Label::printable(&operation.label.to_text()),
                            before: &outcome.before,
                            after: &outcome.after,
                        });
                    }
                    Ok(v1::response(&refunded.checked.decision, subject))
                })
            },
        )
    }

    /// `ResetRequest`.
    pub(crate) fn reset(
        &self,
        message: &ResetRequest,
        call: Call<'_>,
    ) -> Result<ResetResponse, Failure> {
        let answer = self.forgotten(message, call);
        answer.map_err(|failure| self.count(failure))
    }

    fn forgotten(&self, message: &ResetRequest, call: Call<'_>) -> Result<ResetResponse, Failure> {
        let caller = self.expect(Permission::Reset, call)?;
        let subject = message.subject.as_ref();
        self.expect_inline(subject, call)?;
        self.ask(subject, None, |active, request| {
            self.in_time(call)?;
            let forgotten = self.parts.decider.reset(active, request)?;
            for one in &forgotten {
                audit::write(&Audit {
                    who: &caller.who,
                    action: Action::CounterReset,
                    target: &key_text(one.key),
                    label: &Label::printable(&one.text),
                    before: &one.hits,
                    after: &0,
                });
            }
            // At most one a descriptor's limit, far within u32.
            Ok(ResetResponse { counters: u32::try_from(forgotten.len()).unwrap_or(u32::MAX) })
        })
    }
}

fn id(text: &str) -> Result<ReservationId, Failure> {
    // Its digits have been looked at.
    v1::reservation(text)?.parse().map_err(|_| Failure::UnknownReservation)
}

fn key_text(key: Key) -> String {
    format!("{:016x}{:016x}", key.high(), key.low())
}
