//! What a message would take once it is decoded, known before anything is allocated for it.
//!
//! An empty message takes two bytes on the wire and a hundred times that in memory; and what is
//! nested is decoded, converted and dropped by functions that call themselves. So messages are
//! counted and their depth is measured first, on the bytes as they came.

use prost::bytes::Buf as _;
use prost::encoding::{WireType, decode_key, decode_varint};

/// What bytes are to be read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A `DiscoveryResponse`; its resources are counted, not looked into.
    Response,
    /// A `RateLimitConfig`.
    Config,
    #[doc(hidden)]
    Descriptor,
    #[doc(hidden)]
    Policy,
    #[doc(hidden)]
    Struct,
    #[doc(hidden)]
    StructEntry,
    #[doc(hidden)]
    Value,
    #[doc(hidden)]
    List,
    #[doc(hidden)]
    Leaf,
}

/// What messages may take, all of them together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Messages inside of messages that may still come.
    pub messages: usize,
    /// How many may be inside each other.
    pub depth: usize,
}

/// Why bytes are not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They are no message.
    #[error("is no protobuf message, or one that was cut off")]
    Bytes,
    /// More messages than there is room for.
    #[error("has too many descriptors")]
    Messages,
    /// More levels than there is room for.
    #[error("has descriptors nested too deeply")]
    Depth,
}

impl Shape {
    /// What field `tag` holds, if it is a message; strings and bytes are none.
    fn field(self, tag: u32) -> Option<Self> {
        match (self, tag) {
            (Self::Response, 2) => Some(Self::Leaf),
            (Self::Config, 3) | (Self::Descriptor, 4) => Some(Self::Descriptor),
            (Self::Descriptor, 3) => Some(Self::Policy),
            (Self::Descriptor, 8) | (Self::Value, 5) => Some(Self::Struct),
            (Self::Policy, 5) => Some(Self::Leaf),
            (Self::Struct, 1) => Some(Self::StructEntry),
            (Self::StructEntry, 2) | (Self::List, 1) => Some(Self::Value),
            (Self::Value, 6) => Some(Self::List),
            _ => None,
        }
    }

    /// Takes what `bytes` need out of `room`.
    ///
    /// # Errors
    /// [`Malformed`] if there is no room, or if the bytes are no message of this shape.
    pub fn admit(self, mut bytes: &[u8], room: &mut Room) -> Result<(), Malformed> {
        while !bytes.is_empty() {
            let (tag, wire) = decode_key(&mut bytes).map_err(|_| Malformed::Bytes)?;
            let length = match wire {
                WireType::Varint => {
                    decode_varint(&mut bytes).map_err(|_| Malformed::Bytes)?;
                    continue;
                }
                WireType::SixtyFourBit => 8,
                WireType::ThirtyTwoBit => 4,
                WireType::LengthDelimited => {
                    let length = decode_varint(&mut bytes).map_err(|_| Malformed::Bytes)?;
                    usize::try_from(length).map_err(|_| Malformed::Bytes)?
                }
                // No field of any version is a group; a decoder would walk it.
                WireType::StartGroup | WireType::EndGroup => return Err(Malformed::Bytes),
            };
            let part = bytes.get(..length).ok_or(Malformed::Bytes)?;
            bytes.advance(length);
            if wire == WireType::LengthDelimited
                && let Some(shape) = self.field(tag)
            {
                shape.admit_inner(part, room)?;
            }
        }
        Ok(())
    }

