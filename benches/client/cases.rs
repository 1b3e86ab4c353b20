//! The ways to ask, each with a number of askers that wait for their answers at the same time.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use envoy_types::pb::envoy::extensions::common::ratelimit::v3::{
    RateLimitDescriptor, rate_limit_descriptor::Entry,
};
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_service_client::RateLimitServiceClient;
use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitRequest, rate_limit_response::Code};
use tollgate_client::{Check, Client, Decide as _, Decision, Transport};
use tonic::transport::{Channel, Endpoint};

use crate::KEYS;

/// The limit that is asked for; nobody reaches it.
pub(crate) const LIMIT: &str = "bench";

/// Checks in a batch.
const BATCH: u64 = 100;

/// A way to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// The rate-limit protocol, a call a decision: what the others are measured beside.
    Rls,
    /// The client crate, a call a decision.
    Unary,
    /// The client crate, 100 decisions a call.
    Batch,
    /// The client crate, all decisions over one stream.
    Stream,
}

impl Case {
    pub(crate) const ALL: [Self; 4] = [Self::Rls, Self::Unary, Self::Batch, Self::Stream];
    pub(crate) const NAMES: [&str; 4] = ["rls", "unary", "batch", "stream"];

    pub(crate) const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// Calls that wait for their answers at the same time: 64 for single decisions, so that neither
    /// side runs dry, and as many decisions in batches.
    pub(crate) const fn askers(self) -> u64 {
        match self {
            Self::Rls | Self::Unary | Self::Stream => 64,
            Self::Batch => 4,
        }
    }
}

/// A connected way to ask.
pub(crate) enum Load {
    Rls(RateLimitServiceClient<Channel>),
    Client(Client),
    Batches(Client),
}

impl Load {
    pub(crate) async fn connect(case: Case, address: SocketAddr) -> anyhow::Result<Self> {
        let endpoint = format!("http://{address}");
        let client = |transport| {
            let builder = Client::builder().endpoint(&*endpoint).transport(transport);
            builder.timeout(std::time::Duration::from_secs(10)).build()
        };
        Ok(match case {
            Case::Rls => {
                let channel = Endpoint::from_shared(endpoint.clone())?.connect().await?;
                Self::Rls(RateLimitServiceClient::new(channel))
            }
            Case::Unary => Self::Client(client(Transport::Calls)?),
            Case::Stream => Self::Client(client(Transport::Stream)?),
            Case::Batch => Self::Batches(client(Transport::Calls)?),
        })
    }

    fn askers(&self) -> u64 {
        match self {
            Self::Rls(_) => Case::Rls.askers(),
            Self::Client(_) => Case::Unary.askers(),
            Self::Batches(_) => Case::Batch.askers(),
        }
    }

    /// Asks for at least so many decisions, all of which must allow; returns how many were made.
    pub(crate) async fn run(&self, decisions: u64) -> anyhow::Result<u64> {
        let each = decisions.div_ceil(self.askers());
        let askers = (0..self.askers()).map(|asker| self.ask(asker * each, each));
        let made = futures_util::future::try_join_all(askers).await?;
        Ok(made.into_iter().sum())
    }

    async fn ask(&self, first: u64, count: u64) -> anyhow::Result<u64> {
        match self {
            Self::Rls(client) => {
                let mut client = client.clone();
                for number in first..first + count {
                    let answer = client.should_rate_limit(request(number)).await?.into_inner();
                    ensure!(answer.overall_code() == Code::Ok, "{answer:?}");
                }
                Ok(count)
            }
            Self::Client(client) => {
                for number in first..first + count {
                    expect_allowed(&client.check(&check(number)).await?)?;
                }
                Ok(count)
            }
            Self::Batches(client) => {
                let batches = count.div_ceil(BATCH);
                for batch in 0..batches {
                    let start = first + batch * BATCH;
                    let checks: Vec<_> = (start..start + BATCH).map(check).collect();
                    for decision in client.check_batch(&checks).await? {
                        expect_allowed(&decision?)?;
                    }
                }
                Ok(batches * BATCH)
            }
        }
    }
}

fn expect_allowed(decision: &Decision) -> anyhow::Result<()> {
    ensure!(decision.allowed(), "{decision:?}");
    decision.remaining().context("a limit that was not counted").map(drop)
}

fn key(number: u64) -> String {
    format!("client-{}", number % KEYS)
}

fn check(number: u64) -> Check {
    Check::limit(LIMIT).value("client", key(number))
}

fn request(number: u64) -> RateLimitRequest {
    let entry = |key: &str, value: String| Entry { key: key.to_owned(), value };
    let entries = vec![entry("limit", LIMIT.to_owned()), entry("client", key(number))];
    let descriptor = RateLimitDescriptor { entries, ..Default::default() };
    RateLimitRequest {
        domain: "tollgate".to_owned(),
        descriptors: vec![descriptor],
        ..Default::default()
    }
}
