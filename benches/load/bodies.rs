//! Request bodies, framed for gRPC and encoded once, before any time is measured.
//!
//! Encoding inside the loop would charge the driver's own work to the figures.

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;

/// Length of a gRPC message's prefix: one compression flag and a big-endian length.
pub(crate) const PREFIX_BYTES: usize = 5;

/// The bodies of one case: one, or many to draw from uniformly.
#[derive(Clone, Debug)]
pub struct Bodies {
    framed: Vec<Bytes>,
}

impl Bodies {
    /// Encodes each message as one uncompressed gRPC frame.
    pub fn encode<M: Message>(messages: impl IntoIterator<Item = M>) -> Self {
        Self { framed: messages.into_iter().map(|message| frame(&message)).collect() }
    }

    /// The first body, for a single call; an empty frame if there are none.
    pub fn first(&self) -> Bytes {
        self.framed.first().cloned().unwrap_or_default()
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.framed.len() as u64
    }

    /// The body of the call of this number, round and round.
    pub(crate) fn at(&self, call: u64) -> Bytes {
        let at = usize::try_from(call).unwrap_or_default().checked_rem(self.framed.len());
        at.and_then(|at| self.framed.get(at)).cloned().unwrap_or_default()
    }

    /// The next body of a sequence of draws.
    pub(crate) fn draw(&self, draws: &mut Draws) -> Bytes {
        self.framed.get(draws.below(self.framed.len())).cloned().unwrap_or_default()
    }
}

fn frame<M: Message>(message: &M) -> Bytes {
    let encoded = message.encode_to_vec();
    let mut framed = BytesMut::with_capacity(PREFIX_BYTES + encoded.len());
    framed.put_u8(0);
    // A request of 4 GiB cannot be written here by hand, and a server would refuse the length.
    framed.put_u32(u32::try_from(encoded.len()).unwrap_or(u32::MAX));
    framed.put_slice(&encoded);
    framed.freeze()
}

/// A reproducible sequence of draws (SplitMix64): the same seed draws the same keys of both
/// targets.
#[derive(Clone, Debug)]
pub(crate) struct Draws(u64);

impl Draws {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`, or 0 if the bound is 0.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // The high half of the product spreads the draw evenly without a division.
        ((u128::from(mixed) * bound as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::envoy::service::ratelimit::v3::RateLimitRequest;

    use super::*;

    fn request(domain: &str) -> RateLimitRequest {
        RateLimitRequest { domain: domain.to_owned(), ..RateLimitRequest::default() }
    }

    #[test]
    fn frames_a_message_with_its_flag_and_length() {
        let bodies = Bodies::encode([request("abc")]);
        assert_eq!(bodies.first().as_ref(), b"\x00\x00\x00\x00\x05\x0a\x03abc");
    }

    #[test]
    fn in_turn_every_body_comes_once_before_the_first_comes_again() {
        let bodies = Bodies::encode((0..3).map(|index| request(&index.to_string())));
        let turn: Vec<_> = (0..4).map(|call| bodies.at(call)).collect();
        assert_eq!(turn[..3], bodies.framed[..]);
        assert_eq!(turn[3], bodies.framed[0]);
        assert!(Bodies::encode(Vec::<RateLimitRequest>::new()).at(7).is_empty());
    }

    #[test]
    fn draws_every_body_and_the_same_ones_for_the_same_seed() {
        let bodies = Bodies::encode((0..10).map(|index| request(&index.to_string())));
        let draw = |seed| {
            let mut draws = Draws::seeded(seed);
            (0..1000).map(|_| bodies.draw(&mut draws)).collect::<Vec<_>>()
        };
        let first = draw(7);
        assert_eq!(first, draw(7));
        assert_ne!(first, draw(8));
        for body in &bodies.framed {
            let drawn = first.iter().filter(|drawn| *drawn == body).count();
            assert!((50..200).contains(&drawn), "{drawn} draws of one body in ten");
        }
    }
}
