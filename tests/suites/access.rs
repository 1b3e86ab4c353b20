//! Who may call what, on a real process: tokens that survive, certificates with roles, audit events.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use http::{Method, StatusCode};
use serde_json::Value;
use tollgate_tests::certificates::{Authority, Issued, SanType};
use tollgate_tests::http::{self as client, Answer};
use tollgate_tests::tollgate::{Builder, Tollgate};
use tollgate_tests::wait::{self, Probe};

const NODE: &str = "node.test";

const TOKENS: &str = "tokens_file: tokens.json";

/// For what follows by itself within a second or two.
const BOUND: Duration = Duration::from_secs(20);

/// What the command line prints, as JSON.
fn command(node: &Tollgate, arguments: &[&str]) -> anyhow::Result<Value> {
    let output = node.command_line()?.args(arguments).args(["-o", "json"]).output()?;
    let (said, wrong) = (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned());
    ensure!(output.status.success() && wrong.is_empty(), "{arguments:?}: {wrong}");
    serde_json::from_slice(&said).context("no JSON")
}

/// A new token of a role, and its ID.
fn make(node: &Tollgate, role: &str) -> anyhow::Result<(String, String)> {
    let made = command(node, &["admin", "token", "create", "--name", "t", "--role", role])?;
    let text = |value: &Value| value.as_str().map(str::to_owned).context("no text");
    Ok((text(&made["token"])?, text(&made["made"]["id"])?))
}

async fn whoami(node: &Tollgate, token: &str) -> anyhow::Result<Answer> {
    let bearer = format!("Bearer {token}");
    client::get(node.admin_addr(), "/v1/whoami", &[("authorization", &bearer)]).await
}

async fn holds(node: &Tollgate, token: &str) -> anyhow::Result<bool> {
    let answer = whoami(node, token).await?;
    match answer.status {
        StatusCode::OK => Ok(true),
        StatusCode::UNAUTHORIZED => Ok(false),
        _ => anyhow::bail!("{answer:?}"),
    }
}

#[tokio::test]
async fn tokens_survive_a_restart_and_a_crash_and_their_file_is_their_owners() -> anyhow::Result<()>
{
    let mut node = Tollgate::builder().admin(TOKENS).start().await?;
    let (kept, _) = make(&node, "operator")?;
    let (revoked, id) = make(&node, "viewer")?;
    let file = node.folder().join("tokens.json");
    let mode = fs::metadata(&file)?.permissions().mode() & 0o7777;
    ensure!(mode == 0o600, "mode {mode:o}");
    node.restart().await?;
    ensure!(holds(&node, &kept).await? && holds(&node, &revoked).await?);
    command(&node, &["admin", "token", "revoke", &id, "--yes"])?;
    ensure!(!holds(&node, &revoked).await?);
    // A crash in the middle of the next write leaves half a file beside the whole one.
    node.kill()?;
    let whole = fs::read(&file)?;
    fs::write(node.folder().join("tokens.json.new"), &whole[..whole.len() / 2])?;
    node.start_again().await?;
    ensure!(holds(&node, &kept).await? && !holds(&node, &revoked).await?);
    let (next, _) = make(&node, "viewer")?;
    node.restart().await?;
    ensure!(holds(&node, &kept).await? && holds(&node, &next).await?);
    // Of a secret nothing is kept or told.
    let told = format!("{}{:?}", fs::read_to_string(&file)?, node.log());
    for token in [&kept, &revoked, &next] {
        let secret = token.rsplit('_').next().context("no secret")?;
        ensure!(!told.contains(&secret[..43]), "a secret in {told}");
    }
    Ok(())
}

#[tokio::test]
async fn tokens_without_a_file_end_with_their_node_which_is_said() -> anyhow::Result<()> {
    let mut node = Tollgate::builder().start().await?;
    let mut create = node.command_line()?;
    let create = create.args(["admin", "token", "create", "--name", "t", "--role", "viewer"]);
    let said = String::from_utf8(create.output()?.stdout)?;
    ensure!(said.contains("end with it") && said.contains("tokens_file"), "{said}");
    let (token, _) = make(&node, "viewer")?;
    ensure!(holds(&node, &token).await?);
    node.restart().await?;
    ensure!(!holds(&node, &token).await?);
    let none = command(&node, &["admin", "token", "list"])?;
    ensure!(none["tokens"] == serde_json::json!([]), "{none}");
    Ok(())
}

#[tokio::test]
async fn a_broken_tokens_file_starts_nothing_and_is_named() -> anyhow::Result<()> {
    for text in ["", "{\"version\": 1, \"tok", "{\"version\": 9, \"tokens\": []}"] {
        let node = Tollgate::builder().admin(TOKENS).file("tokens.json", text).start().await;
        let error = format!("{:#}", node.err().context("it started")?);
        ensure!(error.contains("listeners.admin.tokens_file"), "{error}");
        ensure!(error.contains("tokens.json") && error.contains("next: ls -l "), "{error}");
    }
    Ok(())
}

