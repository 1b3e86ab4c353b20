//! TLS for what listens and for what connects: certificates from files, one provider, rustls's own
//! safe defaults (TLS 1.2 and 1.3).
//!
//! `settings` is what a listener needs, `door` the handshake, `renewal` the change of certificates
//! while the node serves, `san` the names of clients that are let in.

mod door;
mod material;
mod renewal;
mod san;
mod settings;

pub use self::door::Door;
pub(crate) use self::door::Protocol;
pub(crate) use self::material::PairFiles;
#[allow(unused_imports, reason = "for what connects, which is not here yet")]
pub(crate) use self::material::{Identity, MaterialError, provider, roots};
pub(crate) use self::renewal::{Renewal, run as renew};
pub(crate) use self::san::San;
pub(crate) use self::settings::{ClientAuth, Clients, Tls};
