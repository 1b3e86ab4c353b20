//! The floor: a rate-limit server that decides nothing.
//!
//! It decodes the request and answers OK for every descriptor, on the runtime that Tollgate runs
//! on. What Tollgate costs beyond it is the cost of deciding. It is no server for anything else:
//! no limits, no drain, no health.

mod serve;
mod service;

use std::net::SocketAddr;
use std::num::NonZeroUsize;

use clap::Parser;
use mimalloc::MiMalloc;

// The allocator is part of the runtime that both sides share.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// A rate-limit server that decides nothing, to measure against.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    address: SocketAddr,
    /// How many threads serve, each with a runtime of its own.
    #[arg(long, default_value = "1")]
    workers: NonZeroUsize,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    serve::serve(arguments.address, arguments.workers)
}
