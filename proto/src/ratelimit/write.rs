//! The core's decision to `RateLimitResponse`.

use std::time::Duration;

use tollgate_core::decision::{Code, Current, Decision, Status};
use tollgate_core::limit::Unit;

use crate::rls::RateLimitResponse;
use crate::rls::rate_limit_response::rate_limit::Unit as WireUnit;
use crate::rls::rate_limit_response::{Code as WireCode, DescriptorStatus, RateLimit};

/// The answer on the wire: one status a descriptor, in the request's order.
pub fn response(decision: &Decision<'_>) -> RateLimitResponse {
    RateLimitResponse {
        overall_code: code(decision.overall).into(),
        statuses: decision.statuses.iter().map(status).collect(),
        ..RateLimitResponse::default()
    }
}

fn status(status: &Status<'_>) -> DescriptorStatus {
    DescriptorStatus {
        code: code(status.code).into(),
        current_limit: status.current.as_ref().map(limit),
        limit_remaining: status.remaining,
        duration_until_reset: status.current.as_ref().map(|at| whole_seconds(at.reset_after)),
        ..DescriptorStatus::default()
    }
}

fn limit(current: &Current<'_>) -> RateLimit {
    RateLimit {
        name: current.name.map(|name| name.to_string()).unwrap_or_default(),
        requests_per_unit: current.quota.limit,
        unit: unit(current.quota.window.unit()).into(),
    }
}

fn whole_seconds(duration: Duration) -> crate::rls::Duration {
    let seconds = i64::try_from(seconds_up(duration)).unwrap_or(i64::MAX);
    crate::rls::Duration { seconds, nanos: 0 }
}

/// Whole seconds, rounded up: whoever waits that long finds the window over.
pub(super) fn seconds_up(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

fn code(code: Code) -> WireCode {
    match code {
        Code::Ok => WireCode::Ok,
        Code::OverLimit => WireCode::OverLimit,
    }
}

fn unit(unit: Unit) -> WireUnit {
    match unit {
        Unit::Second => WireUnit::Second,
        Unit::Minute => WireUnit::Minute,
        Unit::Hour => WireUnit::Hour,
        Unit::Day => WireUnit::Day,
        Unit::Week => WireUnit::Week,
        Unit::Month => WireUnit::Month,
        Unit::Year => WireUnit::Year,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tollgate_core::limit::Quota;

    use super::*;

    #[test]
    fn a_decision_is_written_with_every_field_that_envoy_reads() {
        let name: Arc<str> = Arc::from("per-user");
        let current = Current {
            quota: Quota::per_unit(5, Unit::Minute),
            name: Some(&name),
            reset_after: Duration::from_millis(36_001),
        };
        let counted = Status {
            code: Code::OverLimit,
            current: Some(current),
            remaining: 0,
            quota_mode: false,
        };
        let free = Status { code: Code::Ok, current: None, remaining: u32::MAX, quota_mode: false };
        let decision = Decision {
            overall: Code::OverLimit,
            shadowed: false,
            statuses: vec![counted, free],
            retry_after: None,
        };
        let wire = response(&decision);
        assert_eq!(wire.overall_code(), WireCode::OverLimit);
        let [first, second] = &wire.statuses[..] else { panic!("two statuses") };
        let limit = first.current_limit.as_ref().unwrap();
        assert_eq!((limit.requests_per_unit, limit.unit()), (5, WireUnit::Minute));
        assert_eq!(limit.name, "per-user");
        assert_eq!(first.duration_until_reset.as_ref().unwrap().seconds, 37);
        assert_eq!((second.limit_remaining, &second.current_limit), (u32::MAX, &None));
        assert_eq!(second.duration_until_reset, None);
    }
}
