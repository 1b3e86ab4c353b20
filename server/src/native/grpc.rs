//! `tollgate.v1.Decisions`: the adapter as tonic wants it.

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
use crate::guard::guarded;

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

/// Runs `answer` on what a call brings; a panic costs this call only.
fn answered<M, T>(
    request: &Request<M>,
    answer: impl FnOnce(&M, Call<'_>) -> Result<T, Failure>,
) -> Result<Response<T>, Status> {
    let deadline = request.extensions().get::<Deadline>().copied();
    let authorization = authorization(request);
    let call = Call { authorization: authorization.as_ref(), deadline };
    let answer = guarded(|| answer(request.get_ref(), call), || Err(Failure::Internal));
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
        answered(&request, |message, call| self.native.check(message, call))
    }

    async fn check_batch(
        &self,
        request: Request<CheckBatchRequest>,
    ) -> Result<Response<CheckBatchResponse>, Status> {
        answered(&request, |message, call| self.native.check_batch(message, call))
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
        answered(&request, |message, call| self.native.peek(message, call))
    }

    async fn reserve(
        &self,
        request: Request<ReserveRequest>,
    ) -> Result<Response<ReserveResponse>, Status> {
        answered(&request, |message, call| self.native.reserve(message, call))
    }

    async fn commit(
        &self,
        request: Request<CommitRequest>,
    ) -> Result<Response<CommitResponse>, Status> {
        answered(&request, |message, call| self.native.commit(message, call))
    }

    async fn cancel(
        &self,
        request: Request<CancelRequest>,
    ) -> Result<Response<CancelResponse>, Status> {
        answered(&request, |message, call| self.native.cancel(message, call))
    }

    async fn refund(
        &self,
        request: Request<RefundRequest>,
    ) -> Result<Response<CheckResponse>, Status> {
        answered(&request, |message, call| self.native.refund(message, call))
    }

    async fn reset(
        &self,
        request: Request<ResetRequest>,
    ) -> Result<Response<ResetResponse>, Status> {
        answered(&request, |message, call| self.native.reset(message, call))
    }
}
