//! One sequence of calls to whoever decides: a real node through the client, a decider of this
//! process, and the client's fake. They answer alike, errors included.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tollgate_client::testing::Fake;
use tollgate_client::{Algorithm, Check, Client, Decide, Decision, Error, Inline, Settled, Status};
use tollgate_core::key::KeySecret;
use tollgate_core::store;
use tollgate_core::time::{Clock, ManualClock, NANOS_PER_SECOND, Wall};
use tollgate_server::access::{Access, ListenerPermissions, Permission, PermissionSet};
use tollgate_server::config::Config;
use tollgate_server::decide::{Active, Answers, Decider};
use tollgate_server::in_process::InProcess;
use tollgate_server::native::{Native, Parts};
use tollgate_tests::tollgate::Tollgate;

/// Hits come back within no test, whatever the clock.
const YEAR: Duration = Duration::from_secs(365 * 86_400);
const LIMITS: &str = "limits:\n  login: { by: [user], limit: 5, window: 365d }\n  \
                      tokens: { by: [user], limit: 100, window: 365d }";
const ALL: &str = "permissions: [refund, reset, inline_limits]";

/// Where the fake's clock stands at first.
const START: Wall = Wall::from_nanos(19_675 * 86_400 * NANOS_PER_SECOND);

/// What is told, one text a call. What a clock has its part in is told to those that share one.
struct Told {
    answers: Vec<String>,
    with_times: bool,
}

impl Told {
    fn decision(&mut self, answer: Result<&Decision, &Error>) {
        let text = match answer {
            Err(error) => format!("{} {:?}", error.word(), error.executed()),
            Ok(decision) => {
                let statuses: Vec<_> =
                    decision.statuses().iter().map(|status| self.status(status)).collect();
                let wait = decision.retry_after();
                let wait = if self.with_times { wait } else { wait.map(|_| Duration::ZERO) };
                let (allowed, shadowed) = (decision.allowed(), decision.is_shadowed());
                let is_local = decision.is_local();
                format!("{allowed} {shadowed} {is_local} {wait:?} {statuses:?}")
            }
        };
        self.answers.push(text);
    }

    fn settled(&mut self, answer: Result<&Settled, &Error>) {
        let text = match answer {
            Err(error) => format!("{} {:?}", error.word(), error.executed()),
            Ok(settled) => {
                let statuses: Vec<_> =
                    settled.statuses.iter().map(|status| self.status(status)).collect();
                format!("{} {} {statuses:?}", settled.charged, settled.uncharged)
            }
        };
        self.answers.push(text);
    }

    fn status(&self, status: &Status) -> String {
        let Status { allowed, limit, remaining, reset_after, quota_mode, .. } = status;
        let reset_after = self.with_times.then_some(reset_after);
        format!("{allowed} {limit:?} {remaining} {reset_after:?} {quota_mode}")
    }
}

/// Asks `decider` for everything there is.
async fn story(decider: &impl Decide, with_times: bool) -> Vec<String> {
    let mut told = Told { answers: Vec::new(), with_times };
    checks(decider, &mut told).await;
    reservations(decider, &mut told).await;
    refusals(decider, &mut told).await;
    told.answers
}

fn login(user: &str) -> Check {
    Check::limit("login").value("user", user)
}

fn tokens(hits: u64) -> Check {
    Check::limit("tokens").value("user", "ann").hits(hits)
}

async fn checks(decider: &impl Decide, told: &mut Told) {
    for hits in [2, 0, 2, 2, 1, 1] {
        told.decision(decider.peek(&login("ann").hits(hits)).await.as_ref());
        told.decision(decider.check(&login("ann").hits(hits)).await.as_ref());
    }
    let keyed = login("bob").idempotency_key("one");
    for check in [&keyed, &keyed, &keyed.clone().hits(2), &login("bob").hits(0)] {
        told.decision(decider.check(check).await.as_ref());
    }
    let batch = [login("eve"), Check::limit("nobody"), login("eve").hits(5), login("eve")];
    match decider.check_batch(&batch).await {
        Ok(answers) => answers.iter().for_each(|answer| told.decision(answer.as_ref())),
        Err(error) => told.decision(Err(&error)),
    }
    let none = decider.check_batch(&[]).await;
    told.answers.push(format!("{none:?}"));
    told.decision(decider.refund(&login("ann").hits(3)).await.as_ref());
    told.decision(decider.refund(&login("ann").hits(9)).await.as_ref());
    told.decision(decider.peek(&login("ann")).await.as_ref());
    let bucket = Inline::new("burst", 2, YEAR).algorithm(Algorithm::TokenBucket).burst(3);
    for inline in [Inline::new("mine", 1, YEAR).value("a", "b"), bucket] {
        for _ in 0..2 {
            told.decision(decider.check(&Check::inline(inline.clone())).await.as_ref());
        }
    }
}

