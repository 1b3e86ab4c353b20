//! What each domain holds in a shard: keys and bytes. A slot names its domain by a small number.

use crate::key::DomainTag;

/// A domain's number in its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DomainNumber(u16);

impl DomainNumber {
    pub(super) fn number(self) -> u16 {
        self.0
    }
}

/// How many numbers there are.
const NUMBERS: usize = 1 << 16;

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
        let at = at.unwrap_or(self.all.len()).min(NUMBERS - 1);
        match self.all.get_mut(at) {
            Some(holding) if holding.keys > 0 => holding.keys += 1,
            Some(holding) => *holding = fresh,
            None => self.all.push(fresh),
        }
        DomainNumber(at as u16)
    }

    /// These domains by their numbers, of which none holds anything yet. `None` if they are more than
    /// there are numbers.
    pub(super) fn of_tags(tags: Vec<DomainTag>) -> Option<Self> {
        if tags.len() > NUMBERS {
            return None;
        }
        let holding = |tag| Holding { tag, keys: 0, bytes: 0 };
        Some(Self { all: tags.into_iter().map(holding).collect() })
    }

    /// All domains by their numbers, those that hold nothing too.
    pub(super) fn tags(&self) -> impl Iterator<Item = DomainTag> {
        self.all.iter().map(|holding| holding.tag)
    }

    /// How many numbers were given.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Counts one more key of the domain of this number, if it was given.
    pub(super) fn add_to(&mut self, number: u16) -> Option<DomainNumber> {
        self.all.get_mut(usize::from(number))?.keys += 1;
        Some(DomainNumber(number))
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