#[tokio::test]
async fn a_token_ends_by_itself() -> anyhow::Result<()> {
    let node = Tollgate::builder().start().await?;
    let arguments =
        ["admin", "token", "create", "--name", "t", "--role", "caller", "--expires", "1s"];
    let made = command(&node, &arguments)?;
    let token = made["token"].as_str().context("no token")?;
    wait::until("the token's end", BOUND, async || match whoami(&node, token).await {
        // A caller of the decision API is known here, and may nothing.
        Ok(answer) if answer.status == StatusCode::FORBIDDEN => Probe::NotYet("it holds".into()),
        Ok(answer) if answer.status == StatusCode::UNAUTHORIZED => Probe::Holds(()),
        other => Probe::Never(format!("{other:?}")),
    })
    .await?;
    ensure!(whoami(&node, token).await?.text().contains("has ended"));
    let listed = command(&node, &["admin", "token", "list"])?;
    ensure!(listed["tokens"][0]["is_expired"] == true, "{listed}");
    Ok(())
}

#[tokio::test]
async fn every_write_is_told_to_the_log_once_and_a_dry_run_is_not() -> anyhow::Result<()> {
    let mut node = Tollgate::builder().start().await?;
    let (_, id) = make(&node, "viewer")?;
    for how in ["--dry-run", "--yes"] {
        command(&node, &["admin", "token", "revoke", &id, how])?;
    }
    let create = ["admin", "token", "create", "--name", "u", "--role", "admin", "--dry-run"];
    let dry = command(&node, &create)?;
    ensure!(dry["dry_run"] == true && dry["token"].is_null(), "{dry}");
    let metrics = node.admin_get("/metrics").await?;
    for action in ["token_created", "token_revoked"] {
        let line = format!("tollgate_audit_events_total{{action=\"{action}\"}} 1");
        ensure!(metrics.text().lines().any(|found| found == line), "no {line}");
    }
    node.stop().await?;
    let log = node.log();
    let events: Vec<_> = log.iter().filter(|event| event["event"] == "audit").collect();
    let [made, revoked] = events[..] else { anyhow::bail!("{events:?}") };
    for (event, action) in [(made, "token_created"), (revoked, "token_revoked")] {
        ensure!(event["action"] == action && event["resource"] == *id, "{event}");
        ensure!(event["who"].as_str().is_some_and(|who| who.starts_with("socket:")), "{event}");
    }
    ensure!(made["before"] == "-" && revoked["after"] == "-", "{made} {revoked}");
    ensure!(made["after"] == revoked["before"], "{made} {revoked}");
    ensure!(made["after"].as_str().is_some_and(|text| text.starts_with("role=viewer")), "{made}");
    Ok(())
}

#[tokio::test]
async fn a_flood_of_wrong_tokens_is_counted_logged_seldom_and_holds_up_nobody() -> anyhow::Result<()>
{
    const CALLS: usize = 300;
    let mut node = Tollgate::builder().start().await?;
    let (right, _) = make(&node, "viewer")?;
    let other = Tollgate::builder().start().await?;
    let (wrong, _) = make(&other, "admin")?;
    for number in 0..CALLS {
        let shown = if number % 2 == 0 { &wrong } else { "tollgate_nonsense" };
        ensure!(!holds(&node, shown).await?);
        ensure!(number % 50 > 0 || holds(&node, &right).await?);
    }
    let metrics = node.admin_get("/metrics").await?;
    let line = format!("tollgate_auth_failures_total{{listener=\"admin\"}} {CALLS}");
    ensure!(metrics.text().lines().any(|found| found == line), "no {line}");
    node.stop().await?;
    let log = node.log();
    let told = log.iter().filter(|event| event["event"] == "auth_failed").count();
    ensure!(told == 9, "{told} lines for {CALLS} calls: each power of two has one");
    Ok(())
}

/// A node whose operators' listener asks for certificates, which have roles.
fn with_roles(authority: &Authority) -> anyhow::Result<Builder> {
    let issued = authority.issue(NODE)?;
    let keys = "tls: {cert: a.crt, key: a.key, client_ca: ca.pem}, roles: \
                [{san: view.test, role: viewer}, {san: '*.ops.test', role: operator}]";
    let node = Tollgate::builder().file("a.crt", &issued.cert).file("a.key", &issued.key);
    Ok(node.file("ca.pem", &authority.pem()).admin(keys))
}

/// One call over TLS on a connection of its own.
async fn call(
    authority: &Authority,
    node: &Tollgate,
    shown: Option<&Issued>,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
) -> anyhow::Result<Answer> {
    let address = node.admin_addr();
    let stream = authority.connect_as(address, NODE, shown, &[b"http/1.1"]).await?;
    let chosen = stream.get_ref().1.alpn_protocol() == Some(b"http/1.1");
    ensure!(chosen, "HTTP/1.1 was not chosen");
    let method: Method = method.parse()?;
    client::send_over(stream, address, method, path, headers, Default::default()).await
}

