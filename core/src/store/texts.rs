//! The printable texts of a shard's keys, one after another in one buffer.
//!
//! A text costs its own bytes and two more, and no allocation of its own. Freed texts leave holes;
//! once half of the buffer is holes, the owner moves what is alive into a new one.

/// Where a text begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TextAt(u32);

/// Bytes before each text that hold its length.
const PREFIX: usize = 2;

/// Holes that are not worth a move.
const HOLES_MIN: usize = 4_096;

/// The texts of a shard.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    holes: usize,
}

impl Texts {
    /// Keeps `text`, cut to what a length of two bytes can say. `None` once four gigabytes are full.
    pub(super) fn insert(&mut self, text: &str) -> Option<TextAt> {
        let text = &text[..text.floor_char_boundary(usize::from(u16::MAX))];
        let at = u32::try_from(self.bytes.len()).ok()?;
        let needed = PREFIX + text.len();
        if self.bytes.capacity() - self.bytes.len() < needed {
            // By an eighth, not double: a copy now and then costs less than half-empty buffers.
            self.bytes.reserve_exact(needed.max(self.bytes.len() / 8).max(256));
        }
        self.bytes.extend_from_slice(&(text.len() as u16).to_le_bytes());
        self.bytes.extend_from_slice(text.as_bytes());
        Some(TextAt(at))
    }

    /// The text at `at`.
    pub(super) fn at(&self, at: TextAt) -> &str {
        let start = at.0 as usize + PREFIX;
        let text = self.bytes.get(start..start + self.len(at));
        text.and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }

    /// Bytes that the text at `at` takes.
    pub(super) fn cost(&self, at: TextAt) -> usize {
        PREFIX + self.len(at)
    }

    /// Frees the text at `at`.
    pub(super) fn remove(&mut self, at: TextAt) {
        self.holes += self.cost(at);
    }

    /// Whether the holes are worth a move.
    pub(super) fn wants_move(&self) -> bool {
        self.holes > HOLES_MIN && self.holes > self.bytes.len() / 2
    }

    fn len(&self, at: TextAt) -> usize {
        let start = at.0 as usize;
        let prefix = self.bytes.get(start..start + PREFIX);
        let prefix = prefix.and_then(|prefix| <[u8; PREFIX]>::try_from(prefix).ok());
        usize::from(u16::from_le_bytes(prefix.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_where_they_were_put() {
        let mut texts = Texts::default();
        let all: Vec<_> = (0..1_000).map(|i| format!("ü{i}")).collect();
        let places: Vec<_> = all.iter().map(|text| texts.insert(text).unwrap()).collect();
        for (text, at) in all.iter().zip(places) {
            assert_eq!(texts.at(at), text);
            assert_eq!(texts.cost(at), text.len() + 2);
        }
    }

    #[test]
    fn a_move_is_due_once_half_are_holes() {
        let mut texts = Texts::default();
        let long = "x".repeat(1_000);
        let places: Vec<_> = (0..10).map(|_| texts.insert(&long).unwrap()).collect();
        for at in &places[..5] {
            texts.remove(*at);
        }
        assert!(!texts.wants_move());
        texts.remove(places[5]);
        assert!(texts.wants_move());
    }

    #[test]
    fn a_text_too_long_for_its_prefix_is_cut_between_characters() {
        let mut texts = Texts::default();
        let at = texts.insert(&"ü".repeat(40_000)).unwrap();
        assert_eq!(texts.at(at).len(), 65_534);
    }
}
