//! The cluster in simulation: real nodes, gateways and groups in one thread, whose network, time,
//! clocks, faults and callers follow from one seed.
//!
//! A run is a [`run::Report`]: what was broken ([`invariants`], one a file), and everything that
//! happened. A seed is run again by its number: `cargo xtask sim --seed N`. Defects that are put into
//! the product on purpose ([`planted`]) show that the invariants find them.

mod clock;
mod dice;
mod faults;
mod history;
mod invariants;
mod keys;
pub(crate) mod planted;
mod probes;
mod recording;
mod run;
mod tests;
mod workload;
mod world;
