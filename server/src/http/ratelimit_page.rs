//! The page of the reference service's Prometheus names, and behind them all of `/metrics`.

use std::sync::Arc;

use http::request::Parts;
use http::{Method, StatusCode};
use metrics_exporter_prometheus::PrometheusHandle;

use super::answer::{self, Answer};
use super::connection::{Body, Handle};
use crate::decide::Decider;
use crate::guard::guarded;
use crate::metrics;
use crate::reload::ConfigStatus;
use crate::statistics::TimeUnit;

/// Answers scrapers.
#[derive(Clone)]
pub(crate) struct RatelimitPage {
    /// Whose figures are shown.
    pub(crate) decider: Arc<Decider>,
    /// Renders what the recorder counts.
    pub(crate) metrics: PrometheusHandle,
    /// How the configuration fares.
    pub(crate) status: ConfigStatus,
    /// Where the page stands.
    pub(crate) path: Arc<str>,
    /// The unit of times.
    pub(crate) unit: TimeUnit,
}

impl Handle for RatelimitPage {
    async fn handle(&self, head: Parts, _: Body) -> Answer {
        if head.uri.path() != &*self.path {
            return answer::not_found(&self.path);
        }
        if !matches!(head.method, Method::GET | Method::HEAD) {
            return answer::method_not_allowed("GET, HEAD");
        }
        guarded(|| answer::text(StatusCode::OK, self.page()), answer::internal)
    }
}

impl RatelimitPage {
    fn page(&self) -> String {
        let loads = self.status.snapshot().loads();
        let mut page = self.decider.statistics().ratelimit_metrics(loads, self.unit);
        page.push_str(&metrics::process());
        page.push_str(&metrics::rendered(&self.metrics, &self.decider));
        page
    }
}
