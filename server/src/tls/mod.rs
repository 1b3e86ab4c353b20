//! TLS for what listens and for what connects: certificates from files, one provider, rustls's own
//! safe defaults (TLS 1.2 and 1.3).
//!
//! `client` is what connects; `settings` is what a listener needs, `door` the handshake, `counted`
//! what it may hold, `renewal` the change of certificates while the node serves, `shown` what
//! operators see of it, `san` the names of clients that are let in.

mod client;
mod counted;
mod door;
pub(crate) mod material;
mod renewal;
mod san;
mod settings;
mod shown;

pub(crate) use self::client::ClientTls;
pub use self::door::Door;
pub(crate) use self::door::Protocol;
pub(crate) use self::material::{MaterialError, PairFiles};
pub(crate) use self::renewal::{Renewal, run as renew};
pub(crate) use self::san::San;
pub(crate) use self::settings::{ClientAuth, Clients, Tls};
pub(crate) use self::shown::{Certificate, Shown};
