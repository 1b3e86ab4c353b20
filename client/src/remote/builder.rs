//! What a client is told: whom to ask, how long to wait, and what to do where nobody answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};

use super::budget::Budget;
use super::endpoint::Endpoint;
use super::fleet::Fleet;
use super::{Client, Inner};
use crate::Error;

/// Endpoints of one client. A set of tried ones is the bits of one number.
pub(super) const ENDPOINTS_MAX: usize = 64;

/// The longest that a call may wait, so that no moment in time overflows: one hour.
const TIMEOUT_MAX: Duration = Duration::from_secs(3600);

/// The most that may be configured to be in flight.
const IN_FLIGHT_MAX: usize = 1_000_000;

/// The longest token: far beyond any that a node makes.
const TOKEN_BYTES_MAX: usize = 1024;

/// What to answer where no node could decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnUnavailable {
    /// The error.
    #[default]
    Error,
    /// That it may pass.
    Allow,
    /// That it may not.
    Deny,
}

/// How checks travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Each check is a call of its own.
    #[default]
    Calls,
    /// All checks to an endpoint share one stream: less work a check on both sides, but a stream that
    /// breaks leaves all of its checks in doubt. Everything else is a call of its own still.
    Stream,
}

/// How a client is made; see [`Client::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    endpoints: Vec<String>,
    timeout: Duration,
    connect_timeout: Duration,
    keep_alive: Duration,
    token: Option<String>,
    in_flight_max: usize,
    attempts_max: u32,
    retry_percent: u32,
    on_unavailable: OnUnavailable,
    transport: Transport,
    #[cfg(feature = "tls")]
    tls: Option<super::Tls>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            timeout: Duration::from_secs(1),
            connect_timeout: Duration::from_millis(500),
            keep_alive: Duration::from_secs(10),
            token: None,
            in_flight_max: 1024,
            attempts_max: 3,
            retry_percent: 10,
            on_unavailable: OnUnavailable::Error,
            transport: Transport::Calls,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

impl Builder {
    /// Adds an endpoint: `http://host:port`, `https://host:port` (feature `tls`) or `unix:/path`.
    /// 1 to 64.
    pub fn endpoint(mut self, address: impl Into<String>) -> Self {
        self.endpoints.push(address.into());
        self
    }

    /// How long a call waits for its answer, all attempts together, unless its check says otherwise.
    /// Default 1 s; at most one hour.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long a connection may take to be made. Default 500 ms.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How often a connection that carries calls is asked whether it lives; one that does not answer
    /// for half as long is given up. Default 10 s.
    pub fn keep_alive(mut self, interval: Duration) -> Self {
        self.keep_alive = interval;
        self
    }

    /// A token to be known by. It travels as it is: use `https://` or a socket.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// How many calls may be in flight; one more is answered [`Error::Overloaded`] at once. Default
    /// 1024; 1 to 1 000 000.
    pub fn in_flight_max(mut self, most: usize) -> Self {
        self.in_flight_max = most;
        self
    }

    /// How often a call may be sent, the first time included. Default 3; 1 sends nothing again.
    pub fn attempts_max(mut self, most: u32) -> Self {
        self.attempts_max = most;
        self
    }

    /// How many more calls than were asked for may be sent, in percent, beyond a reserve of ten.
    /// Default 10; 0 to 100.
    pub fn retry_percent(mut self, percent: u32) -> Self {
        self.retry_percent = percent;
        self
    }

    /// What to answer where no node could decide. Default: the error. Each answer so given says that
    /// it is ([`Decision::is_local`](crate::Decision::is_local)) and is counted
    /// ([`Client::local_answers`]).
    pub fn on_unavailable(mut self, answer: OnUnavailable) -> Self {
        self.on_unavailable = answer;
        self
    }

    /// How checks travel. Default: each is a call of its own.
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// Whom to trust on `https://` endpoints, and who to be.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: super::Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Makes the client. It connects when it is first used; nothing has to be there yet. Needs a
    /// tokio runtime around it.
    ///
    /// # Errors
    /// [`Error::Misconfigured`] if an address, the token or a number cannot be.
    pub fn build(self) -> Result<Client, Error> {
        self.validate()?;
        let authorization = self.token.as_deref().map(bearer).transpose()?;
        let endpoints = self.endpoints.iter().enumerate().map(|(index, address)| {
            let channel = self.endpoint_of(address)?.connect_lazy();
            let endpoint =
                Endpoint::new(index, address, channel, authorization.clone(), self.in_flight_max);
            Ok(Arc::new(endpoint))
        });
        let fleet = Fleet::new(endpoints.collect::<Result<_, Error>>()?);
        Ok(Client(Arc::new(Inner {
            fleet,
            budget: Budget::new(self.retry_percent),
            timeout: self.timeout,
            in_flight_max: self.in_flight_max,
            attempts_max: self.attempts_max,
            on_unavailable: self.on_unavailable,
            transport: self.transport,
            in_flight: AtomicUsize::new(0),
            local_answers: AtomicU64::new(0),
        })))
    }

