//! Waits that double, spread so that clients which failed together do not return together.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// Doublings after which a wait no longer grows by itself.
const DOUBLINGS_MAX: u32 = 16;

/// A wait before the attempt after `failures` failures: between half of the doubled `first` and all
/// of it, and never more than `most`.
pub(super) fn wait(first: Duration, most: Duration, failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(DOUBLINGS_MAX);
    let whole = first.saturating_mul(1 << doublings).min(most);
    // Keyed anew for each hasher, which is all the chance that is needed here.
    let chance = RandomState::new().hash_one(failures) % 1024;
    whole / 2 + whole.mul_f64(chance as f64 / 2048.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_are_spread() {
        let (first, most) = (Duration::from_millis(100), Duration::from_secs(1));
        let all: Vec<_> = (0..100).map(|_| wait(first, most, 1)).collect();
        assert!(all.iter().all(|wait| (first / 2..=first).contains(wait)));
        assert!(all.iter().any(|wait| wait != &all[0]));
        assert!((first..=first * 2).contains(&wait(first, most, 2)));
        assert!((most / 2..=most).contains(&wait(first, most, u32::MAX)));
    }
}
