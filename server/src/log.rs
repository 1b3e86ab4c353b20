//! Logging: one event a line on standard error.
//!
//! Every line has a field `event` with a fixed name; programs match on that, people read the rest.
//! `RUST_LOG` overrides the configured level, for one module too.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::audit;
use crate::config::{LogFormat, LogLevel, Telemetry};

/// Starts logging. A second call in one process changes nothing.
pub fn start(telemetry: &Telemetry) {
    let level = match telemetry.log_level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let configured = || EnvFilter::default().add_directive(level.into());
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| configured());
    // Whatever else is left out: who changed what is not.
    let filter = match audit::DIRECTIVE.parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    };
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
