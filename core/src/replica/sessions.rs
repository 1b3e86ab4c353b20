//! The answers to the last batches of each node, so that a batch that comes again counts once.
//!
//! A node that does not know whether its batch was executed proposes it again under the same number.
//! What was dropped from the memory is known by its number and never executed again. Bounded in nodes,
//! in batches of a node, and in bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::applied::{Answered, weight};
use super::image::SessionImage;
use super::{Misfit, Session};

/// Nodes whose answers are remembered: several for each member of a large group, since a node that
/// restarts is a new one. Beyond them, the one that asked nothing for longest is forgotten.
pub const SESSIONS_MAX: usize = 64;

/// Batches of a node whose answers are remembered: sixteen times as many as it has in flight.
pub const ANSWERS_MAX: usize = 64;

/// Bytes of a node's answers, beyond which its oldest ones are dropped early.
const BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// Batches that are kept whatever they weigh: twice as many as a node has in flight.
const KEPT_MIN: usize = 8;

/// The memory of all nodes.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    nodes: BTreeMap<u64, Arc<OfNode>>,
    /// Counts what was remembered, to tell which node was silent for longest.
    uses: u64,
}

#[derive(Clone, Debug, Default)]
struct OfNode {
    used: u64,
    /// Numbers below this were executed if they ever came, whether or not their answers are here.
    next: u64,
    answers: BTreeMap<u64, Arc<[Answered]>>,
    bytes: usize,
}

impl Sessions {
    /// What this batch was answered.
    pub(super) fn answers(&self, of: Session) -> Option<Arc<[Answered]>> {
        self.nodes.get(&of.node)?.answers.get(&of.seq).cloned()
    }

    /// Whether this batch may have been answered, and the answers are gone.
    pub(super) fn is_forgotten(&self, of: Session) -> bool {
        let known = self.nodes.get(&of.node);
        known.is_some_and(|known| of.seq < known.next && !known.answers.contains_key(&of.seq))
    }

    /// Keeps the answers to a batch.
    pub(super) fn remember(&mut self, of: Session, answers: Arc<[Answered]>) {
        if !self.nodes.contains_key(&of.node) && self.nodes.len() >= SESSIONS_MAX {
            let silent = self.nodes.iter().min_by_key(|(_, known)| known.used);
            if let Some(node) = silent.map(|(node, _)| *node) {
                self.nodes.remove(&node);
            }
        }
        self.uses += 1;
        let known = Arc::make_mut(self.nodes.entry(of.node).or_default());
        known.used = self.uses;
        known.insert(of.seq, answers);
        known.drop_oldest();
    }

    /// How many nodes are remembered.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Every node's memory, in the order of their numbers.
    pub(super) fn images(&self) -> impl Iterator<Item = SessionImage> {
        self.nodes.iter().map(|(&node, known)| SessionImage {
            node,
            used: known.used,
            next: known.next,
            answers: known.answers.iter().map(|(&seq, all)| (seq, Arc::clone(all))).collect(),
        })
    }

    /// The memory that these are images of.
    pub(super) fn from_images(images: Vec<SessionImage>) -> Result<Self, Misfit> {
        if images.len() > SESSIONS_MAX {
            return Err(Misfit::Sessions { found: images.len() });
        }
        let mut sessions = Self::default();
        for SessionImage { node, used, next, answers } in images {
            if answers.len() > ANSWERS_MAX {
                return Err(Misfit::Answers { found: answers.len() });
            }
            let mut known = OfNode { used, next, ..OfNode::default() };
            answers.into_iter().for_each(|(seq, all)| known.insert(seq, all));
            sessions.uses = sessions.uses.max(used);
            if sessions.nodes.insert(node, Arc::new(known)).is_some() {
                return Err(Misfit::Twice);
            }
        }
        Ok(sessions)
    }
}

impl OfNode {
    fn insert(&mut self, seq: u64, answers: Arc<[Answered]>) {
        self.bytes += bytes(&answers);
        self.answers.insert(seq, answers);
    }

    fn drop_oldest(&mut self) {
        let is_beyond = |known: &Self| {
            let count = known.answers.len();
            count > ANSWERS_MAX || (known.bytes > BYTES_MAX && count > KEPT_MIN)
        };
        while is_beyond(self) {
            let Some((seq, answers)) = self.answers.pop_first() else { break };
            self.bytes = self.bytes.saturating_sub(bytes(&answers));
            self.next = self.next.max(seq.saturating_add(1));
        }
    }
}

fn bytes(answers: &[Answered]) -> usize {
    answers.iter().map(weight).sum()
}
