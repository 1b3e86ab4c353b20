//! Asking until the answer is as wanted, within a bound.

use std::time::Duration;

use http::Method;
use serde::de::DeserializeOwned;

use super::exchange::{Asked, exchange};
use super::{Node, cancelled, judged, unanswered};
use crate::cli::exit::{Cause, Exit};
use crate::cli::failure::{Failure, next};
use crate::cli::output::Answered;

/// Between two questions.
const BETWEEN: Duration = Duration::from_millis(200);

impl Node {
    /// Asks for `target` until the answer fits, at most for `bound`. A node that is not there yet is
    /// waited for too.
    ///
    /// # Errors
    /// At once for what waiting does not change; at the end what the last question came to.
    pub(in crate::cli) fn wait_for<T: DeserializeOwned>(
        &mut self,
        target: &str,
        bound: Duration,
        fits: impl Fn(&T) -> bool,
    ) -> Result<Answered, Failure> {
        let Self { way, runtime, interrupt } = self;
        let late = format!("no answer from {} in {} seconds", way.endpoint, bound.as_secs_f64());
        let mut last = Failure::new(Cause::NoAnswer, late, next::STATUS);
        let asking = async {
            loop {
                let asked =
                    Asked { method: Method::GET, target: target.to_owned(), body: String::new() };
                let answered = exchange(way, asked).await;
                let answered = answered.map_err(|broken| unanswered(&way.endpoint, broken));
                match answered.and_then(|(status, body)| judged(status, body, target)) {
                    Ok(answered) if fits(&answered.read()?) => return Ok(answered),
                    Ok(_) => {
                        let what =
                            format!("the node is not ready after {} seconds", bound.as_secs_f64());
                        last = Failure::new(Cause::NotReady, what, next::STATUS);
                    }
                    Err(failure) if failure.exit() == Exit::Unreachable => last = failure,
                    Err(failure) => return Err(failure),
                }
                tokio::time::sleep(BETWEEN).await;
            }
        };
        let ended = runtime.block_on(async {
            tokio::select! {
                biased;
                _ = interrupt.recv() => Some(Err(cancelled())),
                ended = tokio::time::timeout(bound, asking) => ended.ok(),
            }
        });
        ended.unwrap_or(Err(last))
    }
}
