//! What bodies hold while they arrive, and what is refused.

use std::collections::VecDeque;
use std::convert::Infallible;

use http_body_util::BodyExt as _;

use super::*;

const FREE: &[u8] = &[0; FREE_BODY_BYTES];

/// A body of pieces that says when it is at its end, as HTTP/2's does.
struct Pieces(VecDeque<&'static [u8]>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(Bytes::from_static(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }
}

fn metered(pieces: &[&'static [u8]], budget: Budget) -> Metered<Pieces> {
    Metered::new(Pieces(pieces.iter().copied().collect()), budget)
}

fn next<T>(body: &mut Metered<Pieces>, read: impl FnOnce(Option<Result<usize, String>>) -> T) -> T {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    match Pin::new(body).poll_frame(&mut cx) {
        Poll::Ready(frame) => read(frame.map(|frame| match frame {
            Ok(frame) => Ok(frame.data_ref().map_or(0, Bytes::len)),
            Err(error) => Err(error.to_string()),
        })),
        Poll::Pending => panic!("these pieces are always there"),
    }
}

#[test]
fn what_is_held_is_given_back_when_it_is_dropped() {
    let budget = Budget::new(10);
    let held = budget.hold(7).unwrap();
    assert_eq!((budget.held(), budget.hold(4).unwrap_err()), (7, NoRoom));
    assert_eq!((budget.room_for(3), budget.room_for(4)), (Ok(()), Err(NoRoom)));
    drop(held);
    assert_eq!(budget.held(), 0);
    assert!(budget.hold(10).is_ok());
    assert_eq!(budget.hold(usize::MAX).unwrap_err(), NoRoom);
}

#[test]
fn a_body_that_comes_whole_is_not_counted() {
    let budget = Budget::new(1);
    let mut body = metered(&[&[0; 2 * FREE_BODY_BYTES]], budget);
    assert_eq!(next(&mut body, |frame| frame), Some(Ok(2 * FREE_BODY_BYTES)));
    assert_eq!(budget.held(), 0);
}

#[test]
fn a_small_body_is_not_counted_however_it_comes() {
    let budget = Budget::new(0);
    let mut body = metered(&[b"1", FREE.split_at(1).1, b""], budget);
    assert_eq!(next(&mut body, |frame| frame), Some(Ok(1)));
    assert_eq!(next(&mut body, |frame| frame), Some(Ok(FREE_BODY_BYTES - 1)));
    assert_eq!(next(&mut body, |frame| frame), Some(Ok(0)));
    assert_eq!(next(&mut body, |frame| frame), None);
}

#[test]
fn a_body_in_pieces_is_counted_until_it_is_dropped_and_refused_where_it_does_not_fit() {
    let budget = Budget::new(8);
    let mut one = metered(&[FREE, b"12345", b"6", b"7"], budget);
    assert_eq!(next(&mut one, |frame| frame), Some(Ok(FREE_BODY_BYTES)));
    assert_eq!(next(&mut one, |frame| frame), Some(Ok(5)));
    assert_eq!(next(&mut one, |frame| frame), Some(Ok(1)));
    assert_eq!(budget.held(), 6);
    let mut other = metered(&[FREE, b"123", b""], budget);
    assert_eq!(next(&mut other, |frame| frame), Some(Ok(FREE_BODY_BYTES)));
    let error = next(&mut other, |frame| frame).unwrap().unwrap_err();
    assert_eq!(error, NoRoom.to_string());
    assert_eq!(budget.held(), 6);
    drop(one);
    assert_eq!(budget.held(), 0);
}

#[test]
fn a_grpc_message_is_counted_by_the_length_that_it_declares() {
    let budget = Budget::new(1 << 20);
    let mut body = metered(&[&[0, 0], &[1, 0, 0, 7], b"x"], budget);
    body.framed = Some(Framed::default());
    assert_eq!(next(&mut body, |frame| frame), Some(Ok(2)));
    assert_eq!(budget.held(), 0);
    assert_eq!(next(&mut body, |frame| frame), Some(Ok(4)));
    assert_eq!(budget.held(), (1 << 16) - FREE_BODY_BYTES);
    // Nothing that could be held: only what has arrived counts.
    let mut body = metered(&[&[0, 0xFF, 0xFF, 0xFF, 0xFF], b"x"], budget);
    body.framed = Some(Framed::default());
    assert_eq!(next(&mut body, |frame| frame), Some(Ok(5)));
    assert_eq!(budget.held(), (1 << 16) - FREE_BODY_BYTES);
}

#[test]
fn a_stream_holds_of_each_message_only_what_is_not_whole() {
    let large: &[u8] = &[0; 1 << 16];
    let pieces: &[&'static [u8]] =
        &[&[0, 0, 0, 0, 2, 7, 7, 0, 0], &[1, 0, 0], large, &[0, 0, 0, 0, 0], &[0]];
    let budget = Budget::new(1 << 20);
    let mut body = metered(pieces, budget);
    body.framed = Some(Framed { is_stream: true, ..Framed::default() });
    let mut held = Vec::new();
    while next(&mut body, |frame| frame.is_some()) {
        held.push(budget.held());
    }
    let whole = (1 << 16) - FREE_BODY_BYTES;
    assert_eq!(held, [0, whole, 0, 0, 0]);
    let mut cut = metered(&[&[0, 0, 1, 0, 0, 1], b"2", large, b""], budget);
    cut.framed = Some(Framed { is_stream: true, ..Framed::default() });
    let held: Vec<_> =
        std::iter::from_fn(|| next(&mut cut, |frame| frame.map(|_| budget.held()))).collect();
    assert_eq!(held, [whole, whole, 0, 0]);
}

#[test]
fn a_refused_body_reads_as_resource_exhausted() {
    let budget = Budget::new(1);
    let body = metered(&[FREE, b"12", b"3"], budget);
    let mut collected = std::pin::pin!(body.collect());
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let Poll::Ready(Err(error)) = collected.as_mut().poll(&mut cx) else {
        panic!("it does not fit");
    };
    let status = Status::from_error(Box::new(error));
    assert_eq!(status.code(), tonic::Code::ResourceExhausted);
    assert_eq!(status.message(), NoRoom.to_string());
}