async fn reservations(decider: &impl Decide, told: &mut Told) {
    let Ok(all) = decider.reserve(&tokens(100)).await else { return };
    told.decision(Ok(all.decision()));
    told.decision(decider.check(&tokens(1)).await.as_ref());
    let Ok(denied) = decider.reserve(&tokens(1)).await else { return };
    told.decision(Ok(denied.decision()));
    told.settled(denied.commit(1).await.as_ref());
    let ticket = all.ticket().cloned();
    told.settled(all.commit(37).await.as_ref());
    told.decision(decider.check(&tokens(0)).await.as_ref());
    if let Some(ticket) = ticket {
        // Another operation on what was settled.
        told.settled(decider.cancel(&ticket).await.as_ref());
    }
    let Ok(more) = decider.reserve(&tokens(10)).await else { return };
    told.settled(more.commit(80).await.as_ref());
    told.decision(decider.check(&tokens(1)).await.as_ref());
    told.decision(decider.refund(&tokens(50)).await.as_ref());
    let Ok(given_up) = decider.reserve(&tokens(50)).await else { return };
    told.settled(given_up.cancel().await.as_ref());
    told.decision(decider.check(&tokens(50)).await.as_ref());
}

async fn refusals(decider: &impl Decide, told: &mut Told) {
    for check in [
        Check::limit("nobody"),
        login("ann").hits(1_000_000_001),
        login("ann").idempotency_key("ä"),
        Check::inline(Inline::new("i", 1, Duration::ZERO)),
    ] {
        told.decision(decider.check(&check).await.as_ref());
    }
    let endless = tokens(1).hold_for(Duration::from_secs(3_601));
    match decider.reserve(&endless).await {
        Ok(reservation) => told.decision(Ok(reservation.decision())),
        Err(error) => told.decision(Err(&error)),
    }
}

fn in_process(permissions: PermissionSet) -> anyhow::Result<InProcess> {
    let config = Config::parse("tested", LIMITS, Path::new(""));
    let config = config.map_err(|issues| anyhow::anyhow!("{issues:?}"))?;
    let domains = config.domains().map_err(|issues| anyhow::anyhow!("{issues:?}"))?;
    let secret = KeySecret::new([5; 16]);
    let active = Active::new(domains, Answers::default(), &secret);
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::starting_at(START));
    let room = store::Bounds { keys_max: 1 << 16, bytes_max: 1 << 26 };
    let decider = Arc::new(Decider::new(active, secret, room, Arc::clone(&clock)));
    let access = Arc::new(Access::of_nobody(clock));
    let bounds = config.bounds.of_request();
    let listener = ListenerPermissions { listener: "none", everybody: PermissionSet::NONE };
    let native = Native::new(Parts { decider, access, bounds }, listener);
    Ok(InProcess::new(&native, permissions))
}

fn fake() -> Fake {
    Fake::new().limit("login", 5, YEAR).limit("tokens", 100, YEAR)
}

#[tokio::test]
async fn a_node_a_process_and_the_fake_answer_the_same_calls_alike() -> anyhow::Result<()> {
    let node = Tollgate::builder().sections(LIMITS).decide(ALL).start().await?;
    let client = Client::of(format!("http://{}", node.decide_addr()))?;
    let own = in_process(PermissionSet::ALL)?;
    let over_the_wire = story(&client, false).await;
    ensure!(over_the_wire.len() > 35, "a story that breaks off: {over_the_wire:#?}");
    let all = own_and_fake(&own, false).await?;
    for (at, told) in over_the_wire.iter().enumerate() {
        ensure!(all.get(at) == Some(told), "{at}: {told}\nnot {:?}", all.get(at));
    }
    ensure!(all.len() == over_the_wire.len());
    // Those two share a clock, so that times are equal, too.
    own_and_fake(&in_process(PermissionSet::ALL)?, true).await.context("with times")?;
    Ok(())
}

/// What both tell, if it is the same.
async fn own_and_fake(own: &InProcess, with_times: bool) -> anyhow::Result<Vec<String>> {
    let (own, fake) = (story(own, with_times).await, story(&fake(), with_times).await);
    for (at, (own, fake)) in own.iter().zip(&fake).enumerate() {
        ensure!(own == fake, "{at}: in process {own}\nfake {fake}");
    }
    ensure!(own.len() == fake.len());
    Ok(own)
}

#[tokio::test]
async fn what_takes_a_permission_takes_it_in_process_too() -> anyhow::Result<()> {
    let own = in_process(PermissionSet::NONE)?;
    let refused = own.refund(&login("ann")).await.unwrap_err();
    ensure!(refused.word() == "unauthenticated", "{refused:?}");
    let own = in_process([Permission::Refund].into_iter().collect())?;
    ensure!(own.check(&login("ann").hits(5)).await?.allowed());
    let refunded = own.refund(&login("ann").hits(5)).await?;
    ensure!(refunded.remaining() == Some(5), "{refunded:?}");
    let inline = Check::inline(Inline::new("mine", 1, YEAR));
    ensure!(own.check(&inline).await.unwrap_err().word() == "unauthenticated");
    Ok(())
}
