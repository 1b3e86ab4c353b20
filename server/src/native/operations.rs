//! Reservations, refunds and resets.

use std::time::Duration;

use tollgate_core::key::{Key, ReservationId};
use tollgate_core::plan::Label;
use tollgate_proto::v1::{
    self, Asked, CancelRequest, CancelResponse, CheckResponse, CommitRequest, CommitResponse,
    Fault, RefundRequest, ReserveRequest, ReserveResponse, ResetRequest, ResetResponse,
};

use super::{Call, Failure, Native};
use crate::access::{Caller, Permission};
use crate::audit::{self, Action, Audit};
use crate::decide::Terms;

impl Native {
    /// `ReserveRequest`.
    pub(crate) async fn reserve(
        &self,
        message: &ReserveRequest,
        call: Call<'_>,
    ) -> Result<ReserveResponse, Failure> {
        let answer = self.reserved(message, call).await;
        self.counted(answer, |response| match &response.decision {
            Some(decision) => decision.verdict(),
            None => v1::Verdict::Denied,
        })
    }

    async fn reserved(
        &self,
        message: &ReserveRequest,
        call: Call<'_>,
    ) -> Result<ReserveResponse, Failure> {
        self.expect_inline(message.subject.as_ref(), call)?;
        if message.hits == Some(0) {
            let max = tollgate_core::descriptor::HITS_ADDEND_MAX;
            return Err(Fault::OutOfRange { found: 0, min: 1, max }.at("hits").into());
        }
        let hold_for = v1::hold_for(message.hold_for.as_ref())?;
        let execute = |terms| self.held(message, hold_for, call, terms);
        let same = || message.clone();
        self.once((&message.idempotency_key, "reserve"), call, same, execute).await
    }

    async fn held(
        &self,
        message: &ReserveRequest,
        hold_for: Duration,
        call: Call<'_>,
        terms: Terms,
    ) -> Result<ReserveResponse, Failure> {
        let (subject, active) = (message.subject.as_ref(), self.active()?);
        let asked = Asked::read(subject, message.hits, &self.parts.bounds, &active.limits)?;
        let descriptors = asked.descriptors();
        let request = asked.request(&descriptors);
        self.in_time(call)?;
        let reserved = self.parts.decider.reserve(&active, &request, hold_for, terms).await?;
        let decision = v1::response(&reserved.checked.decision, subject);
        let id = reserved.id.map(|id| id.to_string());
        Ok(ReserveResponse {
            ends_after: id.is_some().then(|| v1::to_duration(reserved.ends_after)),
            decision: Some(decision),
            reservation: id.unwrap_or_default(),
        })
    }

    /// `CommitRequest`.
    pub(crate) async fn commit(
        &self,
        message: &CommitRequest,
        call: Call<'_>,
    ) -> Result<CommitResponse, Failure> {
        self.committed(message, call).await.map_err(|failure| self.count(failure))
    }

    async fn committed(
        &self,
        message: &CommitRequest,
        call: Call<'_>,
    ) -> Result<CommitResponse, Failure> {
        let (id, hits) = (id(&message.reservation)?, message.hits);
        let max = tollgate_core::descriptor::HITS_ADDEND_MAX;
        if hits > max {
            return Err(Fault::OutOfRange { found: hits, min: 0, max }.at("hits").into());
        }
        let execute = |terms| async {
            self.in_time(call)?;
            let settled = self.parts.decider.commit(id, hits, terms).await?;
            let (charged, uncharged) = (settled.charged, settled.uncharged);
            let statuses = v1::statuses(&settled.statuses(), None);
            Ok(CommitResponse { charged, uncharged, statuses })
        };
        let same = || message.clone();
        self.once((&message.idempotency_key, "commit"), call, same, execute).await
    }

    /// `CancelRequest`.
    pub(crate) async fn cancel(
        &self,
        message: &CancelRequest,
        call: Call<'_>,
    ) -> Result<CancelResponse, Failure> {
        self.cancelled(message, call).await.map_err(|failure| self.count(failure))
    }

    async fn cancelled(
        &self,
        message: &CancelRequest,
        call: Call<'_>,
    ) -> Result<CancelResponse, Failure> {
        let id = id(&message.reservation)?;
        let execute = |terms| async {
            self.in_time(call)?;
            let settled = self.parts.decider.cancel(id, terms).await?;
            Ok(CancelResponse { statuses: v1::statuses(&settled.statuses(), None) })
        };
        let same = || message.clone();
        self.once((&message.idempotency_key, "cancel"), call, same, execute).await
    }

    /// `RefundRequest`.
    pub(crate) async fn refund(
        &self,
        message: &RefundRequest,
        call: Call<'_>,
    ) -> Result<CheckResponse, Failure> {
        self.refunded(message, call).await.map_err(|failure| self.count(failure))
    }

    async fn refunded(
        &self,
        message: &RefundRequest,
        call: Call<'_>,
    ) -> Result<CheckResponse, Failure> {
        let caller = self.expect(Permission::Refund, call)?;
        self.expect_inline(message.subject.as_ref(), call)?;
        let execute = |terms| self.given_back(message, &caller, call, terms);
        let same = || message.clone();
        self.once((&message.idempotency_key, "refund"), call, same, execute).await
    }

    async fn given_back(
        &self,
        message: &RefundRequest,
        caller: &Caller,
        call: Call<'_>,
        terms: Terms,
    ) -> Result<CheckResponse, Failure> {
        let (subject, active) = (message.subject.as_ref(), self.active()?);
        let asked = Asked::read(subject, message.hits, &self.parts.bounds, &active.limits)?;
        let descriptors = asked.descriptors();
        let request = asked.request(&descriptors);
        self.in_time(call)?;
        let refunded = self.parts.decider.refund(&active, &request, terms).await?;
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
    }

    /// `ResetRequest`.
    pub(crate) async fn reset(
        &self,
        message: &ResetRequest,
        call: Call<'_>,
    ) -> Result<ResetResponse, Failure> {
        self.forgotten(message, call).await.map_err(|failure| self.count(failure))
    }

    async fn forgotten(
        &self,
        message: &ResetRequest,
        call: Call<'_>,
    ) -> Result<ResetResponse, Failure> {
        let caller = self.expect(Permission::Reset, call)?;
        let subject = message.subject.as_ref();
        self.expect_inline(subject, call)?;
        let active = self.active()?;
        let asked = Asked::read(subject, None, &self.parts.bounds, &active.limits)?;
        let descriptors = asked.descriptors();
        let request = asked.request(&descriptors);
        self.in_time(call)?;
        let forgotten = self.parts.decider.reset(&active, &request, call.terms()).await?;
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
    }
}

fn id(text: &str) -> Result<ReservationId, Failure> {
    // Its digits have been looked at.
    v1::reservation(text)?.parse().map_err(|_| Failure::UnknownReservation)
}

fn key_text(key: Key) -> String {
    format!("{:016x}{:016x}", key.high(), key.low())
}
