//! The protocol of one subscription, as a state machine: no IO, no clock, no randomness.
//!
//! It is told what happened and says what to send and when. Its rules beyond the protocol's come
//! from how xDS servers behave: many number their snapshots from 1 in each process, so a version
//! means nothing on another stream; and many answer a refusal with the same content at once, so a
//! refusal of what was refused before waits.

use std::time::Duration;

use tollgate_core::time::Monotonic;

/// Before the second refusal of one content; doubles up to [`REPEAT_MAX`].
const REPEAT_FIRST: Duration = Duration::from_secs(1);

/// The longest wait before a refusal. Short, because a server cannot push a mended content before
/// it is asked again.
const REPEAT_MAX: Duration = Duration::from_secs(10);

/// A stream that lasted this long was no failure: the next connection is made at once.
const STEADY: Duration = Duration::from_secs(10);

/// Between two responses that are looked at, once [`BURST`] were at once. A server that sends without
/// end takes a part of one thread that way, and no more of the log; what it sends meanwhile waits in
/// its own buffers.
const PACE: Duration = Duration::from_millis(100);

/// Responses that are looked at as they come.
const BURST: u32 = 10;

/// Bytes of what a refusal tells the server.
const DETAIL_BYTES_MAX: usize = 1024;

/// How long to wait between connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    /// The first wait; doubles.
    pub(crate) first: Duration,
    /// The longest.
    pub(crate) longest: Duration,
    /// Waits are anything from nothing to that, so that nodes do not come back together.
    pub(crate) jitter: bool,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(100), longest: Duration::from_secs(10), jitter: true }
    }
}

impl Backoff {
    /// The wait after `failures` failures in a row before this one; `fraction` is from 0 to 1.
    fn wait(self, failures: u32, fraction: f64) -> Duration {
        let doubled = self.first.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX));
        let most = doubled.min(self.longest);
        if self.jitter { most.mul_f64(fraction.clamp(0.0, 1.0)) } else { most }
    }
}

/// What is sent to the server, but for what is always the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// The version that was last accepted on this stream.
    pub(super) version: String,
    /// Which response it answers; empty for none.
    pub(super) nonce: String,
    /// What is wrong with it, if it is refused.
    pub(super) refusal: Option<String>,
}

/// What a response is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) version: String,
    pub(super) nonce: String,
    /// The hash of its resources, whatever their order.
    pub(super) content: u64,
}

/// What to do about a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It is what serves: send this, rebuild nothing.
    Unchanged(Request),
    /// It is new: build it, and tell [`Machine::built`].
    Build,
    /// It is what was refused: [`Machine::due`] will say when to refuse it again.
    Refused,
}

/// What became of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All of it serves.
    Accepted,
    /// A part of it serves, or nothing.
    Refused {
        /// What is wrong.
        detail: String,
        /// Some of its domains serve.
        is_partial: bool,
    },
}

/// The subscription.
#[derive(Debug)]
pub(super) struct Machine {
    backoff: Backoff,
    stream: Option<Stream>,
    /// The content that serves, if all of it does.
    served: Option<u64>,
    refused: Option<Refused>,
    /// When a response was last refused, on whichever stream.
    refused_at: Option<Monotonic>,
    failures: u32,
    /// When a response would be looked at if each had waited for its turn, on whichever stream.
    turn: Monotonic,
}

#[derive(Debug)]
struct Stream {
    opened_at: Monotonic,
    accepted: String,
    building: Option<Head>,
    waiting: Option<(Monotonic, Request)>,
}

/// The content that was refused last.
#[derive(Debug)]
struct Refused {
    content: u64,
    detail: String,
    repeats: u32,
}

impl Machine {
    pub(super) fn new(backoff: Backoff) -> Self {
        Self {
            backoff,
            stream: None,
            served: None,
            refused: None,
            refused_at: None,
            failures: 0,
            turn: Monotonic::default(),
        }
    }

    /// A stream is open: what is said first on it. Never a version: on another stream it may have
    /// meant another content.
    pub(super) fn opened(&mut self, now: Monotonic) -> Request {
        let (accepted, building, waiting) = (String::new(), None, None);
        self.stream = Some(Stream { opened_at: now, accepted, building, waiting });
        Request { version: String::new(), nonce: String::new(), refusal: None }
    }

