//! Floods and malformed calls on the operators' listener: nothing is given out, memory stays bounded,
//! and others are served. How single frames are bounded is `floods.rs`; HTTP/2 is the same here.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tollgate_tests::raw_h2::{
    END_HEADERS, END_STREAM, Kind, call_head, field, frame, indexed_field, setting,
};
use tollgate_tests::tollgate::Tollgate;

use crate::floods::{End, flood, stream};
use crate::siege::Siege;

const METHOD: &str = "/tollgate.v1.Admin/List";

/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

async fn siege() -> anyhow::Result<Siege> {
    Siege::start(Tollgate::builder()).await
}

fn open(index: u32) -> Vec<u8> {
    frame(Kind::Headers, END_HEADERS, stream(index), &call_head(METHOD))
}

#[tokio::test]
async fn resets_and_heads_without_end() -> anyhow::Result<()> {
    let mut siege = siege().await?;
    let at = siege.admin();
    let reset = |index| frame(Kind::Reset, 0, stream(index), &8_u32.to_be_bytes());
    let end = flood(&mut siege, at, vec![], |index| [open(index), reset(index)].concat()).await?;
    ensure!(end.is_refused(), "{end:?}");
    let bad = |index| frame(Kind::WindowUpdate, 0, stream(index), &0_u32.to_be_bytes());
    let end = flood(&mut siege, at, vec![], |index| [open(index), bad(index)].concat()).await?;
    ensure!(end.is_refused(), "{end:?}");
    let first = frame(Kind::Headers, 0, 1, &call_head(METHOD));
    for more in [field("x", &"y".repeat(100)), Vec::new()] {
        let more = frame(Kind::Continuation, 0, 1, &more);
        let end = flood(&mut siege, at, first.clone(), |_| more.clone()).await?;
        ensure!(end.is_refused(), "{end:?}");
    }
    Ok(())
}

#[tokio::test]
async fn questions_bombs_and_tiny_frames() -> anyhow::Result<()> {
    let mut siege = siege().await?;
    let at = siege.admin();
    let ping = |index: u32| frame(Kind::Ping, 0, 0, &u64::from(index).to_be_bytes());
    flood(&mut siege, at, vec![], ping).await?;
    let settings = |index: u32| frame(Kind::Settings, 0, 0, &setting(4, 65_535 + index % 2));
    flood(&mut siege, at, vec![], settings).await?;
    let mut first = call_head(METHOD);
    first.extend(indexed_field("bomb", &"b".repeat(4_000)));
    let first = frame(Kind::Headers, END_HEADERS | END_STREAM, 1, &first);
    let block = [call_head(METHOD), vec![0xBE; 8_000]].concat();
    let bomb = move |index| frame(Kind::Headers, END_HEADERS, stream(index + 1), &block);
    let end = flood(&mut siege, at, first, bomb).await?;
    ensure!(end.is_refused(), "{end:?}");
    let empty = frame(Kind::Data, 0, 1, &[]);
    let end = flood(&mut siege, at, open(0), |_| empty.clone()).await?;
    ensure!(end != End::Taken, "{end:?}");
    Ok(())
}

/// For one answer and the end of its connection.
const BOUND: Duration = Duration::from_secs(20);

/// The status that a call as it stands here is answered with; none if there is no answer.
async fn raw(node: &Tollgate, call: &[u8]) -> anyhow::Result<Option<StatusCode>> {
    let mut connection = TcpStream::connect(node.admin_addr()).await?;
    let mut answer = Vec::new();
    let asked = async {
        // A connection that is ended with bytes unread ends with a reset.
        drop(connection.write_all(call).await);
        drop(connection.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await);
    };
    tokio::time::timeout(BOUND, asked).await.context("the connection stays open")?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let Some(line) = text.lines().next() else { return Ok(None) };
    let code = line.split(' ').nth(1).with_context(|| text.clone())?;
    Ok(Some(code.parse()?))
}

