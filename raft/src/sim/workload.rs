//! Callers at every node: what they ask, and what they note of it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tollgate_core::command::{Call, Combining, Command, Once, Rule, Shown};
use tollgate_core::decision::Modes;
use tollgate_core::descriptor::Charge;
use tollgate_core::key::{Fingerprint, ReservationId};
use tollgate_core::time::Clock as _;

use super::clock::{NodeClock, Truth, pass};
use super::dice::Dice;
use super::history::{Op, Shared, name};
use super::keys::{Limited, Use, text};
use crate::gateway::{Answered, Gateway, Unavailable};

/// Calls that a caller makes at once, at most, so that batches have several.
const BURST_MAX: u64 = 5;

/// The longest pause of a caller.
const PAUSE_MILLIS_MAX: u64 = 160;

/// Percent of calls that carry an idempotency key.
const ONCE_PERCENT: u64 = 12;

/// Open reservations that callers know of, at most.
const OPEN_MAX: usize = 32;

/// What all callers of a run know together: a caller goes on at any node.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Calls with idempotency keys that are asked again, elsewhere.
    again: Vec<Call>,
    open: Vec<ReservationId>,
    numbers: u64,
}

/// A node, as its callers meet it.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) host: usize,
    pub(super) gateway: Arc<Gateway>,
    pub(super) clock: Arc<NodeClock>,
    pub(super) truth: Truth,
    pub(super) history: Shared,
    pub(super) limits: Arc<Vec<Limited>>,
    pub(super) known: Arc<Mutex<Known>>,
}

impl Caller {
    /// Asks, for as long as it is polled.
    pub(super) async fn call_on(self, mut dice: Dice) {
        loop {
            pass(Duration::from_millis(dice.between(1, PAUSE_MILLIS_MAX))).await;
            if dice.percent(6) {
                drop(tokio::spawn(self.clone().exhaust_and_give_back(dice.fork())));
            }
            for _ in 0..dice.between(1, BURST_MAX) {
                let caller = self.clone();
                let mut dice = dice.fork();
                drop(tokio::spawn(async move {
                    let call = caller.call(&mut dice);
                    drop(caller.ask(call, &mut dice).await);
                }));
            }
        }
    }

    /// Asks, and notes call and answer.
    pub(super) async fn ask(&self, call: Call, dice: &mut Dice) -> Result<Answered, Unavailable> {
        let op = {
            let mut history = self.history.lock();
            let op = history.ops.len();
            let call = named(call, op);
            history.event(format!("{op} at {}: {}", name(self.host), shown(&call)));
            let invoked = self.truth.now();
            history.ops.push(Op { call, invoked, told: None });
            op
        };
        let call = self.history.lock().ops[op].call.clone();
        let deadline = Duration::from_millis(dice.between(100, 1_500));
        let deadline = Some(self.clock.monotonic().plus(deadline));
        let told = self.gateway.ask(call.clone(), deadline).await;
        let mut history = self.history.lock();
        history.event(format!("{op} is told {}", shown_told(&told)));
        let at = self.truth.now();
        history.ops[op].told = Some((at, told.clone()));
        drop(history);
        self.learn(&call, &told, dice);
        told
    }

    fn learn(&self, call: &Call, told: &Result<Answered, Unavailable>, dice: &mut Dice) {
        let mut known = self.known.lock();
        if call.once.is_some() && (told.is_err() || dice.percent(50)) {
            known.again.push(call.clone());
        }
        if let Ok(Answered {
            answer: tollgate_core::command::Answer::Held { id, is_held: true, .. },
            ..
        }) = told
            && known.open.len() < OPEN_MAX
        {
            known.open.push(*id);
        }
    }

    fn call(&self, dice: &mut Dice) -> Call {
        let again = {
            let mut known = self.known.lock();
            (!known.again.is_empty() && dice.percent(30)).then(|| {
                let place = dice.place(known.again.len());
                known.again.swap_remove(place)
            })
        };
        if let Some(call) = again {
            return call;
        }
        let command = self.command(dice);
        let may_repeat = matches!(command, Command::Charge { .. } | Command::Hold { .. });
        let once = (may_repeat && dice.percent(ONCE_PERCENT)).then(|| {
            let mut known = self.known.lock();
            known.numbers += 1;
            let fingerprint = Fingerprint::from_halves(1, known.numbers);
            Once { key: format!("once-{}", known.numbers).into(), fingerprint }
        });
        Call { once, command }
    }

    fn command(&self, dice: &mut Dice) -> Command {
        match dice.below(100) {
            0..50 => self.charge_one(dice),
            50..75 => self.plan(dice),
            75..80 => {
                let limited = self.limited(Use::GivenBack, dice);
                Command::Forget { keys: vec![limited.key] }
            }
            80..90 => self.hold(dice),
            _ => self.end_hold(dice),
        }
    }

    /// A limit of this use, a few of them more often than the others.
    fn limited(&self, uses: Use, dice: &mut Dice) -> Limited {
        let all: Vec<_> = self.limits.iter().filter(|limited| limited.uses == uses).collect();
        let count = if dice.percent(60) { all.len().min(3) } else { all.len() };
        **dice.pick(&all[..count])
    }