    fn admit_inner(self, bytes: &[u8], room: &mut Room) -> Result<(), Malformed> {
        room.messages = room.messages.checked_sub(1).ok_or(Malformed::Messages)?;
        if self == Self::Leaf {
            return Ok(());
        }
        room.depth = room.depth.checked_sub(1).ok_or(Malformed::Depth)?;
        self.admit(bytes, room)?;
        room.depth += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::xds::{Any, DiscoveryResponse, Kind, RateLimitConfig, RateLimitDescriptor};
    use crate::xds::{RateLimitPolicy, RateLimitReplace, Struct, Value};

    fn nested(depth: usize) -> RateLimitConfig {
        let mut descriptors = Vec::new();
        for _ in 0..depth {
            descriptors = vec![RateLimitDescriptor { descriptors, ..Default::default() }];
        }
        RateLimitConfig { descriptors, ..Default::default() }
    }

    fn admitted(config: &RateLimitConfig, messages: usize, depth: usize) -> Result<(), Malformed> {
        Shape::Config.admit(&config.encode_to_vec(), &mut Room { messages, depth })
    }

    #[test]
    fn messages_and_levels_are_counted_to_the_last_one() {
        let config = nested(5);
        assert_eq!(admitted(&config, 5, 5), Ok(()));
        assert_eq!(admitted(&config, 4, 5), Err(Malformed::Messages));
        assert_eq!(admitted(&config, 5, 4), Err(Malformed::Depth));
    }

    #[test]
    fn everything_that_is_allocated_counts() {
        let replaces = vec![RateLimitReplace::default(); 3];
        let text = |text: &str| Value { kind: Some(Kind::StringValue(text.into())) };
        let metadata = Struct { fields: [("a".to_owned(), text("b"))].into() };
        let leaf = RateLimitDescriptor {
            rate_limit: Some(RateLimitPolicy { replaces, ..Default::default() }),
            metadata: Some(metadata),
            ..Default::default()
        };
        let config = RateLimitConfig { descriptors: vec![leaf], ..Default::default() };
        // The descriptor, its policy, three names, the struct, its entry, the value.
        assert_eq!(admitted(&config, 8, 40), Ok(()));
        assert_eq!(admitted(&config, 7, 40), Err(Malformed::Messages));
    }

    #[test]
    fn levels_beside_each_other_are_not_inside_each_other() {
        let mut config = nested(3);
        config.descriptors.extend(nested(3).descriptors);
        assert_eq!(admitted(&config, 6, 3), Ok(()));
    }

    #[test]
    fn the_resources_of_a_response_count_and_are_not_looked_into() {
        let any = Any { type_url: String::new(), value: vec![0xff; 9] };
        let response = DiscoveryResponse { resources: vec![any; 3], ..Default::default() };
        let bytes = response.encode_to_vec();
        assert_eq!(Shape::Response.admit(&bytes, &mut Room { messages: 3, depth: 0 }), Ok(()));
        let refused = Shape::Response.admit(&bytes, &mut Room { messages: 2, depth: 0 });
        assert_eq!(refused, Err(Malformed::Messages));
    }

    #[test]
    fn errors_by_resource_take_no_memory_whatever_they_hold() {
        // A thousand details in the status of one error: two bytes each, and a message in memory.
        let details = [0x1a, 0].repeat(1_000);
        let mut status = vec![0x12];
        prost::encoding::encode_varint(details.len() as u64, &mut status);
        status.extend(details);
        let mut bytes = vec![0x3a];
        prost::encoding::encode_varint(status.len() as u64, &mut bytes);
        bytes.extend(status);
        let mut room = Room { messages: 0, depth: 0 };
        assert_eq!(Shape::Response.admit(&bytes, &mut room), Ok(()));
        let decoded = DiscoveryResponse::decode(&*bytes);
        assert_eq!(decoded, Ok(DiscoveryResponse::default()), "something of it was kept");
    }

    #[test]
    fn a_bomb_of_levels_is_refused_without_following_it() {
        let mut bytes = Vec::new();
        for _ in 0..100_000 {
            let mut outer = vec![0x22];
            prost::encoding::encode_varint(bytes.len() as u64, &mut outer);
            // Only the heads: a whole bomb of this depth would take a while to build.
            outer.extend_from_slice(&bytes[..bytes.len().min(64)]);
            bytes = outer;
        }
        let mut room = Room { messages: 1_000_000, depth: 40 };
        assert!(Shape::Descriptor.admit(&bytes, &mut room).is_err());
        let deep = nested(90).encode_to_vec();
        let mut room = Room { messages: 1_000_000, depth: 40 };
        assert_eq!(Shape::Config.admit(&deep, &mut room), Err(Malformed::Depth));
    }

    #[test]
    fn bytes_that_are_cut_off_or_hold_groups_are_refused() {
        let bytes = nested(2).encode_to_vec();
        for end in 1..bytes.len() {
            let mut room = Room { messages: 9, depth: 9 };
            assert_eq!(Shape::Config.admit(&bytes[..end], &mut room), Err(Malformed::Bytes));
        }
        let mut room = Room { messages: 9, depth: 9 };
        assert_eq!(Shape::Config.admit(&[0x0b], &mut room), Err(Malformed::Bytes));
        assert_eq!(Shape::Config.admit(&[], &mut room), Ok(()));
    }
}
