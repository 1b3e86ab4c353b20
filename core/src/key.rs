//! The identity of a bucket: a keyed 128-bit hash.
//!
//! Two requests share a bucket exactly when domain, entry keys, values (or the shared pattern that
//! stands for a value), algorithm, window length and index among several limits are equal. Every
//! part is length-prefixed, so no choice of values lets one client reach another's bucket, and the
//! hash is keyed by a secret that clients never see, so no client can search for collisions. The
//! rule's path and its number are left out on purpose: a reload that adds a more specific rule or
//! changes a number keeps the counts.

use std::hash::Hasher as _;

use siphasher::sip128::{Hasher128 as _, SipHasher13};

use crate::command::{KeySlot, SLOTS};
use crate::descriptor::Entry;

/// A bucket's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    high: u64,
    low: u64,
}

impl Key {
    /// A key from its two halves, as they were printed or stored.
    pub const fn from_halves(high: u64, low: u64) -> Self {
        Self { high, low }
    }

    /// The half that chooses a shard or a slot.
    pub const fn high(self) -> u64 {
        self.high
    }

    /// The half that a table inside a shard hashes by.
    pub const fn low(self) -> u64 {
        self.low
    }
}

/// Names a reservation to the caller that made it: 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReservationId {
    high: u64,
    low: u64,
}

impl ReservationId {
    /// An id from its two halves, as they were stored.
    pub const fn from_halves(high: u64, low: u64) -> Self {
        Self { high, low }
    }

    /// The first half.
    pub const fn high(self) -> u64 {
        self.high
    }

    /// The second half.
    pub const fn low(self) -> u64 {
        self.low
    }

    /// The groups that hold something for it: bit 0 for group 1. Means nothing in an id that
    /// [`KeySecret::reservation_id`] made.
    pub const fn groups(self) -> u8 {
        self.low.to_le_bytes()[0]
    }
}

impl std::fmt::Display for ReservationId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}{:016x}", self.high, self.low)
    }
}

/// A text that is no reservation's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a reservation's id is 32 hexadecimal digits, 0-9 and a-f")]
pub struct NotAnId;

impl std::str::FromStr for ReservationId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 32 || !text.bytes().all(is_digit) {
            return Err(NotAnId);
        }
        let (high, low) = text.split_at(16);
        let half = |digits| u64::from_str_radix(digits, 16).map_err(|_| NotAnId);
        Ok(Self { high: half(high)?, low: half(low)? })
    }
}

/// Tells one request from another: see [`KeySecret::fingerprint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    high: u64,
    low: u64,
}

impl Fingerprint {
    /// A fingerprint from its two halves, as they were stored.
    pub const fn from_halves(high: u64, low: u64) -> Self {
        Self { high, low }
    }

    /// The first half.
    pub const fn high(self) -> u64 {
        self.high
    }

    /// The second half.
    pub const fn low(self) -> u64 {
        self.low
    }
}

/// The secret that keys are hashed with. Made once, at bootstrap; never sent to clients.
#[derive(Clone, Copy)]
pub struct KeySecret([u8; 16]);

impl KeySecret {
    /// A secret from 16 random bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Starts a key in `domain`.
    pub fn begin(&self, domain: &str) -> KeyHasher {
        let mut hasher = KeyHasher(SipHasher13::new_with_key(&self.0));
        hasher.text(domain);
        hasher
    }

    /// Starts the key of an inline limit. No domain is without a name, and nothing else that is
    /// hashed without one starts with this text.
    pub fn begin_inline(&self) -> KeyHasher {
        let mut hasher = self.begin("");
        hasher.text("inline");
        hasher
    }

    /// A short tag of a domain, for accounting only: two domains may share one.
    pub fn domain_tag(&self, domain: &str) -> DomainTag {
        let key = self.begin(domain).finish(Shape { algorithm: 0, window_nanos: 0, index: 0 });
        DomainTag((key.high >> 32) as u32)
    }
}

impl KeySecret {
    /// The id of the `number`th reservation. Nobody guesses another's from his own.
    pub fn reservation_id(&self, number: u64) -> ReservationId {
        // No bucket is in the domain without a name.
        let mut hasher = self.begin("");
        hasher.text("reservation");
        hasher.0.write_u64(number);
        let Key { high, low } = hasher.finish(Shape { algorithm: 0, window_nanos: 0, index: 0 });
        ReservationId { high, low }
    }

    /// The id of the `number`th reservation of the process `node`, held by these groups (bit 0 for
    /// group 1; kept in the last byte). Nobody guesses another's from his own: the rest are 120 bits
    /// of a keyed hash.
    pub fn replicated_reservation_id(&self, node: u64, number: u64, groups: u8) -> ReservationId {
        let mut hasher = self.begin("");
        hasher.text("replicated reservation");
        hasher.0.write_u64(node);
        hasher.0.write_u64(number);
        let Key { high, low } = hasher.finish(Shape { algorithm: 0, window_nanos: 0, index: 0 });
        ReservationId { high, low: low & !0xff | u64::from(groups) }
    }

    /// The slot of the keys in `domain` whose first entry is this one, or that have none. Keyed, so
    /// that no client can crowd a slot.
    pub fn key_slot(&self, domain: &str, first: Option<Entry<'_>>) -> KeySlot {
        let mut hasher = self.begin("");
        hasher.text("slot");
        hasher.text(domain);
        first.into_iter().for_each(|entry| hasher.entry(entry));
        let key = hasher.finish(Shape { algorithm: 0, window_nanos: 0, index: 0 });
        KeySlot((key.high % u64::from(SLOTS)) as u16)
    }

