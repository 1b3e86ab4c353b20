//! What each domain holds in a shard: keys and bytes. A slot names its domain by a small number.

use crate::key::DomainTag;

/// A domain's number in its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DomainNumber(u16);

/// What the domains of a shard hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Domains {
    all: Vec<Holding>,
}

#[derive(Clone, Copy, Debug)]
struct Holding {
    tag: DomainTag,
    keys: usize,
    bytes: usize,
}

impl Domains {
    /// Counts one more key of a domain. Domains beyond the numbers share the last one: they share
    /// its room, too, and nothing else.
    pub(super) fn add(&mut self, tag: DomainTag) -> DomainNumber {
        let fresh = Holding { tag, keys: 1, bytes: 0 };
        let known = self.all.iter().position(|holding| holding.tag == tag);
        let at = known.or_else(|| self.all.iter().position(|holding| holding.keys == 0));
        let at = at.unwrap_or(self.all.len()).min(usize::from(u16::MAX));
        match self.all.get_mut(at) {
            Some(holding) if holding.keys > 0 => holding.keys += 1,
            Some(holding) => *holding = fresh,
            None => self.all.push(fresh),
        }
        DomainNumber(at as u16)
    }

    /// Counts one key less.
    pub(super) fn remove(&mut self, number: DomainNumber) {
        if let Some(holding) = self.all.get_mut(usize::from(number.0)) {
            holding.keys = holding.keys.saturating_sub(1);
        }
    }

    /// Counts what a key of the domain took before and takes now.
    pub(super) fn resize(&mut self, number: DomainNumber, before: usize, after: usize) {
        if let Some(holding) = self.all.get_mut(usize::from(number.0)) {
            holding.bytes = (holding.bytes + after).saturating_sub(before);
        }
    }

    /// The domain of this number.
    pub(super) fn tag(&self, number: DomainNumber) -> DomainTag {
        self.all.get(usize::from(number.0)).map_or(DomainTag(0), |holding| holding.tag)
    }

    /// Keys of the domain of this number.
    pub(super) fn keys(&self, number: DomainNumber) -> usize {
        self.all.get(usize::from(number.0)).map_or(0, |holding| holding.keys)
    }

    /// Bytes of the domain of this number.
    pub(super) fn bytes(&self, number: DomainNumber) -> usize {
        self.all.get(usize::from(number.0)).map_or(0, |holding| holding.bytes)
    }

    /// The number of this domain, if it holds keys.
    pub(super) fn number(&self, tag: DomainTag) -> Option<DomainNumber> {
        let at = self.all.iter().position(|holding| holding.tag == tag && holding.keys > 0)?;
        Some(DomainNumber(at as u16))
    }

    /// Domains that hold keys.
    pub(super) fn count(&self) -> usize {
        self.all.iter().filter(|holding| holding.keys > 0).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again_once_their_domain_holds_nothing() {
        let mut domains = Domains::default();
        let (a, b) = (domains.add(DomainTag(7)), domains.add(DomainTag(8)));
        assert_eq!(domains.add(DomainTag(7)), a);
        assert_eq!((domains.keys(a), domains.keys(b), domains.count()), (2, 1, 2));
        domains.remove(b);
        domains.resize(a, 0, 100);
        domains.resize(a, 40, 10);
        assert_eq!((domains.bytes(a), domains.bytes(b)), (70, 0));
        assert_eq!((domains.number(DomainTag(8)), domains.count()), (None, 1));
        assert_eq!(domains.add(DomainTag(9)), b);
        assert_eq!(domains.tag(b), DomainTag(9));
    }
}
