//! Messages of the native API, one after another: decoded as the decide listener does, answered as
//! its service does, on a clock that moves between them.

use std::future::Future;
use std::time::Duration;

use prost::Message;
use tollgate_proto::v1::decisions_server::Decisions as _;
use tollgate_proto::v1::{
    CancelRequest, CheckBatchRequest, CheckRequest, CommitRequest, PeekRequest, RefundRequest,
    ReserveRequest, ResetRequest,
};
use tollgate_runtime::drain::Drain;
use tollgate_server::native::Service;
use tonic::{Code, Request, Response, Status};

use crate::native_rig::{NativeRig, at_once};
use crate::rig::message_bytes_max;

/// Calls of one input.
const CALLS_MAX: usize = 64;

/// Panics if a call is answered INTERNAL or not at once, or if more of a limit is spent and held
/// than there is. A call is a byte that says which, the length of its message, and that: see
/// `Next`.
pub fn native(data: &[u8]) {
    if data.len() > message_bytes_max() {
        return;
    }
    let (rig, drain) = (NativeRig::new(), Drain::new());
    let mut caller = Caller {
        service: Service::new(rig.native.clone(), drain.watch()),
        reservations: Vec::new(),
    };
    for Next { verb, bytes } in calls(data) {
        if verb == ADVANCE {
            rig.advance(bytes.iter().map(|byte| Duration::from_secs(u64::from(*byte))).sum());
        } else {
            caller.call(verb, bytes);
        }
        rig.assert_limits();
    }
}

/// The verb under which no call is made: time passes, a second for each unit of each byte.
const ADVANCE: u8 = 8;

/// A call: its verb, a byte of length, the message.
struct Next<'a> {
    verb: u8,
    bytes: &'a [u8],
}

fn calls(mut data: &[u8]) -> impl Iterator<Item = Next<'_>> {
    let next = move || {
        let (&[verb, length], rest) = data.split_first_chunk()?;
        let (bytes, rest) = rest.split_at(usize::from(length).min(rest.len()));
        data = rest;
        Some(Next { verb: verb % (ADVANCE + 1), bytes })
    };
    std::iter::from_fn(next).take(CALLS_MAX)
}

struct Caller {
    service: Service,
    /// Names that nobody could guess.
    reservations: Vec<String>,
}

impl Caller {
    fn call(&mut self, verb: u8, bytes: &[u8]) {
        let service = &self.service;
        match verb {
            0 => {
                read(bytes, |message: CheckRequest| answered(service.check(Request::new(message))));
            }
            1 => read(bytes, |message: CheckBatchRequest| {
                answered(service.check_batch(Request::new(message)))
            }),
            2 => read(bytes, |message: PeekRequest| answered(service.peek(Request::new(message)))),
            3 => {
                let mut made = None;
                read(bytes, |message: ReserveRequest| {
                    made = answered(service.reserve(Request::new(message)));
                });
                let name = made.map(|answer| answer.reservation);
                self.reservations.extend(name.filter(|name| !name.is_empty()));
            }
            4 => read(bytes, |mut message: CommitRequest| {
                self.name(&mut message.reservation);
                answered(service.commit(Request::new(message)))
            }),
            5 => read(bytes, |mut message: CancelRequest| {
                self.name(&mut message.reservation);
                answered(service.cancel(Request::new(message)))
            }),
            6 => read(bytes, |message: RefundRequest| {
                answered(service.refund(Request::new(message)))
            }),
            _ => {
                read(bytes, |message: ResetRequest| answered(service.reset(Request::new(message))));
            }
        }
    }

    /// One digit stands for the reservation of that number.
    fn name(&self, name: &mut String) {
        let number = name.parse::<u8>().ok();
        let known = number.and_then(|number| self.reservations.get(usize::from(number)));
        if let Some(known) = known {
            name.clone_from(known);
        }
    }
}

/// Hands a message to `call` that is one.
fn read<M: Message + Default, T>(bytes: &[u8], call: impl FnOnce(M) -> T) {
    if let Ok(message) = M::decode(bytes) {
        call(message);
    }
}

/// The answer, which awaits nothing.
fn answered<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> Option<T> {
    let answer = at_once(call);
    assert!(answer.is_some(), "a call that waits");
    match answer? {
        Ok(answer) => Some(answer.into_inner()),
        Err(status) => {
            assert!(!matches!(status.code(), Code::Internal | Code::Unknown), "{status:?}");
            None
        }
    }
}
