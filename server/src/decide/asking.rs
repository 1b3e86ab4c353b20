//! Asking a replicated ledger: a plan as a command, and its answer as outcomes.

use std::sync::Arc;

use tollgate_core::bucket::Outcome;
use tollgate_core::command::{Answer, Call, Command, Rule};
use tollgate_core::decision::{Decision, Modes};
use tollgate_core::plan::Plan;

use super::{
    Active, Answered, Charged, Decider, NotAnswered, Replicated, Terms, Unavailable, is_atomic,
};

impl Decider {
    /// Executes a command. What the ledger did not do is an error, and whether it can be reached is
    /// noted.
    pub(super) async fn ask(
        &self,
        ledger: &Arc<dyn Replicated>,
        command: Command,
        terms: Terms,
    ) -> Result<Answered, NotAnswered> {
        let call = Call { once: terms.once, command };
        let answered = match ledger.ask(call, terms.deadline).await {
            Ok(Answered { answer: Answer::NotDone(not_done), .. }) => Err(not_done.into()),
            answered => answered,
        };
        self.apart.note(answered.as_ref().map(drop), &*self.clock);
        answered
    }

    /// Charges the operations of a plan, each by itself or all or none, as their domain says. Where
    /// the ledger cannot be reached, the limits say what happens.
    pub(super) async fn charge_there<'a>(
        &self,
        ledger: &Arc<dyn Replicated>,
        plan: &Plan<'a>,
        active: &Active,
        terms: Terms,
    ) -> Result<Charged<'a>, Unavailable> {
        let modes = active.answers.modes;
        if plan.operations.is_empty() {
            let decision = Decision::of(plan, &[], modes);
            return Ok(Charged { outcomes: Vec::new(), decision, now: ledger.now() });
        }
        let (charges, rule) = (plan.charges(&self.secret), rule(plan, modes));
        let answered = self.ask(ledger, Command::Charge { charges, rule }, terms).await;
        match answered.map_err(Unavailable::from) {
            Ok(Answered { answer, at: now }) => {
                let outcomes = outcomes(answer, plan)?;
                let decision = Decision::of(plan, &outcomes, modes);
                Ok(Charged { outcomes, decision, now })
            }
            Err(error) if error.is_out_of_reach() => {
                self.charge_apart(plan, active, ledger.voters(), error)
            }
            Err(error) => Err(error),
        }
    }
}

/// What the charges of a plan have to do with each other.
pub(super) fn rule(plan: &Plan<'_>, modes: Modes) -> Rule {
    if is_atomic(plan) { Rule::AllOrNone(plan.combining(modes)) } else { Rule::Each }
}

/// The outcomes that answer a charge of a plan.
pub(super) fn outcomes(answer: Answer, plan: &Plan<'_>) -> Result<Vec<Outcome>, Unavailable> {
    match answer {
        Answer::Outcomes(outcomes) if outcomes.len() == plan.operations.len() => Ok(outcomes),
        _ => Err(Unavailable::Senseless),
    }
}