    /// A keyed hash of a request's bytes: equal for equal requests, and no two different ones can be
    /// made to share it.
    pub fn fingerprint(&self, request: &[u8]) -> Fingerprint {
        let mut hasher = self.begin("");
        hasher.text("fingerprint");
        hasher.0.write(request);
        let Key { high, low } = hasher.finish(Shape { algorithm: 0, window_nanos: 0, index: 0 });
        Fingerprint { high, low }
    }
}

impl std::fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeySecret(..)")
    }
}

/// Which domain's share of the store a bucket counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainTag(pub u32);

/// The part of a limit that belongs to its buckets' identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// A stable number for each algorithm.
    pub algorithm: u8,
    /// The window's length; zero where the algorithm has none.
    pub window_nanos: u64,
    /// Position among several limits of one rule.
    pub index: u8,
}

/// A key in the making: entries in order, then the shape.
#[derive(Clone, Debug)]
pub struct KeyHasher(SipHasher13);

impl KeyHasher {
    /// Adds one entry.
    pub fn entry(&mut self, entry: Entry<'_>) {
        self.text(entry.key);
        self.text(entry.value);
    }

    /// Ends the key with the limit's shape.
    pub fn finish(mut self, shape: Shape) -> Key {
        self.0.write_u64(shape.window_nanos);
        self.0.write_u16(u16::from_le_bytes([shape.algorithm, shape.index]));
        let hash = self.0.finish128();
        Key { high: hash.h1, low: hash.h2 }
    }

    fn text(&mut self, text: &str) {
        self.0.write_u64(text.len() as u64);
        self.0.write(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: KeySecret = KeySecret::new(*b"0123456789abcdef");
    const SHAPE: Shape = Shape { algorithm: 1, window_nanos: 60, index: 0 };

    fn key(domain: &str, entries: &[(&str, &str)], shape: Shape) -> Key {
        let mut hasher = SECRET.begin(domain);
        for &(key, value) in entries {
            hasher.entry(Entry { key, value });
        }
        hasher.finish(shape)
    }

    #[test]
    fn moving_a_byte_between_neighbours_changes_the_key() {
        let all = [
            key("d", &[("a", "b_c")], SHAPE),
            key("d", &[("a_b", "c")], SHAPE),
            key("da", &[("", "b_c")], SHAPE),
            key("d", &[("a", "b"), ("c", "")], SHAPE),
            key("d", &[("a", "b"), ("", "c")], SHAPE),
        ];
        for (i, a) in all.iter().enumerate() {
            for b in &all[i + 1..] {
                assert_ne!(a, b);
            }
        }
    }

    #[test]
    fn the_shape_and_the_secret_are_part_of_the_key() {
        let base = key("d", &[("a", "b")], SHAPE);
        assert_ne!(base, key("d", &[("a", "b")], Shape { window_nanos: 61, ..SHAPE }));
        assert_ne!(base, key("d", &[("a", "b")], Shape { algorithm: 2, ..SHAPE }));
        assert_ne!(base, key("d", &[("a", "b")], Shape { index: 1, ..SHAPE }));
        let mut other = KeySecret::new([0; 16]).begin("d");
        other.entry(Entry { key: "a", value: "b" });
        assert_ne!(base, other.finish(SHAPE));
    }

    #[test]
    fn a_reservations_id_is_read_as_it_is_shown() {
        let (one, two) = (SECRET.reservation_id(1), SECRET.reservation_id(2));
        assert_ne!(one, two);
        assert_ne!(one, KeySecret::new([0; 16]).reservation_id(1));
        let shown = one.to_string();
        assert_eq!((shown.len(), shown.parse()), (32, Ok(one)));
        let wrong = [&shown[1..], &shown.to_uppercase(), "", &format!("+{}", &shown[1..])];
        for text in wrong.into_iter().filter(|text| **text != shown) {
            assert_eq!(text.parse::<ReservationId>(), Err(NotAnId), "{text}");
        }
    }

    #[test]
    fn a_replicated_reservations_id_names_its_groups_and_is_nobody_elses() {
        let id = |node, number, groups| SECRET.replicated_reservation_id(node, number, groups);
        let one = id(1, 2, 0b101);
        assert_eq!(one.groups(), 0b101);
        assert_eq!(ReservationId::from_halves(one.high(), one.low()), one);
        assert_eq!(one.to_string().parse(), Ok(one));
        assert_eq!(id(1, 2, 1).high(), one.high());
        for other in [id(2, 1, 0b101), id(1, 3, 0b101), id(3, 0, 0b101)] {
            assert_ne!(other.high(), one.high());
        }
    }

    #[test]
    fn slots_are_spread_evenly_and_chosen_by_domain_and_first_entry() {
        let slot = |domain: &str, value: &str| {
            SECRET.key_slot(domain, Some(Entry { key: "client", value })).0
        };
        let mut met = vec![0_u32; usize::from(SLOTS)];
        for number in 0..u32::from(SLOTS) * 16 {
            met[usize::from(slot("d", &number.to_string()))] += 1;
        }
        assert!(met.iter().all(|count| (1..48).contains(count)), "{met:?}");
        assert_ne!(slot("d", "1"), slot("e", "1"));
        assert_ne!(SECRET.key_slot("d", None), SECRET.key_slot("e", None));
    }

    #[test]
    fn a_fingerprint_tells_requests_apart() {
        assert_eq!(SECRET.fingerprint(b"one"), SECRET.fingerprint(b"one"));
        assert_ne!(SECRET.fingerprint(b"one"), SECRET.fingerprint(b"two"));
    }

    #[test]
    fn a_secret_does_not_print_itself() {
        assert_eq!(format!("{SECRET:?}"), "KeySecret(..)");
    }
}
