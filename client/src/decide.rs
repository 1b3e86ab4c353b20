//! Who decides: a node over the network, one in this process, or a fake in a test.

use std::future::Future;

use crate::{Check, Decision, Error, Reservation, Settled, Ticket};

/// Decides and counts.
///
/// A value of it is a handle: a clone asks the same. Write services against this trait, run them
/// with a [`Client`](crate::Client), and test them with a [`Fake`](crate::testing::Fake).
///
/// Dropping a call's future cancels the call; whether it was executed is then unknown.
///
/// ```
/// # use std::time::Duration;
/// use tollgate_client::{Check, Decide, Error};
///
/// async fn may_log_in(limits: &impl Decide, user: &str) -> Result<bool, Error> {
///     let decision = limits.check(&Check::limit("login").value("user", user)).await?;
///     Ok(decision.allowed())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let fake = tollgate_client::testing::Fake::new().limit("login", 1, Duration::from_secs(60));
/// assert!(may_log_in(&fake, "alice").await?);
/// assert!(!may_log_in(&fake, "alice").await?);
/// fake.advance(Duration::from_secs(60));
/// assert!(may_log_in(&fake, "alice").await?);
/// # Ok(())
/// # }
/// ```
pub trait Decide: Clone + Send + Sync + 'static {
    /// Spends the check's hits if every limit allows them; otherwise spends nothing (but a domain of
    /// descriptors may charge each limit by itself: that is the domain's own option).
    fn check(&self, check: &Check) -> impl Future<Output = Result<Decision, Error>> + Send;

    /// Several checks, each decided by itself, in order. At most 1000.
    fn check_batch(
        &self,
        checks: &[Check],
    ) -> impl Future<Output = Result<Vec<Result<Decision, Error>>, Error>> + Send;

    /// What the check would be told now. Spends nothing.
    fn peek(&self, check: &Check) -> impl Future<Output = Result<Decision, Error>> + Send;

    /// Holds the check's hits until the cost is known. Holds of all limits or of none; one that is
    /// denied holds nothing.
    fn reserve(
        &self,
        check: &Check,
    ) -> impl Future<Output = Result<Reservation<Self>, Error>> + Send;

    /// Spends what was really needed; see [`Reservation::commit`].
    fn commit(
        &self,
        ticket: &Ticket,
        hits: u64,
    ) -> impl Future<Output = Result<Settled, Error>> + Send;

    /// Gives all of a reservation back; see [`Reservation::cancel`].
    fn cancel(&self, ticket: &Ticket) -> impl Future<Output = Result<Settled, Error>> + Send;

    /// Gives hits back that were spent. The caller needs the permission `refund`.
    fn refund(&self, check: &Check) -> impl Future<Output = Result<Decision, Error>> + Send;
}
