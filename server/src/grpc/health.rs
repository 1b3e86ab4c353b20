//! gRPC health: the standard service, for the whole server and for `ratelimit`.

use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

/// The name under which Envoy's rate-limit service is known to health checkers.
pub const SERVICE_NAME: &str = "ratelimit";

/// What health checkers are told.
#[derive(Clone, Debug)]
pub struct Health {
    reporter: HealthReporter,
}

impl Health {
    /// Serving, under the empty name and under [`SERVICE_NAME`].
    pub async fn serving() -> Self {
        let health = Self::held_back().await;
        health.resume().await;
        health
    }

    /// Serving under the empty name only: the process lives, but wants no traffic yet.
    pub async fn held_back() -> Self {
        let reporter = HealthReporter::new();
        reporter.set_service_status("", ServingStatus::Serving).await;
        reporter.set_service_status(SERVICE_NAME, ServingStatus::NotServing).await;
        Self { reporter }
    }

    /// Serving under [`SERVICE_NAME`], too.
    pub async fn resume(&self) {
        self.reporter.set_service_status(SERVICE_NAME, ServingStatus::Serving).await;
    }

    /// Not serving any more, under either name: checkers that name no service are to go, too.
    pub async fn stop(&self) {
        for name in [SERVICE_NAME, ""] {
            self.reporter.set_service_status(name, ServingStatus::NotServing).await;
        }
    }

    /// The service that answers.
    pub fn service(&self) -> HealthServer<HealthService> {
        HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()))
    }
}
