//! The harness: what the suites start, ask and stop.
//!
//! Tests here run the real `tollgate` binary against real peers (Envoy, gRPC and HTTP clients) over
//! loopback. The harness owns every process it starts and every task it spawns, bounds every wait,
//! and puts what it saw into its failure messages. It asserts nothing about Tollgate's answers:
//! that is the suites' part.

pub mod ads;
pub mod binary;
pub mod certificates;
pub mod cluster;
pub mod curl;
pub mod envoy;
pub mod envoy_bootstrap;
pub mod envoy_route;
pub mod held_port;
pub mod history;
pub mod http;
pub mod launched;
pub mod lines;
pub mod process;
pub mod raw_grpc;
pub mod raw_h2;
pub mod resident;
pub mod rls;
pub mod seed;
mod shape;
pub mod skip;
pub mod tollgate;
pub mod upstream;
pub mod wait;