#[tokio::test]
async fn no_form_of_a_call_goes_around_the_credentials() -> anyhow::Result<()> {
    let node = Tollgate::builder().start().await?;
    for target in [
        "GET /v1/../v1/tokens",
        "GET /livez/../v1/tokens",
        "GET //v1/tokens",
        "GET /./v1/tokens",
        "GET /%761/tokens",
        "GET /v1%2ftokens",
        "GET /%2e/v1/tokens",
        "GET /V1/tokens",
        "GET /v1/tokens/",
        "GET /v1?/livez",
        "GET /v1;/tokens",
        "GET /livez;/v1/tokens",
        "HEAD /v1/tokens",
        "OPTIONS /v1/tokens",
        "OPTIONS *",
        "CONNECT /v1/tokens",
        "CONNECT node:443",
        "GET http://other/v1/tokens",
        "GET http://other:1/livez/../v1/tokens",
        "get /v1/tokens",
        "DELETE /v1/tokens/0123456789",
    ] {
        for version in ["1.0", "1.1"] {
            let call = format!("{target} HTTP/{version}\r\nhost: x\r\nconnection: close\r\n\r\n");
            let status = raw(&node, call.as_bytes()).await?.context("no answer")?;
            ensure!(matches!(status.as_u16(), 400 | 401 | 404 | 405), "{target}: {status}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_token_counts_only_where_it_is_the_one_and_whole_credential() -> anyhow::Result<()> {
    let node = Tollgate::builder().start().await?;
    let create = ["admin", "token", "create", "--name=t", "--role=admin", "-o=name"];
    let made = node.command_line()?.args(create).output()?;
    let token = String::from_utf8(made.stdout)?;
    let token = token.trim();
    let right = format!("authorization: Bearer {token}\r\n");
    for (headers, expected) in [
        (right.clone(), 200),
        (format!("AUTHORIZATION:bEARER  {token} \r\n"), 200),
        (right.repeat(2), 401),
        (format!("{right}authorization: Basic YTpi\r\n"), 401),
        (format!("authorization:\r\n{right}"), 401),
        (format!("authorization: Bearer {token}, Bearer {token}\r\n"), 401),
        (format!("authorization: Bearer\t{token}\r\n"), 401),
        (format!("authorization: Bearer \u{a0}{token}\r\n"), 401),
        (format!("authorization: Bearer {token}\u{e9}\r\n"), 401),
        (format!("authorization: Bearer {token}=\r\n"), 401),
        (format!("authorization: Bearer {}\r\n", &token[..token.len() - 1]), 401),
        (format!("authorization: Bearer {}\r\n", token.to_uppercase()), 401),
        (format!("authorization: {token}\r\n"), 401),
        (format!("proxy-authorization: Bearer {token}\r\n"), 401),
        (format!("cookie: authorization=Bearer {token}\r\n"), 401),
        (format!("authorization : Bearer {token}\r\n"), 400),
        (format!("authorization: Bearer\r\n {token}\r\n"), 400),
        (format!("authorization: Bearer {}\r\n", "a".repeat(64 << 10)), 431),
    ] {
        let call =
            format!("GET /v1/whoami HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
        let status = raw(&node, call.as_bytes()).await?;
        // What is too long may be ended before all of it was sent.
        let is_right = status.map_or(expected == 431, |status| status == expected);
        ensure!(is_right, "{status:?}, not {expected}: {headers:.200}");
    }
    // What comes behind a call on its connection has to show its own.
    let call = format!(
        "GET /v1/whoami HTTP/1.1\r\nhost: x\r\n{right}\r\nGET /v1/tokens HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    );
    let mut connection = TcpStream::connect(node.admin_addr()).await?;
    connection.write_all(call.as_bytes()).await?;
    let mut answers = String::new();
    let mut answering = connection.take(ANSWER_BYTES_MAX);
    tokio::time::timeout(BOUND, answering.read_to_string(&mut answers)).await??;
    let found = |status: &str| answers.matches(status).count();
    ensure!((found("HTTP/1.1 200"), found("HTTP/1.1 401")) == (1, 1), "{answers}");
    Ok(())
}
