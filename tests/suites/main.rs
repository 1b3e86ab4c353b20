//! The suites: what Tollgate does for its peers, one module a behaviour area.
//!
//! Every test starts its own processes and touches nobody else's. They need the built binary
//! (`cargo xtask test` builds it); the ones through Envoy skip by name where there is no Envoy.
//! Limits here are mostly a year long: a window that turns during a test would be a new count.

mod access;
mod admin_floods;
mod admin_grpc;
mod client;
mod cluster;
mod cluster_callers;
mod cluster_faults;
mod command_line;
mod door;
mod drain;
mod environment;
mod exact;
mod example;
mod failure_mode;
mod floods;
mod fronted;
mod gateway_shapes;
mod handshakes;
mod harness;
mod health;
mod honest;
mod hostile;
mod in_flight;
mod in_process;
mod languages;
mod load;
mod native;
mod operators;
mod pod;
mod reference_example;
mod reload;
mod rollout;
mod scarce;
mod schemathesis;
mod semantics;
mod siege;
mod statistics;
mod through_envoy;
mod tls;
mod xds;
mod xds_node;
mod xds_tls;