    fn validate(&self) -> Result<(), Error> {
        let within = |what: &str, is_right: bool, why: &str| match is_right {
            true => Ok(()),
            false => Err(misconfigured(what, why)),
        };
        within("endpoints", !self.endpoints.is_empty(), "at least one is needed")?;
        within("endpoints", self.endpoints.len() <= ENDPOINTS_MAX, "at most 64")?;
        let some_time = Duration::from_millis(1)..=TIMEOUT_MAX;
        within("timeout", some_time.contains(&self.timeout), "1 ms to 1 h")?;
        within("connect_timeout", some_time.contains(&self.connect_timeout), "1 ms to 1 h")?;
        within("keep_alive", some_time.contains(&self.keep_alive), "1 ms to 1 h")?;
        let most = 1..=IN_FLIGHT_MAX;
        within("in_flight_max", most.contains(&self.in_flight_max), "1 to 1 000 000")?;
        within("attempts_max", (1..=10).contains(&self.attempts_max), "1 to 10")?;
        within("retry_percent", self.retry_percent <= 100, "0 to 100")?;
        let has_runtime = tokio::runtime::Handle::try_current().is_ok();
        within("runtime", has_runtime, "a client is made inside a tokio runtime")
    }

    fn endpoint_of(&self, address: &str) -> Result<tonic::transport::Endpoint, Error> {
        let is_tls = address.starts_with("https://");
        if !is_tls && !address.starts_with("http://") && !address.starts_with("unix:") {
            return Err(misconfigured(address, "an endpoint is http://, https:// or unix:/path"));
        }
        let wrong = |error: tonic::transport::Error| misconfigured(address, &error.to_string());
        let endpoint = tonic::transport::Endpoint::from_shared(address.to_owned())
            .map_err(wrong)?
            .connect_timeout(self.connect_timeout)
            .http2_keep_alive_interval(self.keep_alive)
            .keep_alive_timeout(self.keep_alive / 2)
            .tcp_nodelay(true)
            .buffer_size(self.in_flight_max);
        if is_tls { self.secure(endpoint, address) } else { Ok(endpoint) }
    }

    #[cfg(feature = "tls")]
    fn secure(
        &self,
        endpoint: tonic::transport::Endpoint,
        address: &str,
    ) -> Result<tonic::transport::Endpoint, Error> {
        let tls = self.tls.as_ref();
        let tls = tls.ok_or_else(|| misconfigured(address, "https:// needs Builder::tls"))?;
        let secured = endpoint.tls_config(tls.config());
        secured.map_err(|error| misconfigured(address, &error.to_string()))
    }

    #[cfg(not(feature = "tls"))]
    fn secure(
        &self,
        _: tonic::transport::Endpoint,
        address: &str,
    ) -> Result<tonic::transport::Endpoint, Error> {
        Err(misconfigured(address, "https:// needs the feature `tls` of tollgate-client"))
    }
}

/// The call's wait within what a moment in time can express.
pub(super) fn bounded(timeout: Duration) -> Duration {
    timeout.min(TIMEOUT_MAX)
}

fn bearer(token: &str) -> Result<MetadataValue<Ascii>, Error> {
    let wrong = || misconfigured("token", "1 to 1024 printable ASCII characters");
    let is_token = (1..=TOKEN_BYTES_MAX).contains(&token.len())
        && token.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_token {
        return Err(wrong());
    }
    let mut value: MetadataValue<Ascii> = format!("Bearer {token}").parse().map_err(|_| wrong())?;
    value.set_sensitive(true);
    Ok(value)
}

fn misconfigured(what: &str, why: &str) -> Error {
    Error::Misconfigured { what: what.to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(builder: Builder) -> bool {
        matches!(builder.build(), Err(Error::Misconfigured { .. }))
    }

    #[tokio::test]
    async fn what_cannot_be_is_refused_before_anything_is_sent() {
        let right = || Client::builder().endpoint("http://127.0.0.1:1");
        assert!(right().build().is_ok());
        assert!(Client::builder().endpoint("unix:/nowhere").build().is_ok());
        assert!(refused(Client::builder()));
        for address in ["", "127.0.0.1:1", "ftp://x", "http://", "http://a b"] {
            assert!(refused(Client::builder().endpoint(address)), "{address}");
        }
        let many = (0..65).fold(Client::builder(), |builder, _| builder.endpoint("http://h:1"));
        assert!(refused(many));
        assert!(refused(right().token("a\nb")) && refused(right().token("")));
        assert!(refused(right().in_flight_max(0)) && refused(right().attempts_max(0)));
        assert!(refused(right().timeout(Duration::ZERO)));
        assert!(refused(right().timeout(Duration::MAX)));
        assert!(refused(Client::builder().endpoint("https://localhost:1")));
    }

    #[test]
    fn a_client_outside_a_runtime_is_an_error_and_no_panic() {
        assert!(refused(Client::builder().endpoint("http://127.0.0.1:1")));
    }

    #[test]
    fn a_token_does_not_print_itself() {
        assert!(!format!("{:?}", bearer("secret").unwrap()).contains("secret"));
    }
}
