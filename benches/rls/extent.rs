//! How much of everything is measured.

use serde::{Serialize, Serializer};
use tollgate_benches::drive::{Length, Shape};

/// The shapes, by their connections. With few connections 128 calls are in flight, as busy proxies
/// have them; with 64 connections one on each, where system calls are the bill.
pub(crate) const SHAPES: [Shape; 4] = [
    Shape { connections: 2, streams: 64 },
    Shape { connections: 4, streams: 32 },
    Shape { connections: 8, streams: 16 },
    Shape { connections: 64, streams: 1 },
];

/// How much of everything is measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Extent {
    /// Readings of each server, case and shape.
    pub(crate) rounds: u32,
    /// Each reading.
    #[serde(serialize_with = "serialize")]
    pub(crate) length: Length,
    /// Threads of each server that serve.
    pub(crate) workers: usize,
    /// Connections and calls in flight.
    #[serde(skip)]
    pub(crate) shapes: Vec<Shape>,
}

impl Extent {
    /// The length of a reading, in words.
    pub(crate) fn told(&self) -> String {
        told(self.length)
    }
}

fn serialize<S: Serializer>(length: &Length, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(&told(*length))
}

fn told(length: Length) -> String {
    match length {
        Length::Calls(calls) => format!("{calls} calls"),
        Length::Time(time) => format!("{} s", time.as_secs_f64()),
    }
}
