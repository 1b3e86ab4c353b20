//! A child process that cannot outlive the test which started it.
//!
//! It is signalled and killed by its own pid only, and is reaped here and nowhere else, so the pid
//! cannot have passed to a stranger. It knows nothing of what it runs.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use crate::lines::Lines;
use crate::wait::{self, Probe};

/// Lines of each stream in a failure message.
const STORY_LINES: usize = 40;

/// The signals that the suites send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: an orchestrator's request to end.
    Terminate,
    /// SIGINT: a person's Ctrl-C.
    Interrupt,
    /// SIGHUP: read your files again.
    Hangup,
    /// SIGSTOP: it stands still, and does not know.
    Stop,
    /// SIGCONT: it goes on.
    Continue,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Terminate => "TERM",
            Self::Interrupt => "INT",
            Self::Hangup => "HUP",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        }
    }
}

/// One child process, its output, and its end.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    exit: Option<ExitStatus>,
    stdout: Lines,
    stderr: Lines,
}

impl Process {
    /// Starts `command` without standard input; `name` is for messages.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(name: &str, command: &mut Command) -> anyhow::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let stdout = child.stdout.take().map(Lines::collect).unwrap_or_default();
        let stderr = child.stderr.take().map(Lines::collect).unwrap_or_default();
        Ok(Self { name: name.to_owned(), child, exit: None, stdout, stderr })
    }

    /// The process id, also after its end.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to standard output.
    #[must_use]
    pub fn stdout(&self) -> &Lines {
        &self.stdout
    }

    /// What it wrote to standard error.
    #[must_use]
    pub fn stderr(&self) -> &Lines {
        &self.stderr
    }

    /// The exit status, if it has ended and its last words are in.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn exited(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        let exit = self.reap()?;
        Ok(exit.filter(|_| self.stdout.ended() && self.stderr.ended()))
    }

    /// Sends a signal; the process must still run.
    ///
    /// # Errors
    /// When it has ended, or the signal cannot be sent.
    pub fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        if let Some(exit) = self.reap()? {
            bail!("{} has ended: {exit}\n{}", self.name, self.story());
        }
        // The shell's own `kill`: a slim image has no other.
        let status = Command::new("sh")
            .args(["-c", "kill -s \"$1\" \"$2\"", "sh", signal.name(), &self.pid().to_string()])
            .status()
            .context("cannot run sh")?;
        ensure!(status.success(), "kill -s {} {}: {status}", signal.name(), self.pid());
        Ok(())
    }

    /// Waits for the end, at most for `bound`.
    ///
    /// # Errors
    /// When it still runs then.
    pub async fn wait_exit(&mut self, bound: Duration) -> anyhow::Result<ExitStatus> {
        let what = format!("the end of {} (pid {})", self.name, self.pid());
        let ended = wait::until(&what, bound, async || match self.exited() {
            Ok(Some(exit)) => Probe::Holds(exit),
            Ok(None) => Probe::NotYet("still running".into()),
            Err(error) => Probe::Never(format!("{error:#}")),
        })
        .await;
        ended.with_context(|| self.story())
    }

    /// Ends it at once, with SIGKILL, and reaps it.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        if self.reap()?.is_none() {
            self.child.kill().with_context(|| format!("cannot kill {}", self.name))?;
            self.exit = Some(self.child.wait()?);
        }
        Ok(())
    }

    /// The exit status, if there is one: from then on the pid is not ours any more.
    fn reap(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        if self.exit.is_none() {
            self.exit = self.child.try_wait().with_context(|| format!("state of {}", self.name))?;
        }
        Ok(self.exit)
    }

    /// The last lines of both streams, for a failure message.
    #[must_use]
    pub fn story(&self) -> String {
        let mut story = String::new();
        for (stream, lines) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            for line in lines.last(STORY_LINES) {
                story.push_str(&format!("{} {stream}| {line}\n", self.name));
            }
        }
        if story.is_empty() { format!("{} wrote nothing", self.name) } else { story }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("{error:#}");
        }
        // The test runner shows this for a failed test only.
        eprintln!("{}", self.story());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> Process {
        Process::start("shell", Command::new("sh").args(["-c", script])).unwrap()
    }

    #[tokio::test]
    async fn reports_the_exit_code_and_keeps_both_streams() {
        let mut process = shell("echo out; echo err >&2; exit 3");
        assert_eq!(process.wait_exit(BOUND).await.unwrap().code(), Some(3));
        let story = process.story();
        assert!(story.contains("stdout| out") && story.contains("stderr| err"), "{story}");
    }

    #[tokio::test]
    async fn a_signal_reaches_the_process() {
        // The shell says when its handler is in place.
        let mut process =
            shell("trap 'exit 7' TERM; echo set; while :; do read -r x < /dev/null; done");
        wait::until("the trap", BOUND, async || match process.stdout().all().is_empty() {
            false => Probe::Holds(()),
            true => Probe::NotYet("no line".into()),
        })
        .await
        .unwrap();
        process.signal(Signal::Terminate).unwrap();
        assert_eq!(process.wait_exit(BOUND).await.unwrap().code(), Some(7));
        let refused = process.signal(Signal::Interrupt).unwrap_err().to_string();
        assert!(refused.contains("has ended"), "{refused}");
    }

    #[tokio::test]
    async fn a_wait_that_is_over_tells_the_story() {
        let mut process = shell("echo stuck; exec tail -f /dev/null");
        let waited = process.wait_exit(Duration::from_millis(300)).await.unwrap_err();
        assert!(format!("{waited:#}").contains("still running"), "{waited:#}");
        process.kill().unwrap();
        assert!(process.reap().unwrap().is_some());
    }
}
