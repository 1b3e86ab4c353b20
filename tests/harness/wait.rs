//! Waiting for a condition, bounded, and with a failure that says what was seen last.
//!
//! This is the only place with a pause in it: a test that slept for a fixed time would be slow on
//! a fast machine and wrong on a slow one. The bound is a tokio timeout, so no clock is read here.

use std::time::Duration;

use anyhow::bail;

/// Between two looks: short beside any process start, long beside the look itself.
const PAUSE: Duration = Duration::from_millis(5);

/// What one look at a condition found.
#[derive(Debug)]
pub enum Probe<T> {
    /// The condition holds.
    Holds(T),
    /// It does not hold yet; the text is the state seen instead.
    NotYet(String),
    /// It can no longer come to hold; the text says why.
    Never(String),
}

/// Looks at a condition until it holds, at most for `bound`.
///
/// # Errors
/// When the bound is over or the condition can never hold: with `what` and the last state seen.
pub async fn until<T>(
    what: &str,
    bound: Duration,
    mut probe: impl AsyncFnMut() -> Probe<T>,
) -> anyhow::Result<T> {
    let mut last = String::from("nothing: the first look did not end");
    let polled = async {
        loop {
            match probe().await {
                Probe::Holds(value) => return Ok(value),
                Probe::Never(reason) => return Err(reason),
                Probe::NotYet(state) => last = state,
            }
            tokio::time::sleep(PAUSE).await; // tidy: bounded poll
        }
    };
    let outcome = tokio::time::timeout(bound, polled).await;
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(reason)) => bail!("{what} will never be: {reason}"),
        Err(_) => bail!("waited {bound:?} for {what}; last seen: {last}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn returns_what_the_condition_gave() {
        let mut looks = 0;
        let found = until("the third look", Duration::from_secs(5), async || {
            looks += 1;
            if looks == 3 { Probe::Holds(looks) } else { Probe::NotYet(format!("look {looks}")) }
        })
        .await;
        assert_eq!(found.unwrap(), 3);
    }

    #[tokio::test]
    async fn fails_with_what_it_waited_for_and_the_last_state() {
        let waited = until::<()>("rain", SHORT, async || Probe::NotYet("sunshine".into())).await;
        let message = waited.unwrap_err().to_string();
        assert!(message.contains("for rain") && message.contains("sunshine"), "{message}");
    }

    #[tokio::test]
    async fn a_look_that_hangs_is_bounded_too() {
        let waited = until::<()>("nothing", SHORT, async || std::future::pending().await).await;
        assert!(waited.unwrap_err().to_string().contains("did not end"));
    }

    #[tokio::test]
    async fn gives_up_at_once_when_hope_is_gone() {
        let bound = Duration::from_secs(3600);
        let waited = until::<()>("an answer", bound, async || Probe::Never("it is dead".into()));
        assert!(waited.await.unwrap_err().to_string().contains("it is dead"));
    }
}
