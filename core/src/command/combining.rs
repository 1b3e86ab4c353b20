//! Whether the outcomes of a command let its request pass: by the code that decides requests.

use std::ops::Range;

use super::{Charging, Combining, Holding};
use crate::bucket::Outcome;
use crate::decision::{Behind, Status, is_over, status};

impl Combining {
    /// Whether the outcomes of these charges let the request pass. A charge without an outcome
    /// counts as over, and so does an item whose charges are not there.
    pub fn passes(&self, charges: &[impl AsRef<Charging>], outcomes: &[Outcome]) -> bool {
        let behind = |range: Range<usize>| {
            let charges = charges.get(range).unwrap_or_default();
            charges.iter().map(|charge| Behind::from(charge.as_ref()))
        };
        let items = self.items.iter();
        let over = is_over(items.map(|item| status(item, behind, outcomes, self.modes)));
        self.modes.shadow || !over
    }

    /// What each item is told.
    pub(crate) fn statuses<'a, B>(&self, limits: &'a [B], outcomes: &[Outcome]) -> Vec<Status<'a>>
    where
        &'a B: Into<Behind<'a>>,
    {
        let behind =
            |range: Range<usize>| limits.get(range).unwrap_or_default().iter().map(Into::into);
        self.items.iter().map(|item| status(item, behind, outcomes, self.modes)).collect()
    }
}

impl AsRef<Charging> for Charging {
    fn as_ref(&self) -> &Charging {
        self
    }
}

impl AsRef<Charging> for Holding {
    fn as_ref(&self) -> &Charging {
        &self.charging
    }
}

impl<'a> From<&'a Charging> for Behind<'a> {
    fn from(charging: &'a Charging) -> Self {
        let Charging { quota, shadow, quota_mode, .. } = charging;
        Self { quota: *quota, name: None, shadow: *shadow, quota_mode: *quota_mode }
    }
}

impl<'a> From<&'a Holding> for Behind<'a> {
    fn from(holding: &'a Holding) -> Self {
        Self { name: holding.name.as_ref(), ..Self::from(&holding.charging) }
    }
}
