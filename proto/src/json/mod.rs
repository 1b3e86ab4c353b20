//! Rate-limit messages in protobuf's JSON form (the ProtoJSON mapping of the protobuf guide).
//!
//! Only the messages of `/json` are mapped, by hand-kept twins: names in lowerCamelCase or as the
//! proto has them, enums by name or number, 64-bit numbers as text or number, `null` as absent,
//! unknown names refused. What is written leaves out default values.

mod number;
mod object;
mod request;
mod response;

pub use object::Object;
pub use request::parse_request;
pub use response::write_response;
