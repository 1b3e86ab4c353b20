//! Which limits have figures: bounded in number and bytes, whatever requests and reloads bring.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use super::figures::{Figures, LimitFigures};

/// Names that requests chose (`detailed_metric`, `value_to_metric`, a limit brought along) and that
/// get figures of their own; later ones share one name. Each is five series.
const REQUEST_NAMES_MAX: usize = 2_000;

/// Bytes of such a name; a longer one counts under the shared name. More than a path and an address
/// take, and 2 MiB for all of them.
const REQUEST_NAME_BYTES_MAX: usize = 1_024;

/// Names of the configuration, over all reloads, as figures stay.
const CONFIGURED_NAMES_MAX: usize = 50_000;

/// Bytes of all names.
const NAME_BYTES_MAX: usize = 64 << 20;

/// The name that all others share.
pub(crate) const OTHER: &str = "_other";

/// Who chose a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The operator.
    Configuration,
    /// Whoever sends requests.
    Request,
}

/// The limits that have figures.
#[derive(Debug)]
pub(crate) struct Names {
    book: RwLock<Book>,
    other: Arc<LimitFigures>,
    overflown: AtomicU64,
}

impl Default for Names {
    fn default() -> Self {
        let other = Arc::new(fresh(OTHER, OTHER, vec![OTHER.to_owned()]));
        Self { book: RwLock::default(), other, overflown: AtomicU64::new(0) }
    }
}

#[derive(Debug, Default)]
struct Book {
    /// By domain and name, as a domain may hold dots.
    by_name: HashMap<Box<str>, HashMap<Box<str>, Arc<LimitFigures>>>,
    /// All of them; only ever grows, so a place stands for a limit.
    all: Vec<Arc<LimitFigures>>,
    of_requests: usize,
    bytes: usize,
}

impl Names {
    /// The figures of the limit `name` in `domain`; `levels` is asked for at its first hit.
    pub(crate) fn figures(
        &self,
        origin: Origin,
        domain: &str,
        name: &str,
        levels: impl FnOnce() -> Vec<String>,
    ) -> Arc<LimitFigures> {
        let found = self.book.read().find(domain, name);
        let figures = found.or_else(|| self.book.write().add(origin, domain, name, levels));
        figures.unwrap_or_else(|| self.other())
    }

    /// The shared figures and then every limit's, in the order in which they came: a place in this
    /// list stands for the same limit for ever.
    pub(crate) fn in_order(&self) -> Vec<Arc<LimitFigures>> {
        let mut all = vec![Arc::clone(&self.other)];
        all.extend(self.book.read().all.iter().cloned());
        all
    }

    /// Every limit with figures; the shared ones only if anything was counted there.
    pub(crate) fn all(&self) -> Vec<Arc<LimitFigures>> {
        let mut all = self.in_order();
        if self.overflown() == 0 {
            all.remove(0);
        }
        all
    }

    /// Operations that were counted under the shared name.
    pub(crate) fn overflown(&self) -> u64 {
        self.overflown.load(Ordering::Relaxed)
    }

    fn other(&self) -> Arc<LimitFigures> {
        self.overflown.fetch_add(1, Ordering::Relaxed);
        Arc::clone(&self.other)
    }
}

impl Book {
    fn find(&self, domain: &str, name: &str) -> Option<Arc<LimitFigures>> {
        self.by_name.get(domain)?.get(name).cloned()
    }

    /// None if there is no room.
    fn add(
        &mut self,
        origin: Origin,
        domain: &str,
        name: &str,
        levels: impl FnOnce() -> Vec<String>,
    ) -> Option<Arc<LimitFigures>> {
        // Another thread may have come first.
        if let Some(found) = self.find(domain, name) {
            return Some(found);
        }
        let of_configuration = self.all.len() - self.of_requests;
        let has_room = match origin {
            Origin::Configuration => of_configuration < CONFIGURED_NAMES_MAX,
            Origin::Request => {
                self.of_requests < REQUEST_NAMES_MAX && name.len() <= REQUEST_NAME_BYTES_MAX
            }
        };
        let bytes = self.bytes.saturating_add(name.len());
        if !has_room || bytes > NAME_BYTES_MAX {
            return None;
        }
        self.bytes = bytes;
        self.of_requests += usize::from(origin == Origin::Request);
        let figures = Arc::new(fresh(domain, name, levels()));
        self.all.push(Arc::clone(&figures));
        let names = self.by_name.entry(domain.into()).or_default();
        names.insert(name.into(), Arc::clone(&figures));
        Some(figures)
    }
}

fn fresh(domain: &str, name: &str, levels: Vec<String>) -> LimitFigures {
    LimitFigures {
        domain: domain.into(),
        name: name.into(),
        levels: levels.into(),
        figures: Figures::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &Names, origin: Origin, name: &str) -> Arc<LimitFigures> {
        names.figures(origin, "d", name, || vec![name.to_owned()])
    }

    #[test]
    fn a_name_has_the_same_figures_for_ever_and_in_its_domain_only() {
        let names = Names::default();
        let first = of(&names, Origin::Configuration, "d.k");
        assert!(Arc::ptr_eq(&first, &of(&names, Origin::Configuration, "d.k")));
        assert!(Arc::ptr_eq(&first, &of(&names, Origin::Request, "d.k")));
        let dotted = names.figures(Origin::Configuration, "d.k", "d.k", Vec::new);
        assert!(!Arc::ptr_eq(&first, &dotted));
        assert_eq!((names.all().len(), names.overflown()), (2, 0));
    }

    #[test]
    fn names_that_requests_choose_are_bounded_and_the_configuration_s_do_not_suffer() {
        let names = Names::default();
        for number in 0..REQUEST_NAMES_MAX + 30 {
            of(&names, Origin::Request, &format!("d.k_{number}"));
        }
        assert_eq!((names.all().len(), names.overflown()), (REQUEST_NAMES_MAX + 1, 30));
        assert_eq!(&*of(&names, Origin::Request, "d.late").name, OTHER);
        assert_eq!(&*of(&names, Origin::Request, "d.k_7").name, "d.k_7");
        assert_eq!(&*of(&names, Origin::Configuration, "d.configured").name, "d.configured");
    }

    #[test]
    fn a_long_name_of_a_request_is_not_kept() {
        let names = Names::default();
        assert_eq!(&*of(&names, Origin::Request, &"x".repeat(1_025)).name, OTHER);
        assert_eq!(of(&names, Origin::Request, &"x".repeat(1_024)).name.len(), 1_024);
    }

    #[test]
    fn names_of_the_configuration_are_bounded_over_reloads() {
        let names = Names::default();
        for number in 0..CONFIGURED_NAMES_MAX + 2 {
            of(&names, Origin::Configuration, &number.to_string());
        }
        assert_eq!((names.all().len(), names.overflown()), (CONFIGURED_NAMES_MAX + 1, 2));
    }
}