#[tokio::test]
async fn a_certificate_gives_its_role_and_no_more() -> anyhow::Result<()> {
    let authority = Authority::new()?;
    let node = with_roles(&authority)?.start().await?;
    let issue = |name: &str| authority.issue(name);
    let [viewer, operator, stranger] =
        [issue("view.test")?, issue("a.ops.test")?, issue("other.test")?];
    let counter = format!("/v1/counters/{}", "0".repeat(32));
    for (shown, look, reset, revoke) in [
        (None, 401, 401, 401),
        (Some(&stranger), 401, 401, 401),
        (Some(&viewer), 200, 403, 403),
        // There is no such counter, which only those are told who may reset it.
        (Some(&operator), 200, 404, 403),
    ] {
        for (method, path, expected) in [
            ("GET", "/v1/whoami", look),
            ("DELETE", &*counter, reset),
            ("DELETE", "/v1/tokens/0123456789", revoke),
            ("GET", "/livez", 200),
        ] {
            let answer = call(&authority, &node, shown, (method, path), &[]).await?;
            ensure!(answer.status == expected, "{method} {path}: {answer:?}");
        }
    }
    let answer = call(&authority, &node, Some(&operator), ("GET", "/v1/whoami"), &[]).await?;
    ensure!(answer.text().contains("certificate:a.ops.test"), "{}", answer.text());
    // A token goes before the certificate, and a wrong one is not passed over.
    let (token, _) = make(&node, "viewer")?;
    let bearer = format!("Bearer {token}");
    for (header, expected) in [(&*bearer, 403), ("Bearer wrong", 401)] {
        let (target, header) = (("DELETE", &*counter), [("authorization", header)]);
        let answer = call(&authority, &node, Some(&operator), target, &header).await?;
        ensure!(answer.status == expected, "{answer:?}");
    }
    // A certificate of somebody else's authority is not let in at all.
    let foreign = Authority::new()?.issue("view.test")?;
    let refused = call(&authority, &node, Some(&foreign), ("GET", "/livez"), &[]).await;
    ensure!(refused.is_err(), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn only_a_whole_alternative_name_of_a_living_certificate_gives_a_role() -> anyhow::Result<()>
{
    let authority = Authority::new()?;
    let node = with_roles(&authority)?.start().await?;
    let dns = |name: &str| anyhow::Ok(SanType::DnsName(name.try_into()?));
    for (names, common, expected) in [
        (vec![dns("VIEW.test")?], "*", 200),
        (vec![dns("other.test")?, dns("a.ops.test")?], "*", 200),
        (vec![], "view.test", 401),
        (vec![dns("other.test")?], "view.test", 401),
        (vec![dns("*.ops.test")?], "*", 401),
        (vec![dns("*.test")?], "*", 401),
        (vec![dns("a.b.ops.test")?], "*", 401),
        (vec![dns("view.test.other")?], "*", 401),
        (vec![SanType::Rfc822Name("view.test".try_into()?)], "*", 401),
        (vec![SanType::URI("view.test".try_into()?)], "*", 401),
        (vec![SanType::IpAddress([127, 0, 0, 1].into())], "view.test", 401),
    ] {
        let shown = authority.issue_as(&names, common, false)?;
        let answer = call(&authority, &node, Some(&shown), ("GET", "/v1/whoami"), &[]).await?;
        ensure!(answer.status == expected, "{names:?}, {common}: {answer:?}");
    }
    let ended = authority.issue_as(&[dns("view.test")?], "*", true)?;
    let refused = call(&authority, &node, Some(&ended), ("GET", "/livez"), &[]).await;
    ensure!(refused.is_err(), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn the_operators_listener_speaks_http2_to_those_who_ask() -> anyhow::Result<()> {
    let authority = Authority::new()?;
    let node = with_roles(&authority)?.start().await?;
    let address = node.admin_addr();
    for (offered, chosen) in [
        (&[&b"h2"[..], b"http/1.1"][..], Some(&b"h2"[..])),
        (&[b"http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let stream = authority.connect_as(address, NODE, None, offered).await?;
        ensure!(stream.get_ref().1.alpn_protocol() == chosen, "{offered:?}");
    }
    // In the clear nobody is answered.
    ensure!(node.admin_get("/livez").await.is_err());
    let status = command(&node, &["status"])?;
    let listeners = status["listeners"].as_array().context("no listeners")?;
    let admin = listeners.iter().find(|one| one["name"] == "admin").context("no admin")?;
    ensure!(admin["tls"]["is_expired"] == false, "{admin}");
    Ok(())
}
