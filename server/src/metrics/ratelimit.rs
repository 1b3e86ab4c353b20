//! The names under which the reference service tells Prometheus of its work.

/// The counters of a limit, in the order of its figures.
pub(crate) const LIMIT_COUNTERS: [&str; 5] = [
    "ratelimit_service_rate_limit_total_hits",
    "ratelimit_service_rate_limit_within_limit",
    "ratelimit_service_rate_limit_near_limit",
    "ratelimit_service_rate_limit_over_limit",
    "ratelimit_service_rate_limit_shadow_mode",
];
/// Descriptors in domains that are not configured; the reference puts the domain into the name.
pub(crate) const DOMAIN_NOT_FOUND: &str = "ratelimit_service_rate_limit_domain_not_found";
/// Calls without a decision.
pub(crate) const ERRORS: &str = "ratelimit_service_should_rate_limit_error";
/// Calls.
pub(crate) const TOTAL_REQUESTS: &str = "ratelimit_service_total_requests";
/// Times of answers.
pub(crate) const RESPONSE_TIME: &str = "ratelimit_service_response_time_seconds";
/// Configurations taken over.
pub(crate) const CONFIG_LOAD_SUCCESS: &str = "ratelimit_service_config_load_success";
/// Configurations refused.
pub(crate) const CONFIG_LOAD_ERROR: &str = "ratelimit_service_config_load_error";
/// Requests that pass only in shadow mode.
pub(crate) const GLOBAL_SHADOW_MODE: &str = "ratelimit_service_global_shadow_mode";
