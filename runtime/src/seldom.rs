//! Events that a stranger can cause at will, logged seldom: the first, second, fourth, eighth, …

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts events and says which are worth a line.
#[derive(Debug, Default)]
pub struct Seldom(AtomicU64);

impl Seldom {
    /// Counts one event; its number, if that is a power of two.
    pub fn count(&self) -> Option<u64> {
        let number = self.0.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        number.is_power_of_two().then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_events_are_twenty_lines() {
        let seldom = Seldom::default();
        let told: Vec<_> = (0..1_000_000).filter_map(|_| seldom.count()).collect();
        assert_eq!(told.len(), 20);
        assert_eq!(told[..4], [1, 2, 4, 8]);
    }
}
