//! A server as a child process: started, waited for until it says where it listens, and ended
//! with its handle.
//!
//! It is ended by its own id, also when the bench fails, and never asked politely: nothing of it
//! is worth keeping. A bench that is itself killed outright leaves it behind.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use thiserror::Error;

use crate::clock::Stopwatch;

/// A longer line is taken in pieces: no announcement is that long.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// Lines between the reading thread and the starter; a full queue makes the reader wait.
const LINES_QUEUED_MAX: usize = 64;

/// How many of a server's last lines an error repeats.
const LINES_TOLD_MAX: usize = 10;

/// Why a server is not there.
#[derive(Debug, Error)]
pub enum StartError {
    /// The program did not start.
    #[error("starting {program}: {source}")]
    Spawn {
        /// The program.
        program: String,
        /// What the system says.
        source: io::Error,
    },
    /// The program ended or closed its output before it was ready.
    #[error("{program} ended before it was ready; its last lines:\n{lines}")]
    Ended {
        /// The program.
        program: String,
        /// The last lines it wrote.
        lines: String,
    },
    /// The program was not ready in time.
    #[error("{program} was not ready after {bound:?}; its last lines:\n{lines}")]
    Late {
        /// The program.
        program: String,
        /// The time it was given.
        bound: Duration,
        /// The last lines it wrote.
        lines: String,
    },
}

/// Where a server announces its address. The other stream is thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announces {
    /// On its standard output.
    OnStdout,
    /// On its standard error.
    OnStderr,
}

/// A running server; dropping it kills it.
#[derive(Debug)]
pub struct ServerProcess {
    child: KilledOnDrop,
    address: SocketAddr,
}

impl ServerProcess {
    /// Starts `command` and reads its lines until `ready` finds the address in them.
    pub fn start(
        mut command: Command,
        announces: Announces,
        time_max: Duration,
        ready: impl FnMut(&str) -> Option<SocketAddr>,
    ) -> Result<Self, StartError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let failed = |source| StartError::Spawn { program: program.clone(), source };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match announces {
            Announces::OnStdout => command.stdout(Stdio::piped()),
            Announces::OnStderr => command.stderr(Stdio::piped()),
        };
        let mut child = KilledOnDrop(command.spawn().map_err(failed)?);
        let lines = child.lines().map_err(failed)?;
        let address = wait(&lines, time_max, ready).map_err(|waited| waited.told_of(program))?;
        Ok(Self { child, address })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

#[derive(Debug)]
struct KilledOnDrop(Child);

impl KilledOnDrop {
    /// The lines of whichever stream is piped, read by a thread that ends with the stream.
    fn lines(&mut self) -> io::Result<Receiver<String>> {
        let (sender, receiver) = sync_channel(LINES_QUEUED_MAX);
        let stdout = self.0.stdout.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>);
        let stderr = self.0.stderr.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>);
        if let Some(stream) = stdout.or(stderr) {
            let reading = thread::Builder::new().name("server-lines".to_owned());
            reading.spawn(move || read_lines(BufReader::new(stream), &sender))?;
        }
        Ok(receiver)
    }
}

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        // A child that has already ended cannot be killed, and that is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Passes lines on until nobody wants them, then empties the stream so that the server never
/// waits for a full pipe.
fn read_lines(mut stream: BufReader<Box<dyn Read + Send>>, lines: &SyncSender<String>) {
    let mut line = Vec::new();
    loop {
        line.clear();
        match stream.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if lines.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
            break;
        }
    }
    // Ends with the server; what it says by then is of no use to a measurement.
    let _ = io::copy(&mut stream, &mut io::sink());
}

/// A wait that ended without an address.
struct Waited {
    late: Option<Duration>,
    lines: VecDeque<String>,
}

impl Waited {
    fn told_of(self, program: String) -> StartError {
        let lines = Vec::from(self.lines).join("\n");
        match self.late {
            Some(bound) => StartError::Late { program, bound, lines },
            None => StartError::Ended { program, lines },
        }
    }
}

fn wait(
    lines: &Receiver<String>,
    time_max: Duration,
    mut ready: impl FnMut(&str) -> Option<SocketAddr>,
) -> Result<SocketAddr, Waited> {
    let begun = Stopwatch::start();
    let mut last = VecDeque::with_capacity(LINES_TOLD_MAX);
    loop {
        match lines.recv_timeout(time_max.saturating_sub(begun.passed())) {
            Ok(line) => {
                if let Some(address) = ready(&line) {
                    return Ok(address);
                }
                if last.len() == LINES_TOLD_MAX {
                    last.pop_front();
                }
                last.push_back(line);
            }
            Err(RecvTimeoutError::Timeout) => {
                return Err(Waited { late: Some(time_max), lines: last });
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Waited { late: None, lines: last });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME_MAX: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn parse(line: &str) -> Option<SocketAddr> {
        line.strip_prefix("listening ")?.parse().ok()
    }

    #[test]
    fn finds_the_address_on_either_stream_and_kills_the_server_when_dropped() {
        for (redirect, announces) in [("", Announces::OnStdout), (">&2", Announces::OnStderr)] {
            let script = format!(
                "echo hello {redirect}; echo listening 127.0.0.1:7 {redirect}; exec tail -f /dev/null"
            );
            let server = ServerProcess::start(shell(&script), announces, TIME_MAX, parse).unwrap();
            assert_eq!(server.address(), "127.0.0.1:7".parse().unwrap());
            let process = std::path::PathBuf::from(format!("/proc/{}", server.pid()));
            assert!(process.exists());
            drop(server);
            assert!(!process.exists());
        }
    }

    #[test]
    fn repeats_the_last_lines_of_a_server_that_ends() {
        let script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo line $i; done";
        let started =
            ServerProcess::start(shell(script), Announces::OnStdout, TIME_MAX, parse).unwrap_err();
        let told = started.to_string();
        assert!(told.contains("line 12") && told.contains("line 3\n"), "{told}");
        assert!(!told.contains("line 2\n"), "{told}");
    }

    #[test]
    fn gives_up_on_a_server_that_is_never_ready() {
        let time_max = Duration::from_millis(50);
        let silent = shell("exec tail -f /dev/null");
        let started = ServerProcess::start(silent, Announces::OnStdout, time_max, parse);
        assert!(matches!(started, Err(StartError::Late { .. })), "{started:?}");
    }
}
