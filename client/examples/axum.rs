//! A service with a limit before it.
//!
//! ```console
//! $ cargo run -p tollgate-client --example axum -- http://127.0.0.1:8081 127.0.0.1:3000
//! listening on 127.0.0.1:3000
//! $ curl -i -H 'x-client: alice' http://127.0.0.1:3000/
//! ```
//!
//! The node's `tollgate.yaml` has the limit:
//!
//! ```yaml
//! limits:
//!   hello: {rate: 3/minute, by: [client]}
//! ```

use std::env;
use std::error::Error;
use std::io::Write as _;

use axum::Router;
use axum::routing::get;
use http::request::Parts;
use tokio::net::TcpListener;
use tollgate_client::layer::RateLimitLayer;
use tollgate_client::{Check, Client};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let endpoint = arguments
        .next()
        .or_else(|| env::var("TOLLGATE_ENDPOINT").ok())
        .unwrap_or_else(|| "http://127.0.0.1:8081".to_owned());
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:0".to_owned());

    let limit = RateLimitLayer::new(Client::of(endpoint)?, by_client);
    let app = Router::new().route("/", get(|| async { "hello\n" })).layer(limit);

    let listener = TcpListener::bind(address).await?;
    let mut out = std::io::stdout();
    writeln!(out, "listening on {}", listener.local_addr()?)?;
    axum::serve(listener, app).await?;
    Ok(())
}

/// Whoever does not say who it is shares a limit with all others that do not.
fn by_client(request: &Parts) -> Option<Check> {
    let client = request.headers.get("x-client").and_then(|name| name.to_str().ok());
    Some(Check::limit("hello").value("client", client.unwrap_or("nobody")))
}
