//! A group's state on its way to another node: a view, and the frames that it is sent as.
//!
//! ```text
//! frame   := kind u8 · crc32 of kind and payload u32 · payload      (little endian)
//! header  := magic · version u16 · Header                           what it is, and up to where
//! chunk   := number u64 · part of the state                         about 1 MiB
//! trailer := chunks u64 · bytes of them u64 · hash of all frames before u128
//! ```
//!
//! The reader makes a new state of the frames and gives it away only if all of it is right, so a bad
//! stream changes nothing. Neither side holds more than a few frames beside the states.

mod frame;
mod header;
mod receive;
mod send;
mod work;

pub use self::frame::{BadSnapshot, FRAME_BYTES_MAX};
pub use self::receive::{Receiver, Unpacker};
pub use self::send::{Packer, send};
pub use self::work::Work;
use crate::machine::View;
use crate::meta::ClusterId;

/// Whose state a snapshot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whose {
    /// The cluster.
    pub cluster: ClusterId,
    /// The group.
    pub group: u32,
}

/// The state that a snapshot stands for.
#[derive(Clone, Debug)]
pub struct SnapshotData(View);

impl SnapshotData {
    /// Of a picture.
    pub fn new(view: View) -> Self {
        Self(view)
    }

    /// The picture.
    pub fn into_view(self) -> View {
        self.0
    }
}

#[cfg(test)]
mod tests;
