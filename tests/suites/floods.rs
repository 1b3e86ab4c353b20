//! Floods of HTTP/2 frames on the decide listener: memory stays bounded, the attacker's connection
//! ends where its frames are worth nothing, and others are served.
//!
//! docs/security.md lists the attacks with their numbers. Each is bounded in frames and connections
//! and ends by itself.

use std::net::SocketAddr;

use anyhow::ensure;
use tollgate_tests::raw_h2::{
    END_HEADERS, END_STREAM, Kind, RawH2, call_head, field, frame, go_away_reason, indexed_field,
    setting,
};
use tollgate_tests::rls::SHOULD_RATE_LIMIT;
use tollgate_tests::tollgate::Tollgate;

use crate::siege::Siege;

/// What one attacking connection may make the node hold, with what a debug build needs to work.
const GROWTH_MAX: u64 = 32 << 20;

/// Frames of one flood, unless its connection is ended before.
const FRAMES: u32 = 100_000;
/// Frames in one write.
const BATCH: u32 = 500;

const FLOW_CONTROL_ERROR: u32 = 3;
const ENHANCE_YOUR_CALM: u32 = 11;

/// How a flood ended.
#[derive(Debug, PartialEq)]
pub(crate) enum End {
    /// The node ended the connection with this reason.
    Refused(u32),
    /// All frames were taken, and the connection lived.
    Taken,
    /// The connection ended without a word that arrived.
    Cut,
}

impl End {
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Cut)
    }
}

/// Sends `first` to `address`, then what `next` makes of 0, 1, 2, … until the connection ends or the flood does.
pub(crate) async fn flood(
    siege: &mut Siege,
    address: SocketAddr,
    first: Vec<u8>,
    mut next: impl FnMut(u32) -> Vec<u8>,
) -> anyhow::Result<End> {
    let attack = async move {
        let mut connection = RawH2::connect(address, &[]).await?;
        let mut taken = connection.send(&first).await;
        let mut number = 0;
        while taken && number < FRAMES && !connection.has_ended() {
            let batch: Vec<u8> = (number..number + BATCH).flat_map(&mut next).collect();
            taken = connection.send(&batch).await;
            number += BATCH;
        }
        let lives = taken && !connection.has_ended();
        let read = connection.finish().await?;
        let end = match go_away_reason(&read) {
            Some(0) | None if lives => End::Taken,
            None => End::Cut,
            Some(reason) => End::Refused(reason),
        };
        eprintln!("{end:?} after {number} frames");
        Ok(end)
    };
    siege.under(GROWTH_MAX, attack).await
}

async fn siege() -> anyhow::Result<Siege> {
    Siege::start(Tollgate::builder()).await
}

/// The number of the call that is opened as the `index`th.
pub(crate) fn stream(index: u32) -> u32 {
    2 * index + 1
}

/// Opens a call; its body is to come.
fn open(index: u32) -> Vec<u8> {
    frame(Kind::Headers, END_HEADERS, stream(index), &call_head(SHOULD_RATE_LIMIT))
}

#[tokio::test]
async fn rapid_reset() -> anyhow::Result<()> {
    let mut siege = siege().await?;
    let at = siege.decide();
    let reset = |index| frame(Kind::Reset, 0, stream(index), &8_u32.to_be_bytes());
    let end = flood(&mut siege, at, vec![], |index| [open(index), reset(index)].concat()).await?;
    ensure!(end.is_refused(), "{end:?}");
    Ok(())
}

#[tokio::test]
async fn resets_that_the_node_is_made_to_send() -> anyhow::Result<()> {
    let mut siege = siege().await?;
    let at = siege.decide();
    // A window that grows by nothing is an error of the stream, which the node must reset.
    let bad = |index| frame(Kind::WindowUpdate, 0, stream(index), &0_u32.to_be_bytes());
    let end = flood(&mut siege, at, vec![], |index| [open(index), bad(index)].concat()).await?;
    ensure!(end.is_refused(), "{end:?}");
    // And so is one that grows beyond what there can be.
    let bad = |index| frame(Kind::WindowUpdate, 0, stream(index), &0x7FFF_FFFF_u32.to_be_bytes());
    let end = flood(&mut siege, at, vec![], |index| [open(index), bad(index)].concat()).await?;
    ensure!(end.is_refused(), "{end:?}");
    // So is a stream that depends on itself, and bytes on a stream that was closed.
    let own = |index: u32| [stream(index).to_be_bytes().as_slice(), &[0]].concat();
    let bad = |index| frame(Kind::Priority, 0, stream(index), &own(index));
    let end = flood(&mut siege, at, vec![], |index| [open(index), bad(index)].concat()).await?;
    ensure!(end.is_refused(), "{end:?}");
    Ok(())
}

#[tokio::test]
async fn header_blocks_without_end() -> anyhow::Result<()> {
    let mut siege = siege().await?;
    let at = siege.decide();
    let first = frame(Kind::Headers, 0, 1, &call_head(SHOULD_RATE_LIMIT));
    let more = frame(Kind::Continuation, 0, 1, &field("x", &"y".repeat(100)));
    let end = flood(&mut siege, at, first.clone(), |_| more.clone()).await?;
    ensure!(end.is_refused(), "{end:?}");
    let empty = frame(Kind::Continuation, 0, 1, &[]);
    let end = flood(&mut siege, at, first, |_| empty.clone()).await?;
    ensure!(end.is_refused(), "{end:?}");
    Ok(())
}

#[tokio::test]
async fn headers_without_names() -> anyhow::Result<()> {
    let mut siege = siege().await?;
    let at = siege.decide();
    let block = [call_head(SHOULD_RATE_LIMIT), field("", "").repeat(1_000)].concat();
    let head = move |index| frame(Kind::Headers, END_HEADERS, stream(index), &block);
    let end = flood(&mut siege, at, vec![], head).await?;
    ensure!(end.is_refused(), "{end:?}");
    Ok(())
}

