//! TLS for what listens and for what connects: certificates from files, one provider, rustls's own
//! safe defaults (TLS 1.2 and 1.3).

mod client;
mod material;

pub(crate) use self::client::ClientTls;
#[allow(unused_imports, reason = "as the module itself")]
pub(crate) use self::material::{Identity, MaterialError, PairFiles, provider, roots};
