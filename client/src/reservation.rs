//! Hits that are held until their cost is known.

use std::time::Duration;

use crate::{Decide, Decision, Error, Settled};

/// The digits of a reservation's name.
const ID_DIGITS: usize = 32;

/// Names a reservation, and knows which node it is at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    id: String,
    ends_after: Duration,
    /// Which of the client's endpoints made it: only that node has it.
    pub(crate) endpoint: Option<usize>,
}

impl Ticket {
    /// The ticket of a reservation's name, if that is one: 32 digits of 0-9 and a-f.
    pub fn new(id: String, ends_after: Duration) -> Option<Self> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_id = id.len() == ID_DIGITS && id.bytes().all(is_digit);
        is_id.then_some(Self { id, ends_after, endpoint: None })
    }

    /// The reservation's name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The same, at an endpoint of the client.
    pub(crate) fn at(self, endpoint: usize) -> Self {
        Self { endpoint: Some(endpoint), ..self }
    }

    /// When the reservation ends by itself, counted from when it was made.
    pub fn ends_after(&self) -> Duration {
        self.ends_after
    }
}

/// The answer to [`Decide::reserve`]: a decision, and where it allows, hits that are held.
///
/// Commit what was really needed, or cancel. Dropped without either it changes nothing: the node
/// gives all of it back at the reservation's end, and until then nobody else gets those hits.
///
/// ```
/// # use std::time::Duration;
/// # use tollgate_client::{Check, Decide as _, testing::Fake};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tollgate_client::Error> {
/// # let client = Fake::new().limit("tokens", 1000, Duration::from_secs(60));
/// let check = Check::limit("tokens").hits(100).hold_for(Duration::from_secs(30));
/// let reservation = client.reserve(&check).await?;
/// if reservation.allowed() {
///     let needed = 37; // known once the work is done
///     let settled = reservation.commit(needed).await?;
///     assert_eq!(settled.charged, 37);
/// }
/// assert_eq!(client.peek(&Check::limit("tokens").hits(0)).await?.remaining(), Some(963));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "hits are held until it is committed, cancelled or at its end"]
pub struct Reservation<D> {
    decider: D,
    decision: Decision,
    ticket: Option<Ticket>,
}

impl<D: Decide> Reservation<D> {
    /// A reservation at `decider`; without a ticket it holds nothing.
    pub fn new(decider: D, decision: Decision, ticket: Option<Ticket>) -> Self {
        Self { decider, decision, ticket }
    }

    /// Whether it may pass.
    pub fn allowed(&self) -> bool {
        self.decision.allowed()
    }

    /// The decision.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// What names it; absent where nothing is held: it was denied, or no node decided it.
    pub fn ticket(&self) -> Option<&Ticket> {
        self.ticket.as_ref()
    }

    /// Spends what was really needed, which may be more than was reserved, and gives the rest back.
    /// Where nothing is held, nothing is charged.
    ///
    /// It may be tried again after an error: with a clone of [`Reservation::ticket`], by
    /// [`Decide::commit`].
    ///
    /// # Errors
    /// [`Reason::UnknownReservation`](crate::Reason::UnknownReservation) if it has ended; as of
    /// [`Decide::commit`].
    pub async fn commit(self, hits: u64) -> Result<Settled, Error> {
        match &self.ticket {
            Some(ticket) => self.decider.commit(ticket, hits).await,
            None => Ok(Settled { charged: 0, uncharged: hits, statuses: Vec::new() }),
        }
    }

    /// Gives all of it back.
    ///
    /// # Errors
    /// As of [`Reservation::commit`].
    pub async fn cancel(self) -> Result<Settled, Error> {
        match &self.ticket {
            Some(ticket) => self.decider.cancel(ticket).await,
            None => Ok(Settled { charged: 0, uncharged: 0, statuses: Vec::new() }),
        }
    }
}
