//! `tollgate.v1.Admin` on a real process: with a token over TCP, and over the admin socket.

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tollgate_proto::v1::admin_client::AdminClient;
use tollgate_proto::v1::decisions_client::DecisionsClient;
use tollgate_proto::v1::subject::Kind;
use tollgate_proto::v1::{
    CheckRequest, Counter, GetCounterRequest, ListCountersRequest, NamedLimit, ReserveRequest,
    ResetCounterRequest, Subject, TopCountersRequest,
};
use tollgate_tests::tollgate::Tollgate;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};

const LIMITS: &str = "limits:\n  hundred: { by: [user], limit: 100, window: 365d }";

/// Counters of the test.
const USERS: u32 = 25;

async fn start() -> anyhow::Result<Tollgate> {
    let node = Tollgate::builder().sections(LIMITS).start().await?;
    let mut client = DecisionsClient::new(node.channel().await?);
    for user in 0..USERS {
        let (subject, hits) = (subject(user), Some(u64::from(user) + 1));
        client.check(CheckRequest { subject, hits, ..Default::default() }).await?;
    }
    Ok(node)
}

fn subject(user: u32) -> Option<Subject> {
    let values = [("user".to_owned(), user.to_string())].into();
    Some(Subject { kind: Some(Kind::Limit(NamedLimit { name: "hundred".into(), values })) })
}

async fn over_tcp(node: &Tollgate) -> anyhow::Result<AdminClient<Channel>> {
    let endpoint = Endpoint::from_shared(format!("http://{}", node.admin_addr()))?;
    Ok(AdminClient::new(endpoint.connect().await?))
}

async fn over_the_socket(node: &Tollgate) -> anyhow::Result<AdminClient<Channel>> {
    let path = node.folder().join("admin.sock");
    let endpoint = Endpoint::from_shared(format!("unix://{}", path.display()))?;
    Ok(AdminClient::new(endpoint.connect().await?))
}

/// The header of a new token of a role.
fn bearer(node: &Tollgate, role: &str) -> anyhow::Result<MetadataValue<Ascii>> {
    let arguments = ["admin", "token", "create", "--name", "t", "--role", role, "-o", "json"];
    let output = node.command_line()?.args(arguments).output()?;
    let made: Value = serde_json::from_slice(&output.stdout)?;
    let token = made["token"].as_str().context("no token")?;
    Ok(format!("Bearer {token}").parse()?)
}

fn asked<T>(message: T, bearer: Option<&MetadataValue<Ascii>>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(bearer) = bearer {
        request.metadata_mut().insert("authorization", bearer.clone());
    }
    request
}

/// Every counter, some a page.
async fn listed(
    client: &mut AdminClient<Channel>,
    bearer: Option<&MetadataValue<Ascii>>,
) -> anyhow::Result<Vec<Counter>> {
    let mut message = ListCountersRequest { page_size: 7, ..Default::default() };
    let mut counters = Vec::new();
    loop {
        let page = client.list_counters(asked(message.clone(), bearer)).await?.into_inner();
        counters.extend(page.counters);
        if page.next_page_token.is_empty() {
            return Ok(counters);
        }
        message.page_token = page.next_page_token;
    }
}

#[tokio::test]
async fn counters_are_listed_shown_and_reset_over_tcp_and_the_socket() -> anyhow::Result<()> {
    let node = start().await?;
    let operator = bearer(&node, "operator")?;
    let ways = [(over_tcp(&node).await?, Some(&operator)), (over_the_socket(&node).await?, None)];
    for (left, (mut client, bearer)) in (0..USERS).rev().zip(ways) {
        let counters = listed(&mut client, bearer).await?;
        ensure!(counters.len() == usize::try_from(left)? + 1, "{}", counters.len());
        ensure!(counters.is_sorted_by(|a, b| a.key < b.key), "{counters:?}");
        let top = TopCountersRequest { count: 1, ..Default::default() };
        let top = client.top_counters(asked(top, bearer)).await?.into_inner().counters;
        let [top] = &top[..] else { anyhow::bail!("{top:?}") };
        ensure!(top.hits == Some(u64::from(left) + 1), "{top:?}");
        ensure!(top.limit == Some(100) && top.domain == "tollgate", "{top:?}");
        let key = top.key.clone();
        let get = GetCounterRequest { key: key.clone() };
        let shown = client.get_counter(asked(get.clone(), bearer)).await?.into_inner();
        ensure!(shown.key == key && shown.hits == top.hits, "{shown:?}");
        for dry_run in [true, false] {
            let reset = ResetCounterRequest { key: key.clone(), dry_run };
            let was = client.reset_counter(asked(reset, bearer)).await?.into_inner();
            ensure!(was.hits == top.hits, "{was:?}");
        }
        let gone = client.get_counter(asked(get, bearer)).await.unwrap_err();
        ensure!(gone.code() == Code::NotFound, "{gone:?}");
    }
    let log = node.log();
    let audits: Vec<_> = log.iter().filter(|line| line["action"] == "counter_reset").collect();
    let who: Vec<_> = audits.iter().filter_map(|line| line["who"].as_str()).collect();
    ensure!(who.len() == 2, "{audits:?}");
    ensure!(who[0].starts_with("token:") && who[1].starts_with("socket:"), "{who:?}");
    Ok(())
}

#[tokio::test]
async fn what_a_reservation_holds_is_shown() -> anyhow::Result<()> {
    let node = start().await?;
    let mut decisions = DecisionsClient::new(node.channel().await?);
    let held = ReserveRequest { subject: subject(0), hits: Some(40), ..Default::default() };
    decisions.reserve(held).await?;
    let mut client = over_the_socket(&node).await?;
    let search = ListCountersRequest { contains: "user=0".into(), ..Default::default() };
    let found = client.list_counters(search).await?.into_inner().counters;
    let [counter] = &found[..] else { anyhow::bail!("{found:?}") };
    ensure!((counter.hits, counter.held, counter.remaining) == (Some(1), 40, Some(59)));
    let shown = node.command_line()?.args(["counters", "show", &counter.key]).output()?;
    let shown = String::from_utf8(shown.stdout)?;
    ensure!(shown.contains("  held    40\n") && shown.contains("  left    59\n"), "{shown}");
    Ok(())
}

#[tokio::test]
async fn without_a_role_nothing_is_told_and_a_viewer_resets_nothing() -> anyhow::Result<()> {
    let node = start().await?;
    let mut client = over_tcp(&node).await?;
    let nobody = client.list_counters(ListCountersRequest::default()).await.unwrap_err();
    ensure!(nobody.code() == Code::Unauthenticated, "{nobody:?}");
    let viewer = bearer(&node, "viewer")?;
    let counters = listed(&mut client, Some(&viewer)).await?;
    let key = counters.first().context("no counter")?.key.clone();
    let reset = ResetCounterRequest { key, dry_run: false };
    let refused = client.reset_counter(asked(reset, Some(&viewer))).await.unwrap_err();
    ensure!(refused.code() == Code::PermissionDenied, "{refused:?}");
    let hits = |all: &[Counter]| all.iter().map(|one| one.hits).collect::<Vec<_>>();
    ensure!(hits(&listed(&mut client, Some(&viewer)).await?) == hits(&counters));
    Ok(())
}
