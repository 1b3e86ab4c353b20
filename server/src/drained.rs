//! Serving a connection to its end, or to the end of the calls that the drain finds on it.

use std::fmt::Display;
use std::future::Future;
use std::pin::{Pin, pin};

use tollgate_runtime::drain::Draining;

/// Runs `connection`; once the drain starts, `shut_down` tells it to take nothing new. How it ended
/// is logged under `listener` and `peer`.
pub(crate) async fn until_drained<C>(
    connection: C,
    shut_down: impl FnOnce(Pin<&mut C>),
    draining: Draining,
    listener: &'static str,
    peer: impl Display,
) where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = draining.started() => {
            shut_down(connection.as_mut());
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(event = "connection_failed", listener, %peer, %error);
    }
}
