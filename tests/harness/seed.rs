//! Random bytes that can be made again: a failing run prints its seed, and the variable
//! `TOLLGATE_SEED` gives that seed to the next run. Not for secrets.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// A small generator (SplitMix64): every seed is a good one and always gives the same bytes.
#[derive(Debug, Clone)]
pub struct Seed {
    state: u64,
}

impl Seed {
    /// From `TOLLGATE_SEED`, or new; printed, so that a failure can be repeated.
    ///
    /// # Errors
    /// When the variable is not a number.
    pub fn printed() -> anyhow::Result<Self> {
        let state = match std::env::var("TOLLGATE_SEED") {
            Ok(given) => given.trim().parse()?,
            // The standard library's hasher keys come from the system's randomness.
            Err(_) => RandomState::new().build_hasher().finish(),
        };
        eprintln!("TOLLGATE_SEED={state}");
        Ok(Self { state })
    }

    /// From a given number.
    #[must_use]
    pub fn of(state: u64) -> Self {
        Self { state }
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; nought for a bound of nought. Its bias is below what a test sees.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        usize::try_from(self.number().checked_rem(bound).unwrap_or(0)).unwrap_or(0)
    }

    /// Up to `count_max` bytes.
    pub fn bytes(&mut self, count_max: usize) -> Vec<u8> {
        let count = self.below(count_max + 1);
        (0..count).map(|_| self.number().to_le_bytes()[0]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        assert_eq!(Seed::of(7).bytes(64), Seed::of(7).bytes(64));
        assert_ne!(Seed::of(7).number(), Seed::of(8).number());
        assert_eq!(Seed::of(7).below(0), 0);
    }
}
