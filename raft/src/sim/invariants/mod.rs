//! What must hold in every run, one invariant a file: each reads the history alone.

mod answers;
mod limits;
mod once;
mod order;
mod replayed;

use self::replayed::Replayed;
use super::history::{Broken, History};

/// Everything that is broken in a history.
pub(super) fn check(history: &History) -> Vec<Broken> {
    let mut broken = Vec::new();
    let replayed = Replayed::new(history, &mut broken);
    answers::check(history, &replayed, &mut broken);
    once::check(&replayed, &mut broken);
    order::check(history, &replayed, &mut broken);
    limits::check(&replayed, &mut broken);
    broken
}

fn broke(broken: &mut Vec<Broken>, what: &'static str, how: String) {
    broken.push(Broken { what, how });
}
