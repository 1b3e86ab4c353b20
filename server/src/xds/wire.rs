//! The messages of the stream. A response is taken as bytes and read off the threads that serve,
//! within bounds, because one is large when many limits change.

use std::hash::Hasher as _;

use bytes::{Buf as _, Bytes};
use prost::Message as _;
use siphasher::sip::SipHasher13;
use tollgate_proto::xds::{
    Any, DiscoveryRequest, DiscoveryResponse, Kind, Malformed, Node, RATE_LIMIT_CONFIG,
    ResourceName, Room, Shape, Status as WireStatus, Struct, Value,
};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use super::machine::Request;
use super::settings::Settings;

/// Resources of a response: one a domain. Envoy Gateway makes one for each listener.
const RESOURCES_MAX: usize = 20_000;

/// gRPC's code for an argument that is wrong, in a refusal.
const INVALID_ARGUMENT: i32 = 3;

/// A response of the server.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) version: String,
    pub(super) nonce: String,
    /// What its resources call themselves; those of another type are not ours.
    pub(super) type_url: String,
    /// By name, because servers send them in any order.
    pub(super) resources: Vec<Named>,
    /// The hash of all resources.
    pub(super) content: u64,
}

/// A resource that is not decoded yet.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    pub(super) type_url: String,
}

impl Response {
    /// Reads what came.
    ///
    /// # Errors
    /// [`Malformed`] if it is no response, or one of too many resources.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        Shape::Response.admit(bytes, &mut Room { messages: RESOURCES_MAX, depth: 1 })?;
        let response = DiscoveryResponse::decode(bytes).map_err(|_| Malformed::Bytes)?;
        let DiscoveryResponse { version_info, nonce, type_url, resources, .. } = response;
        let mut resources: Vec<_> = resources.into_iter().map(Named::of).collect();
        resources.sort();
        let content = hash(&resources);
        Ok(Self { version: version_info, nonce, type_url, resources, content })
    }

    /// Whether it is about limits; a server must not send what nobody subscribed to.
    pub(super) fn is_ours(&self) -> bool {
        self.type_url == RATE_LIMIT_CONFIG
    }
}

impl Named {
    fn of(any: Any) -> Self {
        let Any { type_url, value: bytes } = any;
        // What cannot be read has no name; whoever decodes all of it says why.
        let name = ResourceName::decode(&*bytes).unwrap_or_default().name;
        Self { name, bytes, type_url }
    }
}

fn hash(resources: &[Named]) -> u64 {
    // Constant keys: it compares contents over time and between nodes, and guards nothing.
    let mut hasher = SipHasher13::new();
    for resource in resources {
        for part in [resource.type_url.as_bytes(), &resource.bytes] {
            hasher.write(&(part.len() as u64).to_le_bytes());
            hasher.write(part);
        }
    }
    hasher.finish()
}

/// The whole message that says `request`.
pub(super) fn message(settings: &Settings, request: Request) -> DiscoveryRequest {
    let text = |text: &String| Value { kind: Some(Kind::StringValue(text.clone())) };
    let fields = settings.node_metadata.iter().map(|(name, value)| (name.clone(), text(value)));
    let node = Node {
        id: settings.node_id.clone(),
        metadata: Some(Struct { fields: fields.collect() }),
        user_agent_name: "tollgate".to_owned(),
        ..Node::default()
    };
    let error_detail = request.refusal.map(|message| WireStatus {
        code: INVALID_ARGUMENT,
        message,
        details: Vec::new(),
    });
    DiscoveryRequest {
        version_info: request.version,
        node: Some(node),
        // No names: all resources of the type.
        type_url: RATE_LIMIT_CONFIG.to_owned(),
        response_nonce: request.nonce,
        error_detail,
        ..DiscoveryRequest::default()
    }
}

/// Requests as messages, responses as the bytes that came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BytesIn;

impl Codec for BytesIn {
    type Encode = DiscoveryRequest;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for BytesIn {
    type Item = DiscoveryRequest;
    type Error = Status;

    fn encode(&mut self, item: DiscoveryRequest, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(buffer).map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for BytesIn {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

#[cfg(test)]
mod tests {
    use tollgate_proto::xds::RateLimitConfig;

    use super::*;

    fn response(names: &[&str]) -> Vec<u8> {
        let any = |name: &&str| {
            let config = RateLimitConfig { name: (*name).into(), ..Default::default() };
            Any { type_url: RATE_LIMIT_CONFIG.into(), value: config.encode_to_vec() }
        };
        let resources = names.iter().map(any).collect();
        DiscoveryResponse { version_info: "1".into(), resources, ..Default::default() }
            .encode_to_vec()
    }

    #[test]
    fn the_order_of_resources_makes_no_other_content() {
        let content = |names: &[&str]| Response::read(&response(names)).unwrap().content;
        assert_eq!(content(&["a", "b", "c"]), content(&["c", "a", "b"]));
        assert_ne!(content(&["a", "b"]), content(&["a", "b", "b"]));
        assert_ne!(content(&["ab"]), content(&["a", "b"]));
        // Operators compare it between nodes, whose versions may differ.
        assert_eq!(content(&[]), SipHasher13::new().finish());
    }

    #[test]
    fn too_many_resources_are_refused_before_they_are_kept() {
        let names = vec![""; RESOURCES_MAX + 1];
        assert_eq!(Response::read(&response(&names)).unwrap_err(), Malformed::Messages);
        assert!(Response::read(&response(&names[1..])).is_ok());
        assert_eq!(Response::read(b"\xff").unwrap_err(), Malformed::Bytes);
    }
}