#[tokio::test]
async fn compressed_heads_that_stand_for_much_more() -> anyhow::Result<()> {
    let mut siege = siege().await?;
    let at = siege.decide();
    // One entry fills the table; each later byte stands for all of it.
    let mut first = call_head(SHOULD_RATE_LIMIT);
    first.extend(indexed_field("bomb", &"b".repeat(4_000)));
    let first = frame(Kind::Headers, END_HEADERS | END_STREAM, 1, &first);
    let block = [call_head(SHOULD_RATE_LIMIT), vec![0xBE; 8_000]].concat();
    let bomb = move |index| frame(Kind::Headers, END_HEADERS, stream(index + 1), &block);
    let end = flood(&mut siege, at, first, bomb).await?;
    ensure!(end.is_refused(), "{end:?}");
    // Small fields stay within the bound of bytes: what they cost in memory is bounded by number.
    let mut first = call_head(SHOULD_RATE_LIMIT);
    first.extend(indexed_field("c", "d"));
    let first = frame(Kind::Headers, END_HEADERS | END_STREAM, 1, &first);
    let block = [call_head(SHOULD_RATE_LIMIT), vec![0xBE; 300]].concat();
    let bomb = move |index| frame(Kind::Headers, END_HEADERS, stream(index + 1), &block);
    flood(&mut siege, at, first, bomb).await?;
    Ok(())
}

#[tokio::test]
async fn bodies_in_tiny_and_in_empty_frames() -> anyhow::Result<()> {
    let mut siege = siege().await?;
    let at = siege.decide();
    let empty = frame(Kind::Data, 0, 1, &[]);
    let end = flood(&mut siege, at, open(0), |_| empty.clone()).await?;
    ensure!(end == End::Refused(ENHANCE_YOUR_CALM), "{end:?}");
    // A message of 200 KB, byte by byte.
    let prefix = frame(Kind::Data, 0, 1, &[0, 0, 3, 0, 0]);
    let byte = frame(Kind::Data, 0, 1, &[0]);
    let end = flood(&mut siege, at, [open(0), prefix].concat(), |_| byte.clone()).await?;
    ensure!(end == End::Refused(ENHANCE_YOUR_CALM), "{end:?}");
    Ok(())
}

#[tokio::test]
async fn questions_that_must_be_answered() -> anyhow::Result<()> {
    let mut siege = siege().await?;
    let at = siege.decide();
    let ping = |index: u32| frame(Kind::Ping, 0, 0, &u64::from(index).to_be_bytes());
    flood(&mut siege, at, vec![], ping).await?;
    let settings = |index: u32| frame(Kind::Settings, 0, 0, &setting(4, 65_535 + index % 2));
    flood(&mut siege, at, vec![], settings).await?;
    let empty = frame(Kind::Settings, 0, 0, &[]);
    flood(&mut siege, at, vec![], |_| empty.clone()).await?;
    Ok(())
}

#[tokio::test]
async fn answers_that_nobody_reads() -> anyhow::Result<()> {
    let mut siege = siege().await?;
    let address = siege.decide();
    let ping = frame(Kind::Ping, 0, 0, &[7; 8]).repeat(10_000);
    let settings = frame(Kind::Settings, 0, 0, &[]).repeat(10_000);
    let attack = async {
        let mut held = Vec::new();
        for flood in [&ping, &settings] {
            for _ in 0..4 {
                let mut connection = RawH2::connect_stalled(address, &[]).await?;
                // The node stops reading where its answers are not taken: this may not end.
                let flooded = async { while connection.send(flood).await {} };
                let bound = std::time::Duration::from_millis(300);
                let _stopped = tokio::time::timeout(bound, flooded).await;
                held.push(connection);
            }
        }
        Ok(held)
    };
    siege.under(GROWTH_MAX, attack).await?;
    Ok(())
}

#[tokio::test]
async fn frames_that_mean_nothing() -> anyhow::Result<()> {
    let mut siege = siege().await?;
    let at = siege.decide();
    let unknown = frame(Kind::Other(0xFA), 0xFF, 0, &[0; 64]);
    flood(&mut siege, at, vec![], |_| unknown.clone()).await?;
    let idle = |index: u32| frame(Kind::Priority, 0, stream(index), &[0, 0, 0, 0, 1]);
    flood(&mut siege, at, vec![], idle).await?;
    let window = frame(Kind::WindowUpdate, 0, 0, &1_u32.to_be_bytes());
    flood(&mut siege, at, vec![], |_| window.clone()).await?;
    let window = frame(Kind::WindowUpdate, 0, 0, &0x7FFF_FFFF_u32.to_be_bytes());
    let end = flood(&mut siege, at, vec![], |_| window.clone()).await?;
    ensure!(end == End::Refused(FLOW_CONTROL_ERROR), "{end:?}");
    Ok(())
}

#[tokio::test]
async fn frames_that_break_the_protocol() -> anyhow::Result<()> {
    let mut siege = siege().await?;
    let at = siege.decide();
    for (what, bad) in [
        ("a body of no call", frame(Kind::Data, 0, 7, b"x")),
        ("a call of an even number", frame(Kind::Headers, END_HEADERS, 2, &[])),
        ("more of no head", frame(Kind::Continuation, END_HEADERS, 1, &[])),
        ("an entry that is not there", frame(Kind::Headers, END_HEADERS, 1, &[0xFE])),
    ] {
        let end = flood(&mut siege, at, bad, |_| vec![]).await?;
        ensure!(end.is_refused(), "{what}: {end:?}");
    }
    Ok(())
}