    fn charge_one(&self, dice: &mut Dice) -> Command {
        let uses = if dice.percent(70) { Use::Hits } else { Use::GivenBack };
        let limited = self.limited(uses, dice);
        let charge = match dice.below(10) {
            0 => Charge::Hits(0),
            1..4 if uses == Use::GivenBack => Charge::Refund(dice.between(1, limited.hits_max)),
            _ => Charge::Hits(dice.between(1, limited.hits_max)),
        };
        Command::Charge { charges: vec![limited.charging(charge, "".into())], rule: Rule::Each }
    }

    fn plan(&self, dice: &mut Dice) -> Command {
        let mut charges = Vec::new();
        for _ in 0..dice.between(2, 3) {
            let limited = self.limited(Use::Plans, dice);
            if charges
                .iter()
                .all(|known: &tollgate_core::command::Charging| known.key != limited.key)
            {
                let hits = dice.between(1, limited.hits_max);
                charges.push(limited.charging(Charge::Hits(hits), "".into()));
            }
        }
        let rule = if dice.percent(70) { Rule::AllOrNone(each(charges.len())) } else { Rule::Each };
        Command::Charge { charges, rule }
    }

    fn hold(&self, dice: &mut Dice) -> Command {
        let mut holdings = Vec::new();
        for _ in 0..dice.between(1, 2) {
            let limited = self.limited(Use::Holds, dice);
            if holdings
                .iter()
                .all(|known: &tollgate_core::command::Holding| known.charging.key != limited.key)
            {
                holdings.push(limited.holding(dice.between(1, limited.hits_max), "".into()));
            }
        }
        let slots: Vec<_> = holdings.iter().map(|holding| holding.charging.slot).collect();
        let combining = each(holdings.len());
        let hold_for = Duration::from_millis(dice.between(1_000, 4_000));
        Command::Hold { id: self.gateway.reservation_id(&slots), hold_for, holdings, combining }
    }

    fn end_hold(&self, dice: &mut Dice) -> Command {
        let mut known = self.known.lock();
        if known.open.is_empty() {
            drop(known);
            return self.hold(dice);
        }
        let place = dice.place(known.open.len());
        let id = known.open[place];
        match dice.below(10) {
            0 => Command::Describe { id },
            // Others may settle it too.
            1..7 => {
                if dice.percent(70) {
                    known.open.swap_remove(place);
                }
                Command::Settle { id, hits: dice.between(0, 4), quotas: Vec::new() }
            }
            _ => {
                known.open.swap_remove(place);
                Command::Release { id }
            }
        }
    }
}

/// Each charge is an item that refuses by itself.
pub(super) fn each(count: usize) -> Combining {
    let items = (0..count).map(|place| Shown::Counted(place..place + 1)).collect();
    Combining { items, modes: Modes::default() }
}

/// Writes the call's number into what it charges. A call that is asked again keeps its own.
fn named(mut call: Call, op: usize) -> Call {
    let name = |place: usize, of: &mut Box<str>| {
        if of.is_empty() {
            *of = text(op, place);
        }
    };
    match &mut call.command {
        Command::Charge { charges, .. } => {
            charges.iter_mut().enumerate().for_each(|(at, one)| name(at, &mut one.text));
        }
        Command::Hold { holdings, .. } => {
            let all = holdings.iter_mut().enumerate();
            all.for_each(|(at, one)| name(at, &mut one.charging.text));
        }
        _ => {}
    }
    call
}

fn shown(call: &Call) -> String {
    let once = call.once.as_ref().map_or("", |once| &once.key);
    let command = match &call.command {
        Command::Charge { charges, rule } => {
            let rule = match rule {
                Rule::Each => "each",
                Rule::All => "all",
                Rule::AllOrNone(_) => "all or none",
            };
            let charges = charges.iter();
            let charges =
                charges.map(|one| format!("{:?} of {} ({})", one.charge, one.key.low(), one.text));
            format!("{rule} {}", charges.collect::<Vec<_>>().join(", "))
        }
        Command::Hold { id, holdings, .. } => {
            let keys: Vec<_> = holdings.iter().map(|one| one.charging.key.low()).collect();
            format!("hold {id} of {keys:?}")
        }
        Command::Forget { keys } => format!("forget {}", keys[0].low()),
        other => format!("{other:?}"),
    };
    format!("{command} {once}")
}

fn shown_told(told: &Result<Answered, Unavailable>) -> String {
    use tollgate_core::command::Answer;
    match told {
        Err(error) => format!("{error:?}"),
        Ok(Answered { answer, index, .. }) => {
            let answer = match answer {
                Answer::Outcomes(all) => {
                    let all = all.iter().map(|one| (one.over, one.before, one.after));
                    format!("{:?}", all.collect::<Vec<_>>())
                }
                Answer::Held { is_held, .. } => format!("held {is_held}"),
                Answer::Settled { settled, .. } => format!("charged {}", settled.charged),
                Answer::Forgotten(_) => "forgotten".to_owned(),
                other => format!("{other:?}"),
            };
            format!("{answer} at {index}")
        }
    }
}
