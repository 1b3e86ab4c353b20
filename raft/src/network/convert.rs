//! openraft's types as messages of the wire, and back. Reading refuses whatever openraft takes for
//! granted: a peer that is wrong must not stop this process.

use std::collections::{BTreeMap, BTreeSet};

use openraft::alias::{EntryOf, LogIdOf, VoteOf};
use openraft::raft::{
    AppendEntriesRequest, StreamAppendError, StreamAppendResult, TransferLeaderError,
    TransferLeaderRequest, VoteRequest, VoteResponse,
};
use openraft::vote::RaftLeaderId as _;
use openraft::{EntryPayload, Membership};
use tollgate_proto::peer as message;

use crate::meta::MEMBERS_MAX;
use crate::types::{Data, Member, NodeId, Types};

type LogId = LogIdOf<Types>;
type Vote = VoteOf<Types>;
type Entry = EntryOf<Types>;

/// Bytes of a member's address, at most.
pub(super) const ADDRESS_BYTES_MAX: usize = 300;

/// Members of a group's membership, at most: a change has the old and the new ones.
const MEMBERSHIP_MAX: usize = 2 * MEMBERS_MAX;

/// A message of a peer makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a peer's message makes no sense: {0}")]
pub(super) struct Malformed(pub(super) &'static str);

pub(super) fn log_id(id: &LogId) -> message::LogId {
    message::LogId { term: id.leader_id.term, index: id.index }
}

fn some_log_id(id: Option<&LogId>) -> Option<message::LogId> {
    id.map(log_id)
}

fn read_log_id(id: message::LogId) -> LogId {
    LogId::new_term_index(id.term, id.index)
}

pub(super) fn vote(vote: &Vote) -> message::Vote {
    message::Vote {
        term: vote.leader_id.term(),
        node: *vote.leader_id.node_id(),
        committed: vote.committed,
    }
}

pub(super) fn read_vote(vote: Option<message::Vote>) -> Result<Vote, Malformed> {
    match vote.ok_or(Malformed("no vote"))? {
        message::Vote { term, node, committed: false } => Ok(Vote::new(term, node)),
        message::Vote { term, node, committed: true } => Ok(Vote::new_committed(term, node)),
    }
}

fn entry(entry: &Entry) -> message::Entry {
    let payload = match &entry.payload {
        EntryPayload::Blank => message::entry::Payload::Blank(message::Blank {}),
        EntryPayload::Normal(Data(data)) => message::entry::Payload::Normal(data.clone()),
        EntryPayload::Membership(members) => {
            message::entry::Payload::Membership(membership(members))
        }
    };
    message::Entry { id: Some(log_id(&entry.log_id)), payload: Some(payload) }
}

fn read_entry(entry: message::Entry) -> Result<Entry, Malformed> {
    let log_id = read_log_id(entry.id.ok_or(Malformed("an entry without id"))?);
    let payload = match entry.payload.ok_or(Malformed("an entry without payload"))? {
        message::entry::Payload::Blank(_) => EntryPayload::Blank,
        message::entry::Payload::Normal(data) => EntryPayload::Normal(Data(data)),
        message::entry::Payload::Membership(members) => {
            EntryPayload::Membership(read_membership(members)?)
        }
    };
    Ok(Entry { log_id, payload })
}

fn membership(membership: &Membership<NodeId, Member>) -> message::Membership {
    let voters = |ids: &BTreeSet<NodeId>| message::Voters { ids: ids.iter().copied().collect() };
    let member = |(id, member): (&NodeId, &Member)| {
        let Member { name, address } = member.clone();
        message::Member { id: *id, name, address }
    };
    message::Membership {
        configs: membership.get_joint_config().iter().map(voters).collect(),
        members: membership.nodes().map(member).collect(),
    }
}

fn read_membership(
    membership: message::Membership,
) -> Result<Membership<NodeId, Member>, Malformed> {
    let is_bounded = (1..=2).contains(&membership.configs.len())
        && membership.configs.iter().all(|voters| !voters.ids.is_empty())
        && membership.members.len() <= MEMBERSHIP_MAX
        && membership.members.iter().all(|member| member.address.len() <= ADDRESS_BYTES_MAX);
    if !is_bounded {
        return Err(Malformed("a membership beyond its bounds"));
    }
    let configs = membership.configs.into_iter().map(|voters| voters.ids.into_iter().collect());
    let node = |member: message::Member| {
        (member.id, Member { name: member.name, address: member.address })
    };
    let nodes: BTreeMap<_, _> = membership.members.into_iter().map(node).collect();
    Membership::new(configs.collect(), nodes).map_err(|_| Malformed("a membership of nobody"))
}

pub(super) fn append(request: &AppendEntriesRequest<Types>) -> message::AppendRequest {
    message::AppendRequest {
        route: None,
        vote: Some(vote(&request.vote)),
        previous: some_log_id(request.prev_log_id.as_ref()),
        entries: request.entries.iter().map(entry).collect(),
        committed: some_log_id(request.leader_commit.as_ref()),
    }
}

/// Entries must follow each other and the previous one, in terms of the leader or before.
pub(super) fn read_append(
    from: NodeId,
    request: message::AppendRequest,
) -> Result<AppendEntriesRequest<Types>, Malformed> {
    let vote = read_vote(request.vote)?;
    if !vote.committed || *vote.leader_id.node_id() != from {
        return Err(Malformed("entries that do not come from their leader"));
    }
    let prev_log_id = request.previous.map(read_log_id);
    let (mut term, mut next) = prev_log_id
        .map_or((0, 0), |previous| (previous.leader_id.term, previous.index.saturating_add(1)));
    let mut entries = Vec::with_capacity(request.entries.len());
    for entry in request.entries {
        let entry = read_entry(entry)?;
        let entry_term = entry.log_id.leader_id.term;
        if entry.log_id.index != next || entry_term < term || entry_term > vote.leader_id.term() {
            return Err(Malformed("entries out of order"));
        }
        (term, next) = (entry_term, next.saturating_add(1));
        entries.push(entry);
    }
    let leader_commit = request.committed.map(read_log_id);
    Ok(AppendEntriesRequest { vote, prev_log_id, entries, leader_commit })
}

pub(super) fn appended(result: &StreamAppendResult<Types>) -> message::AppendResponse {
    use message::append_response::Outcome;
    let outcome = match result {
        Ok(id) => Outcome::Matching(message::Matching { id: some_log_id(id.as_ref()) }),
        Err(StreamAppendError::Conflict(id)) => Outcome::Conflict(log_id(id)),
        Err(StreamAppendError::HigherVote(higher)) => Outcome::HigherVote(vote(higher)),
    };
    message::AppendResponse { outcome: Some(outcome) }
}

pub(super) fn read_appended(
    response: message::AppendResponse,
) -> Result<StreamAppendResult<Types>, Malformed> {
    use message::append_response::Outcome;
    Ok(match response.outcome.ok_or(Malformed("an answer without outcome"))? {
        Outcome::Matching(message::Matching { id }) => Ok(id.map(read_log_id)),
        Outcome::Conflict(id) => Err(StreamAppendError::Conflict(read_log_id(id))),
        Outcome::HigherVote(vote) => Err(StreamAppendError::HigherVote(read_vote(Some(vote))?)),
    })
}

pub(super) fn vote_request(request: &VoteRequest<Types>) -> message::VoteRequest {
    message::VoteRequest {
        vote: Some(vote(&request.vote)),
        last: some_log_id(request.last_log_id.as_ref()),
        is_transfer: request.leadership_transfer,
    }
}

pub(super) fn read_vote_request(
    from: NodeId,
    request: message::VoteRequest,
) -> Result<VoteRequest<Types>, Malformed> {
    let vote = read_vote(request.vote)?;
    if vote.committed || *vote.leader_id.node_id() != from {
        return Err(Malformed("a vote for somebody else"));
    }
    let mut read = VoteRequest::new(vote, request.last.map(read_log_id));
    read.leadership_transfer = request.is_transfer;
    Ok(read)
}

pub(super) fn vote_response(response: &VoteResponse<Types>) -> message::VoteResponse {
    message::VoteResponse {
        vote: Some(vote(&response.vote)),
        is_granted: response.vote_granted,
        last: some_log_id(response.last_log_id.as_ref()),
    }
}

pub(super) fn read_vote_response(
    response: message::VoteResponse,
) -> Result<VoteResponse<Types>, Malformed> {
    let last = response.last.map(read_log_id);
    Ok(VoteResponse::new(read_vote(response.vote)?, last, response.is_granted))
}

pub(super) fn transfer(request: &TransferLeaderRequest<Types>) -> message::TransferRequest {
    message::TransferRequest {
        from: Some(vote(request.from_leader())),
        to: *request.to_node_id(),
        last: some_log_id(request.last_log_id()),
    }
}

pub(super) fn read_transfer(
    from: NodeId,
    request: message::TransferRequest,
) -> Result<TransferLeaderRequest<Types>, Malformed> {
    let vote = read_vote(request.from)?;
    if *vote.leader_id.node_id() != from {
        return Err(Malformed("a leadership that is not the sender's"));
    }
    Ok(TransferLeaderRequest::new(vote, request.to, request.last.map(read_log_id)))
}

pub(super) fn transferred(
    result: &Result<(), TransferLeaderError<Types>>,
) -> message::TransferResponse {
    use message::transfer_response::Refused;
    let refused = match result {
        Ok(()) => None,
        Err(TransferLeaderError::VoteChanged { expected, actual }) => {
            Some(Refused::VoteChanged(message::VoteChanged {
                expected: Some(vote(expected)),
                actual: Some(vote(actual)),
            }))
        }
        Err(TransferLeaderError::LogNotFlushed { expected, actual }) => {
            Some(Refused::NotFlushed(message::NotFlushed {
                expected: some_log_id(expected.as_ref()),
                actual: some_log_id(actual.as_ref()),
            }))
        }
    };
    message::TransferResponse { refused }
}

pub(super) fn read_transferred(
    response: message::TransferResponse,
) -> Result<Result<(), TransferLeaderError<Types>>, Malformed> {
    use message::transfer_response::Refused;
    Ok(match response.refused {
        None => Ok(()),
        Some(Refused::VoteChanged(changed)) => Err(TransferLeaderError::VoteChanged {
            expected: read_vote(changed.expected)?,
            actual: read_vote(changed.actual)?,
        }),
        Some(Refused::NotFlushed(behind)) => Err(TransferLeaderError::LogNotFlushed {
            expected: behind.expected.map(read_log_id),
            actual: behind.actual.map(read_log_id),
        }),
    })
}
