//! A batch of a counters' group as it stands in the log: read, executed, answered.

use bytes::Bytes;
use tollgate_core::command::{Answer, Call, Command};
use tollgate_core::descriptor::Charge;
use tollgate_core::key::Key;
use tollgate_core::replica::{Answered, Batch, Replica};
use tollgate_proto::log::{decode_batch, encode_answers};

/// Executes a batch; one that cannot be read changes nothing on any node and is answered with
/// nothing. Adds the keys to `forgot` of which something was given back or forgotten.
pub(super) fn apply(
    replica: &mut Replica,
    data: &Bytes,
    is_awaited: bool,
    forgot: &mut Vec<Key>,
) -> Bytes {
    let batch = match decode_batch(data.clone()) {
        Ok(batch) => batch,
        Err(error) => {
            tracing::error!(
                event = "batch_unreadable",
                %error,
                "an entry of the log cannot be read; it changes nothing"
            );
            return Bytes::new();
        }
    };
    let answers = replica.apply(&batch);
    add_forgotten(&batch, &answers, forgot);
    if is_awaited { encode_answers(&answers) } else { Bytes::new() }
}

/// Adds the keys of which a batch gave back or forgot something.
pub(crate) fn add_forgotten(batch: &Batch, answers: &[Answered], forgot: &mut Vec<Key>) {
    for (call, answered) in batch.calls.iter().zip(answers) {
        add_forgotten_by(call, answered, forgot);
    }
}

/// The keys of which a call gave back or forgot something, or may have: a bucket that is looked at
/// once too often costs less than a denial that is remembered too long.
fn add_forgotten_by(call: &Call, answered: &Answered, forgot: &mut Vec<Key>) {
    match &call.command {
        Command::Charge { charges, .. } => {
            let refunds = charges.iter();
            let refunds = refunds.filter(|charging| matches!(charging.charge, Charge::Refund(_)));
            forgot.extend(refunds.map(|charging| charging.key));
        }
        Command::TakeBack { charges, .. } => {
            forgot.extend(charges.iter().map(|charging| charging.key));
        }
        Command::Forget { keys } => forgot.extend(keys),
        Command::Settle { .. } | Command::Release { .. } => {
            if let Answer::Settled { reservation, .. } = &answered.answer {
                forgot.extend(reservation.parts.iter().map(|part| part.key));
            }
        }
        Command::Preview { .. }
        | Command::Impatient { .. }
        | Command::Hold { .. }
        | Command::Describe { .. }
        | Command::Bound(_)
        | Command::Tick => {}
    }
}
