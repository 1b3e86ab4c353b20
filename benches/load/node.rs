//! Tollgate as a child process with an empty environment, so that no variable of the shell changes
//! what is measured. Where it listens is read from its JSON log.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use crate::process::{Announces, ServerProcess, StartError};

/// Starting takes milliseconds; a server that needs longer than this is broken.
pub const START_TIME_MAX: Duration = Duration::from_secs(10);

/// Starts the binary by this configuration, which has it log JSON; the address is that of the decide
/// listener.
///
/// # Errors
/// [`StartError`] if it is not there in time.
pub fn start(binary: &Path, config: &Path) -> Result<ServerProcess, StartError> {
    let mut command = Command::new(binary);
    command.env_clear().args(["serve", "-c"]).arg(config);
    let mut announced = Announced::default();
    let ready = move |line: &str| announced.read(line);
    ServerProcess::start(command, Announces::OnStderr, START_TIME_MAX, ready)
}

/// What Tollgate's log has said so far on its way to being ready.
#[derive(Debug, Default)]
struct Announced {
    decide: Option<SocketAddr>,
}

/// The fields of a log line that tell of the start.
#[derive(Deserialize)]
struct LogLine<'a> {
    event: &'a str,
    listener: Option<&'a str>,
    address: Option<SocketAddr>,
}

impl Announced {
    /// Takes one line; the address comes with the line that says all is ready.
    fn read(&mut self, line: &str) -> Option<SocketAddr> {
        // Other lines than these are none of ours, whatever they hold.
        let line: LogLine<'_> = serde_json::from_str(line).ok()?;
        match line.event {
            "listening" if line.listener == Some("decide") => {
                self.decide = line.address;
                None
            }
            "ready" => self.decide,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_comes_with_the_ready_line() {
        let mut announced = Announced::default();
        for line in [
            "not JSON",
            r#"{"level":"INFO","message":"without an event"}"#,
            r#"{"event":"listening","listener":"decide","address":"127.0.0.1:41234","level":"INFO"}"#,
            r#"{"event":"listening","listener":"http","address":"127.0.0.1:41235"}"#,
        ] {
            assert_eq!(announced.read(line), None, "{line}");
        }
        let ready = r#"{"level":"INFO","event":"ready","message":"say \"hi\""}"#;
        assert_eq!(announced.read(ready), "127.0.0.1:41234".parse().ok());
    }
}
