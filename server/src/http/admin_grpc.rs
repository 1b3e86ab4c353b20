//! gRPC on the admin listeners: who may call which method, before its message is read.
//!
//! A method that has no row in the table of verbs does not exist, whatever the generated code knows.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tollgate_proto::v1::admin_server::AdminServer;
use tonic::Status;
use tonic::body::Body;
use tower::Service as _;

use crate::access::{Caller, Refusal};
use crate::admin::{self, Api, GrpcService};
use crate::budget::Metered;
use crate::native::Failure;

/// Bytes of a message: a search's domain and text, of which no label holds more.
const MESSAGE_BYTES_MAX: usize = 64 * 1_024;

/// How long a call may take to send its message.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers a call of somebody with a role.
pub(super) async fn call(
    api: &Arc<Api>,
    mut request: Request<Metered<Incoming>>,
    caller: Caller,
) -> Response<Body> {
    let Some(verb) = admin::find_rpc(request.uri().path()) else {
        return Status::unimplemented("the admin listener has no such gRPC method").into_http();
    };
    if let Err(forbidden) = caller.expect_role(verb.role) {
        return refuse(forbidden.into());
    }
    request.extensions_mut().insert(caller);
    let service = GrpcService::new(Arc::clone(api));
    let mut server = AdminServer::new(service).max_decoding_message_size(MESSAGE_BYTES_MAX);
    match tokio::time::timeout(MESSAGE_TIMEOUT, server.call(request)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(never)) => match never {},
        Err(_) => Status::deadline_exceeded("the message did not arrive in time").into_http(),
    }
}

/// Answers a call of somebody without, the same for every method.
pub(super) fn refuse(refusal: Refusal) -> Response<Body> {
    Status::from(Failure::from(refusal)).into_http()
}
