//! Audit events: who changed what, and how it was before.
//!
//! Every administrative write goes through [`write()`], exactly once and after it has succeeded; a dry
//! run and a refused call write none. Events are never sampled, and no log level leaves them out.

use std::fmt::Display;

use tollgate_core::plan::is_unprintable;

use crate::access::Who;
use crate::metrics;

/// The filter of the log that lets every event through; `audit` is the target of their lines.
pub(crate) const DIRECTIVE: &str = "audit=info";

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A counter was forgotten.
    CounterReset,
    /// Hits were given back.
    Refund,
    /// A token was made.
    TokenCreated,
    /// A token was revoked.
    TokenRevoked,
}

impl Action {
    /// All there are.
    pub const ALL: [Self; 4] =
        [Self::CounterReset, Self::Refund, Self::TokenCreated, Self::TokenRevoked];

    /// Its word in the log and the metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CounterReset => "counter_reset",
            Self::Refund => "refund",
            Self::TokenCreated => "token_created",
            Self::TokenRevoked => "token_revoked",
        }
    }
}

/// One administrative write.
pub struct Audit<'a> {
    /// Who wrote.
    pub who: &'a Who,
    /// What was done.
    pub action: Action,
    /// To what: a counter's key, a token's ID.
    pub target: &'a str,
    /// What the target is in words: a counter's label, a token's name.
    pub label: &'a str,
    /// What it was; `-` for nothing.
    pub before: &'a dyn Display,
    /// What it is now; `-` for nothing.
    pub after: &'a dyn Display,
}

/// Nothing was there, or is there now.
pub const NOTHING: &str = "-";

/// Tells of one write: a line in the log and a count.
pub fn write(audit: &Audit<'_>) {
    let Audit { who, action, target, label, before, after } = audit;
    metrics::count_audit_event(action.name());
    tracing::info!(
        target: "audit",
        event = "audit",
        action = action.name(),
        who = line(who),
        // `target` is the subscriber's own word in a JSON line.
        resource = line(target),
        label = line(label),
        before = line(before),
        after = line(after),
    );
}

/// Values come from clients and certificates: a line of them stays one line.
fn line(value: &dyn Display) -> String {
    value.to_string().replace(is_unprintable, "\u{fffd}")
}

#[cfg(test)]
pub(crate) mod testing {
    //! Catches the events of this thread.

    use std::io;
    use std::sync::Arc;

    use parking_lot::Mutex;
    use serde_json::Value;
    use tracing_subscriber::EnvFilter;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What `act` returns, and the lines that it logs.
    pub(crate) fn logged<T>(act: impl FnOnce() -> T) -> (T, Vec<Value>) {
        logged_through(EnvFilter::new("info"), act)
    }

    /// The same, as far as the filter lets lines through.
    pub(crate) fn logged_through<T>(filter: EnvFilter, act: impl FnOnce() -> T) -> (T, Vec<Value>) {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_env_filter(filter)
            .with_writer(move || writer.clone())
            .finish();
        let done = tracing::subscriber::with_default(subscriber, act);
        let text = lines.0.lock();
        let read = |line| serde_json::from_slice(line).ok();
        (done, text.split(|byte| *byte == b'\n').filter_map(read).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_whatever_stands_in_it() {
        let who = Who::Certificate { san: "a\nb".into() };
        let ((), lines) = testing::logged(|| {
            write(&Audit {
                who: &who,
                action: Action::CounterReset,
                target: "k\u{1b}[31m",
                label: "l",
                before: &7,
                after: &NOTHING,
            });
        });
        let [line] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!((&line["event"], &line["action"]), (&"audit".into(), &"counter_reset".into()));
        assert_eq!((&line["resource"], &line["label"]), (&"k\u{fffd}[31m".into(), &"l".into()));
        assert_eq!(line["who"], "certificate:a\u{fffd}b");
        assert_eq!((&line["before"], &line["after"]), (&"7".into(), &"-".into()));
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn actions_have_words_of_their_own() {
        let words: std::collections::BTreeSet<_> =
            Action::ALL.iter().map(|one| one.name()).collect();
        assert_eq!(words.len(), Action::ALL.len());
    }
}
