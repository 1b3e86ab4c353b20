//! Randomness of a seed, and of nothing else.

/// Steps of the sequence: an odd constant of no meaning, the fraction of the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Draws that follow from a seed (SplitMix64, by Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Self(seed);
        // Neighbouring seeds have nothing in common.
        Self(dice.draw())
    }

    pub(super) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// Dice for somebody else.
    pub(super) fn fork(&mut self) -> Self {
        Self::new(self.draw())
    }

    /// Less than `end`, which is not zero.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.draw() % end
    }

    /// From `first` to `last`.
    pub(super) fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// A place in something of this length, which is not zero.
    pub(super) fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    pub(super) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.place(of.len())]
    }
}
