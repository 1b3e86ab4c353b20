//! Serving the floor on Tollgate's own stack: the same cores, the same handing over of
//! connections, the same HTTP/2 with the same bounds.
//!
//! It does not drain: the bench kills it.

use std::io::Write;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use anyhow::Context;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_service_server::RateLimitServiceServer;
use tollgate_runtime::cores::{Cores, Options};
use tollgate_runtime::drain::Drain;
use tollgate_runtime::listen;
use tollgate_server::budget::Budget;
use tollgate_server::grpc::{Age, Http2Bounds, ServeGrpc};
use tollgate_server::tls::Door;

use crate::service::NoDecision;

/// Far more than a bench opens.
const CONNECTIONS_MAX: usize = 10_000;

/// As Tollgate's default.
const IN_FLIGHT_BYTES_MAX: usize = 128 << 20;

/// Binds, says where, and serves for as long as the process lives.
pub(crate) fn serve(address: SocketAddr, workers: NonZeroUsize) -> anyhow::Result<()> {
    let listener = listen::tcp(address)?;
    let bound = listener.local_addr()?;
    let options = Options {
        count: workers.get(),
        connections_max: CONNECTIONS_MAX,
        drain_max: Duration::ZERO,
    };
    // Never started; the cores hold its other end.
    let drain = Drain::new();
    let draining = drain.watch();
    let make = move |_| ServeGrpc {
        service: RateLimitServiceServer::new(NoDecision),
        bounds: Http2Bounds::default(),
        budget: Budget::new(IN_FLIGHT_BYTES_MAX),
        door: Door::clear(),
        age: Age::UNBOUNDED,
        draining: draining.clone(),
    };
    let cores = Cores::start(options, make).context("starting the cores")?;
    let acceptor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    announce(bound)?;
    acceptor.block_on(cores.acceptor().accept(listener.into(), drain.watch())).context("accepting")
}

/// The one line the bench waits for.
fn announce(address: SocketAddr) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "listening {address}")?;
    stdout.flush().context("announcing the address")
}
