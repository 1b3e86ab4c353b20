//! Logging: one event a line on standard error.
//!
//! Every line has a field `event` with a fixed name; programs match on that, people read the rest.
//! `RUST_LOG` overrides the configured level, for one module too.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::audit;
use crate::config::{LogFormat, LogLevel, Telemetry};

/// What is left of the engine's own lines.
const ENGINE: &str = "openraft=error";

/// Starts logging. A second call in one process changes nothing.
pub fn start(telemetry: &Telemetry) {
    let level = match telemetry.log_level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let filter = filter(level, EnvFilter::try_from_default_env().ok());
    let builder = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter);
    // A log that nobody reads any more must not end the node.
    let builder = builder.log_internal_errors(false);
    let started = match telemetry.log_format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
        LogFormat::Text => {
            let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            builder.with_ansi(colour).with_target(false).try_init()
        }
    };
    // Only a test process starts twice; its first subscriber goes on.
    drop(started);
}

/// What is logged: as the environment says, else from `level` on; and every audit event, because
/// whatever else is left out, who changed what is not.
fn filter(level: LevelFilter, environment: Option<EnvFilter>) -> EnvFilter {
    let filter = environment.unwrap_or_else(|| configured(level));
    match audit::DIRECTIVE.parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    }
}

/// What passes a configured level. The consensus engine tells its own story in lines without events:
/// below `debug` only its errors are anybody's news.
fn configured(level: LevelFilter) -> EnvFilter {
    let filter = EnvFilter::default().add_directive(level.into());
    match ENGINE.parse() {
        Ok(directive) if level < LevelFilter::DEBUG => filter.add_directive(directive),
        _ => filter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Who;
    use crate::audit::testing::logged_through;
    use crate::audit::{Action, Audit, NOTHING};

    #[test]
    fn audit_events_pass_every_level_and_nothing_else_does() {
        let refund = Audit {
            who: &Who::Anybody,
            action: Action::Refund,
            target: "t",
            label: "l",
            before: &NOTHING,
            after: &NOTHING,
        };
        for environment in [None, Some("off"), Some("tollgate_server=error")] {
            let environment = environment.map(EnvFilter::new);
            let ((), lines) = logged_through(filter(LevelFilter::ERROR, environment), || {
                tracing::warn!(event = "other");
                audit::write(&refund);
            });
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert_eq!(lines[0]["action"], "refund");
        }
    }
}
