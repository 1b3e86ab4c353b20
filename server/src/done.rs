//! Waiting in tests, without a runtime.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Looks at a future that nothing wakes.
const LOOKS_MAX: u32 = 1_000;

/// What can be waited for in a test.
pub(crate) trait Done: Future + Sized {
    /// Its output; panics if it is not there after many looks, each of which lets whatever it waits
    /// for go on.
    fn done(self) -> Self::Output {
        let (mut this, mut cx) = (pin!(self), Context::from_waker(Waker::noop()));
        for _ in 0..LOOKS_MAX {
            if let Poll::Ready(output) = this.as_mut().poll(&mut cx) {
                return output;
            }
        }
        panic!("not done after {LOOKS_MAX} looks")
    }
}

impl<F: Future> Done for F {}
