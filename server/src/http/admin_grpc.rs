//! gRPC on the admin listeners: where a service finds its calls, after they were authenticated.
//!
//! A service that is added goes into [`call`]. It finds the [`Caller`], who has a role, in the
//! request's extensions, and has to expect the role of each method itself.

use http::header::WWW_AUTHENTICATE;
use http::{Request, Response};
use hyper::body::Incoming;
use tonic::Status;
use tonic::body::Body;

use super::admin::{BEARER, Refusal};
use crate::access::Caller;
use crate::budget::Metered;

/// Answers a call of somebody with a role.
pub(super) async fn call(
    mut request: Request<Metered<Incoming>>,
    caller: Caller,
) -> Response<Body> {
    request.extensions_mut().insert(caller);
    // No service is here yet: every method is unknown.
    Status::unimplemented("the admin listener has no such gRPC method").into_http()
}

/// Answers a call of somebody without, the same for every method.
pub(super) fn refuse(refusal: &Refusal) -> Response<Body> {
    let message = refusal.to_string();
    match refusal {
        Refusal::Rejected(_) => {
            let mut response = Status::unauthenticated(message).into_http();
            response.headers_mut().insert(WWW_AUTHENTICATE, BEARER);
            response
        }
        Refusal::Forbidden(_) => Status::permission_denied(message).into_http(),
    }
}
