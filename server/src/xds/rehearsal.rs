//! A subscription without a server, a clock or a node: what bytes make of the limits. For tests
//! that have only bytes.

use tollgate_core::key::KeySecret;
use tollgate_core::time::Monotonic;

use super::build::{Digests, build};
use super::machine::{Backoff, Head, Machine, Step, Verdict};
use super::wire::Response;
use crate::config::ratelimit::Options;
use crate::decide::{Active, Answers};

/// Hashes of keys matter to nobody here.
const SECRET: [u8; 16] = [7; 16];

/// A stream, and what decides because of it.
#[derive(Debug)]
pub struct Rehearsal {
    options: Options,
    machine: Machine,
    active: Active,
    digests: Digests,
}

/// What became of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It ends the stream.
    Unreadable,
    /// It is about something else.
    Foreign,
    /// It is what decides.
    Unchanged,
    /// It was refused before.
    Repeated,
    /// It decides as far as it is right.
    Built {
        /// Domains that are as it has them.
        accepted: usize,
        /// What is wrong, by domain; by resource where a resource does not tell its domain.
        refused: Vec<(String, String)>,
    },
}

impl Rehearsal {
    /// A stream on which nothing has come.
    pub fn new(options: Options) -> Self {
        let mut machine = Machine::new(Backoff::default());
        machine.opened(Monotonic::default());
        let active = Active::unloaded(Answers::default(), &KeySecret::new(SECRET));
        Self { options, machine, active, digests: Digests::default() }
    }

    /// Takes a `DiscoveryResponse` in.
    pub fn take(&mut self, bytes: &[u8]) -> Outcome {
        let Ok(response) = Response::read(bytes) else { return Outcome::Unreadable };
        if !response.is_ours() {
            return Outcome::Foreign;
        }
        let Response { version, nonce, content, .. } = &response;
        let head = Head { version: version.clone(), nonce: nonce.clone(), content: *content };
        match self.machine.received(head, Monotonic::default()) {
            Step::Unchanged(_) => Outcome::Unchanged,
            Step::Refused => Outcome::Repeated,
            Step::Build => self.build(response),
        }
    }

    /// What decides.
    pub fn active(&self) -> &Active {
        &self.active
    }

    /// What decides, in a number.
    pub fn hash(&self) -> u64 {
        self.digests.hash()
    }

    fn build(&mut self, response: Response) -> Outcome {
        let built = build(response, &self.active, &self.digests, self.options);
        let accepted = built.accepted;
        let refused: Vec<_> =
            built.refused.iter().map(|(name, why)| (name.clone(), why.to_string())).collect();
        let is_partial = accepted > 0 || self.active.is_loaded();
        if refused.is_empty() || is_partial {
            let secret = KeySecret::new(SECRET);
            let active = Active::new(built.domains, Answers::default(), &secret);
            self.active = active.withholding(built.withheld);
            self.digests = built.digests;
        }
        let verdict = match refused.first() {
            None => Verdict::Accepted,
            Some((_, why)) => Verdict::Refused { detail: why.clone(), is_partial },
        };
        self.machine.built(verdict, Monotonic::default());
        Outcome::Built { accepted, refused }
    }
}
