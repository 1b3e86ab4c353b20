//! What must hold for any input from a socket or a file: one function a target.
//!
//! A target takes bytes and panics if a promise is broken, so the same function serves libFuzzer
//! (`fuzz/run`, driven by `cargo xtask fuzz`) and an ordinary test that replays the corpora. A
//! target reads no clock, no file and no environment: the same bytes always do the same.

mod config;
mod json;
mod native;
mod native_json;
mod native_rig;
mod places;
mod ratelimit;
mod rig;
mod rls;
mod rounds;
mod xds;
mod yaml;

pub use config::config;
pub use json::json;
pub use native::native;
pub use native_json::native_json;
pub use ratelimit::ratelimit;
pub use rls::rls;
pub use xds::xds;

/// A function that panics if an input breaks a promise.
pub type Target = fn(&[u8]);

/// Every target, by the name of its binary in `fuzz/run` and of its folders here.
pub const TARGETS: [(&str, Target); 7] = [
    ("rls", rls),
    ("json", json),
    ("ratelimit", ratelimit),
    ("config", config),
    ("xds", xds),
    ("native", native),
    ("native_json", native_json),
];
