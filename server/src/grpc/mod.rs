//! The decide listener: gRPC over HTTP/2, one connection on one core.

mod calls;
mod connection;
mod deadline;
mod health;
mod ratelimit;
mod router;
mod watch;

pub(crate) use calls::Calls;
pub use connection::{Http2Bounds, ServeGrpc};

pub use crate::drained::Age;
pub use health::{Health, SERVICE_NAME};
pub use ratelimit::RateLimit;
pub use router::{Router, Stopwatches};
