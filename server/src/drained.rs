//! Serving a connection to its end: until the peer goes, until it is old, or until the drain.

use std::fmt::Display;
use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use tollgate_runtime::drain::Draining;

/// How long a connection that the drain finds just opened may take to begin: what its peer has sent
/// with its first bytes is answered, too. Ending it earlier would end it without a word.
const BEGINNING: Duration = Duration::from_millis(500);

/// How old a connection may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age {
    /// From then on it takes nothing new; `None` for ever.
    pub max: Option<Duration>,
    /// How long it may take to finish what is in flight then; `None` for ever.
    pub grace: Option<Duration>,
}

impl Age {
    /// Connections live as long as their peers want.
    pub const UNBOUNDED: Self = Self { max: None, grace: None };
}

/// What ends a connection before its peer does.
pub(crate) struct Ends {
    pub(crate) draining: Draining,
    pub(crate) age: Age,
}

/// Runs `connection`; once the drain starts or it is too old, `shut_down` tells it to take nothing
/// new. How it ended is logged under `listener` and `peer`.
pub(crate) async fn until_drained<C, E>(
    connection: C,
    shut_down: impl FnOnce(Pin<&mut C>),
    Ends { draining, age }: Ends,
    listener: &'static str,
    peer: impl Display,
) where
    C: Future<Output = Result<(), E>>,
    E: Display,
{
    let mut connection = pin!(connection);
    let begun = pin!(tokio::time::sleep(BEGINNING));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = after(age.max.map(jittered)) => {
            shut_down(connection.as_mut());
            tokio::select! {
                ended = connection => ended,
                () = after(age.grace) => {
                    tracing::debug!(event = "connection_cut_off", listener, %peer, "too old");
                    return;
                }
            }
        }
        () = draining.started() => {
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = begun => {
                    shut_down(connection.as_mut());
                    connection.await
                }
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(event = "connection_failed", listener, %peer, %error);
    }
}

/// What comes of `entering`, or nothing if the drain has started and it takes too long: a peer that
/// does not shake hands must not hold up the end.
pub(crate) async fn in_time<T>(
    entering: impl Future<Output = Option<T>>,
    draining: Draining,
) -> Option<T> {
    let late = async {
        draining.started().await;
        tokio::time::sleep(BEGINNING).await;
    };
    tokio::select! {
        biased;
        entered = entering => entered,
        () = late => None,
    }
}

async fn after(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// A tenth more or less, so that connections that were opened together do not end together.
fn jittered(age: Duration) -> Duration {
    // Without random bytes nobody is harmed: the ages are only alike.
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    age.mul_f64(0.9 + 0.2 * f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_differ_by_a_tenth_at_most() {
        let age = Duration::from_secs(1_000);
        let all: Vec<_> = (0..100).map(|_| jittered(age)).collect();
        let (least, most) = (Duration::from_secs(900), Duration::from_secs(1_100));
        assert!(all.iter().all(|one| (least..=most).contains(one)), "{all:?}");
        assert!(all.iter().any(|one| *one != all[0]));
    }
}
