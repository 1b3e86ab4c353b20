//! HTTP/2 written frame by frame, for what no library would send.
//!
//! It knows how frames look and nothing of what may follow what. Header blocks are literals without
//! Huffman coding, so that a test sees the bytes it sends. Every wait is bounded.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinHandle;

/// The start of every HTTP/2 connection.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// For one write or the end of a connection; a peer that needs longer hangs.
const BOUND: Duration = Duration::from_secs(20);

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Bytes of a body.
    Data,
    /// The start of a header block.
    Headers,
    /// Advice that nobody follows any more.
    Priority,
    /// The end of a stream by force.
    Reset,
    /// Bounds for the other side.
    Settings,
    /// A question that must be answered.
    Ping,
    /// The end of a connection.
    GoAway,
    /// Leave to send more.
    WindowUpdate,
    /// More of a header block.
    Continuation,
    /// One that does not exist.
    Other(u8),
}

/// The body or the header block that ends a stream.
pub const END_STREAM: u8 = 0x1;
/// The answer to settings or a ping.
pub const ACK: u8 = 0x1;
/// The last part of a header block.
pub const END_HEADERS: u8 = 0x4;

impl Kind {
    fn number(self) -> u8 {
        match self {
            Self::Data => 0,
            Self::Headers => 1,
            Self::Priority => 2,
            Self::Reset => 3,
            Self::Settings => 4,
            Self::Ping => 6,
            Self::GoAway => 7,
            Self::WindowUpdate => 8,
            Self::Continuation => 9,
            Self::Other(number) => number,
        }
    }
}

/// A frame with its head.
#[must_use]
pub fn frame(kind: Kind, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind.number(), flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// One setting, as it stands in a frame of settings.
#[must_use]
pub fn setting(number: u16, value: u32) -> Vec<u8> {
    [number.to_be_bytes().as_slice(), &value.to_be_bytes()].concat()
}

/// A header field: a literal that is not indexed. Name and value of at most 126 bytes.
#[must_use]
pub fn field(name: &str, value: &str) -> Vec<u8> {
    literal(0x00, name, value)
}

/// A header field that goes into the dynamic table; later `0xBE` names the newest one.
#[must_use]
pub fn indexed_field(name: &str, value: &str) -> Vec<u8> {
    literal(0x40, name, value)
}

fn literal(kind: u8, name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![kind];
    for text in [name, value] {
        text_length(&mut bytes, text.len());
        bytes.extend(text.as_bytes());
    }
    bytes
}

/// A length with a prefix of seven bits.
fn text_length(bytes: &mut Vec<u8>, length: usize) {
    let byte = |number: usize| number.to_le_bytes()[0];
    if length < 127 {
        return bytes.push(byte(length));
    }
    bytes.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        bytes.push(byte(rest) | 128);
        rest >>= 7;
    }
    bytes.push(byte(rest));
}

/// The head of a gRPC call of `method`.
#[must_use]
pub fn call_head(method: &str) -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", method),
        (":authority", "tollgate"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    fields.iter().flat_map(|(name, value)| field(name, value)).collect()
}

/// One connection. What comes back is read and counted, unless the test stalls.
#[derive(Debug)]
pub struct RawH2 {
    writer: OwnedWriteHalf,
    reading: Reading,
}

#[derive(Debug)]
enum Reading {
    /// Ends with the connection and returns what was read.
    Drains(JoinHandle<Vec<u8>>),
    /// Reads nothing, so that the peer's writes stall.
    Stalls(#[expect(dead_code, reason = "holds the connection open")] OwnedReadHalf),
}

/// What is kept of what came back.
const READ_BYTES_MAX: usize = 4 << 20;

impl RawH2 {
    /// Connects, sends the preface and these settings, and reads whatever comes back.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn connect(address: SocketAddr, settings: &[u8]) -> anyhow::Result<Self> {
        let (mut reader, writer) = start(address, settings).await?;
        let drains = async move {
            let mut all = Vec::new();
            let mut part = vec![0; 64 << 10];
            while let Ok(count @ 1..) = reader.read(&mut part).await {
                if all.len() < READ_BYTES_MAX {
                    all.extend(&part[..count]);
                }
            }
            all
        };
        Ok(Self { writer, reading: Reading::Drains(tokio::spawn(drains)) })
    }

    /// As [`RawH2::connect`], but reads nothing, ever.
    ///
    /// # Errors
    /// When the connection fails.
    pub async fn connect_stalled(address: SocketAddr, settings: &[u8]) -> anyhow::Result<Self> {
        let (reader, writer) = start(address, settings).await?;
        Ok(Self { writer, reading: Reading::Stalls(reader) })
    }

    /// Writes bytes as they are; false once the peer takes no more.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        let written = tokio::time::timeout(BOUND, self.writer.write_all(bytes)).await;
        matches!(written, Ok(Ok(())))
    }

    /// Whether the peer has ended the connection.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(&self.reading, Reading::Drains(reading) if reading.is_finished())
    }

    /// Closes this side and returns what came back.
    ///
    /// # Errors
    /// When the peer does not end the connection in time, or nothing was to be read.
    pub async fn finish(self) -> anyhow::Result<Vec<u8>> {
        let Reading::Drains(reading) = self.reading else {
            anyhow::bail!("this side reads nothing");
        };
        let mut writer = self.writer;
        let _already_closed: io::Result<()> = writer.shutdown().await;
        let read = tokio::time::timeout(BOUND, reading).await;
        Ok(read.context("the peer keeps the connection open")??)
    }
}

async fn start(
    address: SocketAddr,
    settings: &[u8],
) -> anyhow::Result<(OwnedReadHalf, OwnedWriteHalf)> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let hello = [PREFACE, &frame(Kind::Settings, 0, 0, settings)].concat();
    writer.write_all(&hello).await?;
    Ok((reader, writer))
}

/// The frames in what came back: kind, flags, stream and payload of each; a part at the end is left
/// out.
#[must_use]
pub fn frames(mut bytes: &[u8]) -> Vec<(u8, u8, u32, &[u8])> {
    let mut all = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<9>() {
        let [a, b, c, kind, flags, stream @ ..] = *head;
        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        let Some((payload, rest)) = rest.split_at_checked(length) else {
            break;
        };
        all.push((kind, flags, u32::from_be_bytes(stream), payload));
        bytes = rest;
    }
    all
}

/// The reason of the first frame that ends the connection, if there is one.
#[must_use]
pub fn go_away_reason(bytes: &[u8]) -> Option<u32> {
    let frames = frames(bytes);
    let (_, _, _, payload) = frames.iter().find(|(kind, ..)| *kind == Kind::GoAway.number())?;
    payload.get(4..8)?.try_into().ok().map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_reads_as_it_was_written() {
        let bytes = [frame(Kind::Ping, ACK, 0, &[7; 8]), frame(Kind::Data, 0, 5, b"abc")].concat();
        let read = frames(&bytes);
        assert_eq!(read, [(6, 1, 0, &[7; 8][..]), (0, 0, 5, &b"abc"[..])]);
        assert_eq!(frames(&bytes[..bytes.len() - 1]).len(), 1);
        let bytes = frame(Kind::GoAway, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 11]);
        assert_eq!(go_away_reason(&bytes), Some(11));
    }

    #[test]
    fn a_long_text_has_a_long_length() {
        assert_eq!(field("a", "b"), [0, 1, b'a', 1, b'b']);
        assert_eq!(field("a", &"b".repeat(127))[3..5], [127, 0]);
        assert_eq!(field("a", &"b".repeat(127 + 128))[3..6], [127, 0x80, 1]);
    }
}
