//! The printable texts of a shard's keys, one after another in blocks.
//!
//! A text costs its own bytes and two more, and no allocation of its own. Blocks are of one size
//! and never grow, so nothing is copied and no allocator is left with pieces of many sizes. Freed
//! texts leave holes; once half of the bytes are holes, the owner moves what is alive.

/// Where a text begins: block and byte in one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TextAt(u32);

/// Bytes of a block.
const BLOCK: usize = 4_096;

/// Bytes before each text that hold its length.
pub(super) const PREFIX: usize = 2;

/// The longest text that is kept; longer ones are cut.
pub(super) const TEXT_MAX: usize = 1_024;

/// Holes that are not worth a move.
const HOLES_MIN: usize = 2 * BLOCK;

/// The texts of a shard.
#[derive(Debug, Default)]
pub(super) struct Texts {
    blocks: Vec<Vec<u8>>,
    used: usize,
    holes: usize,
}

/// A copy has whole blocks too, so that none is moved when it goes on.
impl Clone for Texts {
    fn clone(&self) -> Self {
        let whole = |block: &Vec<u8>| {
            let mut copy = Vec::with_capacity(BLOCK);
            copy.extend_from_slice(block);
            copy
        };
        let blocks = self.blocks.iter().map(whole).collect();
        Self { blocks, used: self.used, holes: self.holes }
    }
}

impl Texts {
    /// Keeps `text`, cut to [`TEXT_MAX`] bytes. `None` once four gigabytes are full.
    pub(super) fn insert(&mut self, text: &str) -> Option<TextAt> {
        let text = &text[..text.floor_char_boundary(TEXT_MAX)];
        let needed = PREFIX + text.len();
        let has_room = self.blocks.last().is_some_and(|block| block.len() + needed <= BLOCK);
        if !has_room {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        let index = self.blocks.len() - 1;
        let block = self.blocks.last_mut()?;
        let at = u32::try_from(index * BLOCK + block.len()).ok()?;
        block.extend_from_slice(&(text.len() as u16).to_le_bytes());
        block.extend_from_slice(text.as_bytes());
        self.used += needed;
        Some(TextAt(at))
    }

    /// The text at `at`.
    pub(super) fn at(&self, at: TextAt) -> &str {
        let text = self.bytes(at).map(|(length, rest)| rest.get(..length).unwrap_or_default());
        text.and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }

    /// Bytes that the text at `at` takes.
    pub(super) fn cost(&self, at: TextAt) -> usize {
        PREFIX + self.bytes(at).map_or(0, |(length, _)| length)
    }

    /// Frees the text at `at`.
    pub(super) fn remove(&mut self, at: TextAt) {
        self.holes += self.cost(at);
    }

    /// Whether the holes are worth a move.
    pub(super) fn wants_move(&self) -> bool {
        self.holes > HOLES_MIN && self.holes > self.used / 2
    }

    /// The length of the text at `at`, and what follows its prefix in the block.
    fn bytes(&self, at: TextAt) -> Option<(usize, &[u8])> {
        let block = self.blocks.get(at.0 as usize / BLOCK)?;
        let (prefix, rest) = block.get(at.0 as usize % BLOCK..)?.split_first_chunk::<PREFIX>()?;
        Some((usize::from(u16::from_le_bytes(*prefix)), rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_where_they_were_put() {
        let mut texts = Texts::default();
        let all: Vec<_> = (0..5_000).map(|i| format!("ü{i}")).collect();
        let places: Vec<_> = all.iter().map(|text| texts.insert(text).unwrap()).collect();
        for (text, at) in all.iter().zip(places) {
            assert_eq!(texts.at(at), text);
            assert_eq!(texts.cost(at), text.len() + 2);
        }
        assert!(texts.blocks.len() > 5);
        for texts in [texts.clone(), texts] {
            assert!(texts.blocks.iter().all(|block| block.capacity() == BLOCK));
        }
    }

    #[test]
    fn a_move_is_due_once_half_are_holes() {
        let mut texts = Texts::default();
        let long = "x".repeat(1_000);
        let places: Vec<_> = (0..20).map(|_| texts.insert(&long).unwrap()).collect();
        for at in &places[..10] {
            texts.remove(*at);
        }
        assert!(!texts.wants_move());
        texts.remove(places[10]);
        assert!(texts.wants_move());
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_between_characters() {
        let mut texts = Texts::default();
        let at = texts.insert(&format!("x{}", "ü".repeat(4_000))).unwrap();
        assert_eq!(texts.at(at).len(), 1_023);
    }
}
