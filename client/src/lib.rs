//! Asks a Tollgate whether a request may pass.
//!
//! ```
//! # use std::time::Duration;
//! use tollgate_client::{Check, Decide as _};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tollgate_client::Error> {
//! # let client = tollgate_client::testing::Fake::new().limit("login", 5, Duration::from_secs(60));
//!
//! // let client = tollgate_client::Client::of("http://tollgate:8081")?;
//! let decision = client.check(&Check::limit("login").value("client", "alice")).await?;
//! assert!(decision.allowed());
//! assert_eq!(decision.remaining(), Some(4));
//! # Ok(())
//! # }
//! ```
//!
//! - [`Decide`] is what services are written against: check, batch, peek, reserve and commit, refund.
//! - [`Client`] asks nodes over the network.
//! - [`layer::RateLimitLayer`] puts a limit before any `tower` service of HTTP requests.
//! - [`testing::Fake`] decides in the test's own process, with the node's own algorithms and a clock
//!   that the test turns.
//!
//! A denial is an answer, not an error. What is no answer is an [`Error`], which says whether the
//! call may have counted something; nothing that is not surely allowed reads as allowed.
//!
//! Features: `tls` (https endpoints), `metrics` (counts through the `metrics` facade).

mod check;
mod clock;
mod decide;
mod decision;
mod error;
pub mod layer;
mod remote;
mod reservation;
pub mod testing;
pub mod wire;

pub use check::{Algorithm, Check, Descriptor, Inline};
pub use decide::Decide;
pub use decision::{CountedLimit, Decision, Settled, Status};
pub use error::{Error, Executed, Reason};
#[cfg(feature = "tls")]
pub use remote::Tls;
pub use remote::{Builder, Client, OnUnavailable, Transport};
pub use reservation::{Reservation, Ticket};