    /// How long until the next response is to be looked at.
    pub(super) fn pause(&self, now: Monotonic) -> Duration {
        self.turn.since(now.plus(PACE.saturating_mul(BURST - 1)))
    }

    /// Some response is looked at.
    pub(super) fn looked(&mut self, now: Monotonic) {
        self.turn = self.turn.max(now).plus(PACE);
    }

    /// A response has come.
    pub(super) fn received(&mut self, head: Head, now: Monotonic) -> Step {
        let Some(stream) = &mut self.stream else { return Step::Refused };
        if self.served == Some(head.content) {
            stream.waiting = None;
            self.refused = None;
            return Step::Unchanged(stream.accept(head));
        }
        match &mut self.refused {
            Some(refused) if refused.content == head.content => {
                let at = match &stream.waiting {
                    // Only the nonce is newer.
                    Some((at, _)) => *at,
                    None => now.plus(refused.next_wait()),
                };
                stream.waiting = Some((at, stream.refuse(head, &refused.detail)));
                Step::Refused
            }
            _ => {
                stream.waiting = None;
                stream.building = Some(head);
                Step::Build
            }
        }
    }

    /// The content that was to be built has been; gives what to send at once, if anything.
    pub(super) fn built(&mut self, verdict: Verdict, now: Monotonic) -> Option<Request> {
        let stream = self.stream.as_mut()?;
        let head = stream.building.take()?;
        match verdict {
            Verdict::Accepted => {
                self.served = Some(head.content);
                self.refused = None;
                Some(stream.accept(head))
            }
            Verdict::Refused { detail, is_partial } => {
                if is_partial {
                    self.served = None;
                }
                let detail = cut(&detail);
                let request = stream.refuse(Head::clone(&head), &detail);
                self.refused = Some(Refused { content: head.content, detail, repeats: 0 });
                // A server whose bytes differ each time must not make a loop of it either.
                let due_at = self.refused_at.map_or(now, |at| at.plus(REPEAT_FIRST));
                if due_at > now {
                    stream.waiting = Some((due_at, request));
                    return None;
                }
                self.refused_at = Some(now);
                Some(request)
            }
        }
    }

    /// What has waited until now and is to be sent.
    pub(super) fn due(&mut self, now: Monotonic) -> Option<Request> {
        let stream = self.stream.as_mut()?;
        let (at, _) = stream.waiting.as_ref()?;
        if *at > now {
            return None;
        }
        self.refused_at = Some(now);
        stream.waiting.take().map(|(_, request)| request)
    }

    /// How long until something is due; `None` while nothing waits.
    pub(super) fn wait(&self, now: Monotonic) -> Option<Duration> {
        let (at, _) = self.stream.as_ref()?.waiting.as_ref()?;
        Some(at.since(now))
    }

    /// The stream has ended, or there is none: how long to wait before the next.
    pub(super) fn ended(&mut self, now: Monotonic, fraction: f64) -> Duration {
        let lasted = self.stream.take().map(|stream| now.since(stream.opened_at));
        if lasted.is_some_and(|lasted| lasted >= STEADY) {
            self.failures = 0;
        }
        let wait = self.backoff.wait(self.failures, fraction);
        self.failures = self.failures.saturating_add(1);
        wait
    }
}

impl Stream {
    fn accept(&mut self, head: Head) -> Request {
        self.accepted.clone_from(&head.version);
        Request { version: head.version, nonce: head.nonce, refusal: None }
    }

    fn refuse(&self, head: Head, detail: &str) -> Request {
        let refusal = Some(detail.to_owned());
        Request { version: self.accepted.clone(), nonce: head.nonce, refusal }
    }
}

impl Refused {
    fn next_wait(&mut self) -> Duration {
        let doubled =
            REPEAT_FIRST.saturating_mul(1_u32.checked_shl(self.repeats).unwrap_or(u32::MAX));
        self.repeats = self.repeats.saturating_add(1);
        doubled.min(REPEAT_MAX)
    }
}

fn cut(detail: &str) -> String {
    detail[..detail.floor_char_boundary(DETAIL_BYTES_MAX)].to_owned()
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
