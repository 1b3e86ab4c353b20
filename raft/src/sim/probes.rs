//! Calls in a fixed order whose answers are known beforehand: a denial ends when hits are given back,
//! and every node decides again once faults are over.

use std::time::Duration;

use tollgate_core::command::{Answer, Call, Command, Rule};
use tollgate_core::descriptor::Charge;
use tollgate_core::limit::Algorithm;

use super::dice::Dice;
use super::history::name;
use super::keys::{Limited, Use, limited, quota};
use super::workload::Caller;
use crate::gateway::Answered;

/// Keys of probes begin here: no caller knows them.
const FIRST_KEY: u64 = 1_000_000;

/// Longer than any run.
const WINDOW_MILLIS: u64 = 600_000;

/// Hits of a probe's limit.
const HITS: u64 = 3;

impl Caller {
    /// Spends all of a limit at this node, is denied, gives back or forgets, and must be let in again:
    /// the node was told that it is so, and nobody else knows the key. Ends where anything is in
    /// doubt.
    pub(super) async fn exhaust_and_give_back(self, mut dice: Dice) {
        let number = FIRST_KEY + self.history.lock().ops.len() as u64;
        let algorithm =
            if dice.percent(50) { Algorithm::FixedWindow } else { Algorithm::SlidingWindow };
        let slot = self.limits[dice.place(self.limits.len())].slot.0;
        let quota = quota(u32::try_from(HITS).unwrap(), WINDOW_MILLIS, algorithm);
        let mine = limited(number, slot, quota, Use::GivenBack, HITS);
        // A bucket that is full is refused for as long as its window, wherever it is asked for.
        for expected in [Some(false), Some(true), Some(true)] {
            let hits = if expected == Some(false) { HITS } else { 1 };
            if self.is_over(&mine, Charge::Hits(hits), &mut dice).await != expected {
                return;
            }
        }
        let is_given_back = if dice.percent(50) {
            self.is_over(&mine, Charge::Refund(1), &mut dice).await == Some(false)
        } else {
            let command = Command::Forget { keys: vec![mine.key] };
            let told = self.ask(Call { once: None, command }, &mut dice).await;
            matches!(told, Ok(Answered { answer: Answer::Forgotten(_), .. }))
        };
        if is_given_back && self.is_over(&mine, Charge::Hits(1), &mut dice).await == Some(true) {
            let how = format!(
                "{} was told that hits of {} were given back, and goes on refusing it",
                name(self.host),
                mine.key.low()
            );
            self.history.lock().broke("denials end", how);
        }
    }

    /// Whether one charge is over; `None` if nobody knows.
    pub(super) async fn is_over(
        &self,
        limited: &Limited,
        charge: Charge,
        dice: &mut Dice,
    ) -> Option<bool> {
        let charges = vec![limited.charging(charge, "".into())];
        let command = Command::Charge { charges, rule: Rule::Each };
        match self.ask(Call { once: None, command }, dice).await {
            Ok(Answered { answer: Answer::Outcomes(outcomes), .. }) => {
                outcomes.first().map(|outcome| outcome.over)
            }
            _ => None,
        }
    }

    /// Asks for each key until it is answered for, within `patience` of true time.
    pub(super) async fn is_decided_again(&self, patience: Duration, dice: &mut Dice) {
        let begin = self.truth.now();
        let mut left: Vec<_> = self.limits.iter().copied().collect();
        while !left.is_empty() {
            if self.truth.now() - begin > patience {
                let keys: Vec<_> = left.iter().map(|limited| limited.key.low()).collect();
                let how = format!("{} answers for none of {keys:?}", name(self.host));
                return self.history.lock().broke("progress", how);
            }
            let asked = left.iter().map(|limited| {
                let mut dice = dice.fork();
                async move { (*limited, self.is_over(limited, Charge::Hits(0), &mut dice).await) }
            });
            let told: Vec<_> = asked.collect();
            let told = futures_util::future::join_all(told).await;
            let undecided = told.into_iter().filter(|(_, over)| over.is_none());
            left = undecided.map(|(limited, _)| limited).collect();
        }
    }
}
