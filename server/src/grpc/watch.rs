//! Answers that have no end of their own, ended by the drain: whoever watches a node's health would
//! otherwise hold it until the drain is cut off.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Frame, SizeHint};
use tollgate_runtime::drain::Draining;
use tonic::body::Body;
use tonic::{Code, Status};

/// A body that ends, as UNAVAILABLE, once the drain has started and nothing more is to be told.
pub(super) struct UntilDrained {
    body: Body,
    draining: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl UntilDrained {
    pub(super) fn new(body: Body, draining: &Draining) -> Self {
        Self { body, draining: Some(Box::pin(draining.started())) }
    }
}

impl http_body::Body for UntilDrained {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let Some(draining) = &mut this.draining else { return Poll::Ready(None) };
        // What is to be told goes first: that the node does not serve any more.
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        draining.as_mut().poll(cx).map(|()| {
            this.draining = None;
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from(Code::Unavailable as i32));
            Some(Ok(Frame::trailers(trailers)))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.draining.is_none() || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
