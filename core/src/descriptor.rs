//! What is asked: a domain, its descriptors, and how many hits each of them stands for.
//!
//! Everything borrows from the decoded message, so that a request costs the core no allocation of
//! its own. Nothing is validated here: empty keys and values are legal on the wire and simply meet
//! no rule; the adapters bound sizes and counts before they build these.

use crate::limit::{Quota, Unit};

/// The greatest number of hits that one descriptor may add. Envoy caps its addends at the same
/// number; a larger one is cut down to it, which for any limit below it decides alike.
pub const HITS_ADDEND_MAX: u64 = 1_000_000_000;

/// One `key = value` pair of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The pair's key.
    pub key: &'a str,
    /// The pair's value; may be empty.
    pub value: &'a str,
}

/// What a descriptor does to the bucket it meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// Spends this many hits. Zero looks without spending.
    Hits(u64),
    /// Gives this many hits back.
    Refund(u64),
}

/// A limit that the caller brought along instead of the configured one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Override {
    /// So many hits in each unit, counted by the domain's own keys.
    PerUnit {
        /// Hits allowed in each unit.
        requests_per_unit: u32,
        /// The window's length.
        unit: Unit,
    },
    /// A whole quota, whose bucket is in a key space of its own: no domain's rule, named limit or
    /// other override ever meets it. Only of requests in [`INLINE_DOMAIN`], where it is the only
    /// kind.
    Inline(Quota),
}

/// The domain of requests with inline limits. No configured domain is called so, and every wire
/// refuses a request that calls its own domain so.
pub const INLINE_DOMAIN: &str = "";

/// An ordered list of entries that is matched against the domain's rules as a whole.
#[derive(Clone, Copy, Debug)]
pub struct Descriptor<'a> {
    /// The entries, outermost first.
    pub entries: &'a [Entry<'a>],
    /// A limit brought by the caller. It replaces the rules of a known domain.
    pub limit_override: Option<Override>,
    /// This descriptor's own charge; [`Request::hits_addend`] where it is absent.
    pub charge: Option<Charge>,
}

/// One question: may this request pass?
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The scope in which descriptors are looked up.
    pub domain: &'a str,
    /// The descriptors; each is counted by itself.
    pub descriptors: &'a [Descriptor<'a>],
    /// Hits for every descriptor that brings no number of its own. Zero stands for one.
    pub hits_addend: u32,
}

impl Request<'_> {
    /// What `descriptor` charges: its own number if it has one (zero looks without spending), else
    /// the request's, at least one. Capped at [`HITS_ADDEND_MAX`].
    pub fn charge_of(&self, descriptor: &Descriptor<'_>) -> Charge {
        match descriptor.charge {
            Some(Charge::Hits(hits)) => Charge::Hits(hits.min(HITS_ADDEND_MAX)),
            Some(Charge::Refund(hits)) => Charge::Refund(hits.min(HITS_ADDEND_MAX)),
            None => Charge::Hits(u64::from(self.hits_addend).clamp(1, HITS_ADDEND_MAX)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charge(own: Option<Charge>, hits_addend: u32) -> Charge {
        let descriptor = Descriptor { entries: &[], limit_override: None, charge: own };
        Request { domain: "d", descriptors: &[], hits_addend }.charge_of(&descriptor)
    }

    #[test]
    fn a_request_without_a_number_stands_for_one_hit() {
        assert_eq!(charge(None, 0), Charge::Hits(1));
        assert_eq!(charge(None, 7), Charge::Hits(7));
    }

    #[test]
    fn a_descriptors_own_number_wins_and_zero_is_a_peek() {
        assert_eq!(charge(Some(Charge::Hits(0)), 7), Charge::Hits(0));
        assert_eq!(charge(Some(Charge::Refund(3)), 7), Charge::Refund(3));
    }

    #[test]
    fn an_absurd_number_is_cut_to_the_cap() {
        assert_eq!(charge(Some(Charge::Hits(u64::MAX)), 0), Charge::Hits(HITS_ADDEND_MAX));
        assert_eq!(charge(None, u32::MAX), Charge::Hits(HITS_ADDEND_MAX));
    }
}
