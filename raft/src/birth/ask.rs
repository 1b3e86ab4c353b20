//! Asks the listed nodes.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use tollgate_proto::peer as message;

use super::{Answer, Own};
use crate::meta::{ClusterId, MEMBERS_MAX, NAME_BYTES_MAX, Spec};
use crate::network::Peers;

/// Longest wait for an answer.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);

/// What became of asking all others to be members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// All are.
    Accepted,
    /// Somebody did not answer, or with an error; asking again may help.
    Unheard(String),
    /// Somebody refused.
    Refused {
        /// Who.
        name: String,
        /// Its reason.
        reason: String,
    },
}

/// Asks every listed node, this one too, who it is. Those that do not answer are not in the answer.
pub(crate) async fn hello(peers: &Peers, own: &Own) -> BTreeMap<String, Answer> {
    let ask = |(name, address): (&String, &String)| {
        let request = message::HelloRequest {
            name: own.name.clone(),
            id: own.id,
            expects: name.clone(),
            names: own.peers.keys().cloned().collect(),
        };
        let (name, mut client) = (name.clone(), peers.at(address).beat.clone());
        async move {
            let answered = tokio::time::timeout(ASK_TIMEOUT, client.hello(request)).await;
            Some((name, read(answered.ok()?.ok()?.into_inner())?))
        }
    };
    join_all(own.peers.iter().map(ask)).await.into_iter().flatten().collect()
}

fn read(response: message::HelloResponse) -> Option<Answer> {
    let is_bounded = response.names.len() <= MEMBERS_MAX
        && response.members.len() <= MEMBERS_MAX
        && response.names.iter().chain([&response.name]).all(|name| name.len() <= NAME_BYTES_MAX);
    let cluster = match &response.cluster {
        none if none.is_empty() => None,
        some => Some(ClusterId::from_bytes(some)?),
    };
    is_bounded.then(|| Answer {
        name: response.name,
        id: response.id,
        names: response.names.into_iter().collect(),
        cluster,
        members: response.members.into_iter().collect(),
        ever_initialised: response.ever_initialised,
    })
}

/// Asks all others to be members.
pub(crate) async fn found(peers: &Peers, own: &Own, spec: &Spec) -> Found {
    let others = own.peers.iter().filter(|(name, _)| **name != own.name);
    let ask = |(name, address): (&String, &String)| {
        let request = message::FoundRequest { from: own.id, spec: Some(spec.to_message()) };
        let (name, mut client) = (name.clone(), peers.at(address).beat.clone());
        async move {
            let answered = tokio::time::timeout(ASK_TIMEOUT, client.found(request)).await;
            match answered {
                Ok(Ok(response)) => match response.into_inner().refused {
                    none if none.is_empty() => Found::Accepted,
                    reason => Found::Refused { name, reason },
                },
                Ok(Err(_)) | Err(_) => Found::Unheard(name),
            }
        }
    };
    let answers = join_all(others.map(ask)).await;
    let is_refused = |answer: &Found| matches!(answer, Found::Refused { .. });
    let worst = answers.iter().find(|answer| is_refused(answer));
    let worst = worst.or_else(|| answers.iter().find(|answer| **answer != Found::Accepted));
    worst.cloned().unwrap_or(Found::Accepted)
}
