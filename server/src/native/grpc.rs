//! `tollgate.v1.Decisions`: the adapter as tonic wants it.

use std::future::Future;
use std::time::Duration;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use tollgate_proto::v1::decisions_server::Decisions;
use tollgate_proto::v1::{
    CancelRequest, CancelResponse, CheckBatchRequest, CheckBatchResponse, CheckRequest,
    CheckResponse, CheckStreamRequest, CommitRequest, CommitResponse, PeekRequest, RefundRequest,
    ReserveRequest, ReserveResponse, ResetRequest, ResetResponse,
};
use tollgate_runtime::drain::Draining;
use tonic::{Request, Response, Status, Streaming};

use super::stream::Answers;
use super::{Call, Deadline, Failure, Native};
use crate::guard::guarded_future;

/// How long a stream may be silent. Longer than any steady caller's pause; what a silent stream
/// holds is free again after it.
pub(crate) const STREAM_IDLE_MAX: Duration = Duration::from_secs(300);

/// The service.
#[derive(Clone)]
pub struct Service {
    native: Native,
    draining: Draining,
}

impl Service {
    /// A service whose streams end with the drain.
    pub fn new(native: Native, draining: Draining) -> Self {
        Self { native, draining }
    }
}

/// What a call brings beside its message.
struct Brought {
    authorization: Option<HeaderValue>,
    deadline: Option<Deadline>,
}

impl Brought {
    fn of<M>(request: &Request<M>) -> Self {
        let deadline = request.extensions().get::<Deadline>().copied();
        Self { authorization: authorization(request), deadline }
    }

    fn call(&self) -> Call<'_> {
        Call { authorization: self.authorization.as_ref(), deadline: self.deadline }
    }
}

/// Waits for `answer`; a panic costs this call only.
async fn answered<T>(
    answer: impl Future<Output = Result<T, Failure>>,
) -> Result<Response<T>, Status> {
    let answer = guarded_future(answer, || Err(Failure::Internal)).await;
    Ok(Response::new(answer?))
}

fn authorization<M>(request: &Request<M>) -> Option<HeaderValue> {
    request.metadata().as_ref().get(AUTHORIZATION).cloned()
}

#[tonic::async_trait]
impl Decisions for Service {
    async fn check(
        &self,
        request: Request<CheckRequest>,
    ) -> Result<Response<CheckResponse>, Status> {
        let brought = Brought::of(&request);
        answered(self.native.check(request.get_ref(), brought.call())).await
    }

    async fn check_batch(
        &self,
        request: Request<CheckBatchRequest>,
    ) -> Result<Response<CheckBatchResponse>, Status> {
        let brought = Brought::of(&request);
        answered(self.native.check_batch(request.get_ref(), brought.call())).await
    }

    type CheckStreamStream = Answers<Streaming<CheckStreamRequest>>;

    async fn check_stream(
        &self,
        request: Request<Streaming<CheckStreamRequest>>,
    ) -> Result<Response<Self::CheckStreamStream>, Status> {
        let authorization = authorization(&request);
        let (native, draining) = (self.native.clone(), self.draining.clone());
        let checks = request.into_inner();
        let answers = Answers::new(native, checks, authorization, draining, STREAM_IDLE_MAX);
        Ok(Response::new(answers))
    }

    async fn peek(&self, request: Request<PeekRequest>) -> Result<Response<CheckResponse>, Status> {
        let brought = Brought::of(&request);
        answered(self.native.peek(request.get_ref(), brought.call())).await
    }

    async fn reserve(
        &self,
        request: Request<ReserveRequest>,
    ) -> Result<Response<ReserveResponse>, Status> {
        let brought = Brought::of(&request);
        answered(self.native.reserve(request.get_ref(), brought.call())).await
    }

    async fn commit(
        &self,
        request: Request<CommitRequest>,
    ) -> Result<Response<CommitResponse>, Status> {
        let brought = Brought::of(&request);
        answered(self.native.commit(request.get_ref(), brought.call())).await
    }

    async fn cancel(
        &self,
        request: Request<CancelRequest>,
    ) -> Result<Response<CancelResponse>, Status> {
        let brought = Brought::of(&request);
        answered(self.native.cancel(request.get_ref(), brought.call())).await
    }

    async fn refund(
        &self,
        request: Request<RefundRequest>,
    ) -> Result<Response<CheckResponse>, Status> {
        let brought = Brought::of(&request);
        answered(self.native.refund(request.get_ref(), brought.call())).await
    }

    async fn reset(
        &self,
        request: Request<ResetRequest>,
    ) -> Result<Response<ResetResponse>, Status> {
        let brought = Brought::of(&request);
        answered(self.native.reset(request.get_ref(), brought.call())).await
    }
}
