//! The fake against what a node would answer, and its own clock, failures and memory.

use super::*;
use crate::{Descriptor, Executed, Inline};

const MINUTE: Duration = Duration::from_secs(60);

fn login() -> Check {
    Check::limit("login").value("client", "alice")
}

fn word<T: std::fmt::Debug>(answer: Result<T, Error>) -> String {
    answer.unwrap_err().word().to_owned()
}

#[tokio::test]
async fn the_hit_after_the_last_allowed_one_is_denied_until_the_window_turns() {
    let fake = Fake::new().limit("login", 2, MINUTE);
    fake.advance(Duration::from_secs(20));
    for left in [1, 0] {
        assert_eq!(fake.check(&login()).await.unwrap().remaining(), Some(left));
    }
    let denied = fake.check(&login()).await.unwrap();
    assert!(!denied.allowed() && !denied.is_local());
    assert_eq!(denied.retry_after(), Some(Duration::from_secs(40)));
    assert!(fake.check(&Check::limit("login").value("client", "bob")).await.unwrap().allowed());
    fake.advance(Duration::from_secs(40));
    assert!(fake.check(&login()).await.unwrap().allowed());
}

#[tokio::test]
async fn a_peek_tells_what_a_check_would_be_told_and_spends_nothing() {
    let fake = Fake::new().limit("login", 5, MINUTE);
    for _ in 0..3 {
        assert_eq!(fake.peek(&login().hits(2)).await.unwrap().remaining(), Some(3));
        assert!(!fake.peek(&login().hits(6)).await.unwrap().allowed());
    }
    assert_eq!(fake.check(&login()).await.unwrap().remaining(), Some(4));
}

#[tokio::test]
async fn of_a_reservation_only_what_was_needed_is_spent() {
    let fake = Fake::new().limit("tokens", 100, MINUTE);
    let all = Check::limit("tokens").hits(100);
    let one = Check::limit("tokens");
    let reservation = fake.reserve(&all).await.unwrap();
    assert!(reservation.allowed() && !fake.check(&one).await.unwrap().allowed());
    let ticket = reservation.ticket().unwrap().clone();
    let settled = reservation.commit(37).await.unwrap();
    assert_eq!((settled.charged, settled.uncharged), (37, 0));
    assert_eq!(fake.check(&one).await.unwrap().remaining(), Some(62));
    assert_eq!(word(fake.commit(&ticket, 1).await), "unknown_reservation");

    let cancelled = fake.reserve(&Check::limit("tokens").hits(62)).await.unwrap();
    cancelled.cancel().await.unwrap();
    assert_eq!(fake.check(&one).await.unwrap().remaining(), Some(61));
}

#[tokio::test]
async fn a_reservation_that_nobody_settles_ends_by_itself() {
    let fake = Fake::new().limit("tokens", 10, Duration::from_secs(3600));
    let check = Check::limit("tokens").hits(10).hold_for(Duration::from_secs(5));
    let ticket = fake.reserve(&check).await.unwrap().ticket().unwrap().clone();
    let denied = fake.reserve(&check).await.unwrap();
    assert!(!denied.allowed() && denied.ticket().is_none());
    assert_eq!(denied.commit(3).await.unwrap().uncharged, 3);
    fake.advance(Duration::from_secs(5));
    assert_eq!(word(fake.commit(&ticket, 1).await), "unknown_reservation");
    assert_eq!(fake.check(&Check::limit("tokens")).await.unwrap().remaining(), Some(9));
}

#[tokio::test]
async fn the_same_check_with_the_same_key_counts_once_for_ten_seconds() {
    let fake = Fake::new().limit("login", 5, MINUTE);
    let keyed = login().idempotency_key("one");
    let first = fake.check(&keyed).await.unwrap();
    assert_eq!(fake.check(&keyed).await.unwrap(), first);
    assert_eq!(fake.peek(&login().hits(0)).await.unwrap().remaining(), Some(4));
    assert_eq!(word(fake.check(&keyed.clone().hits(2)).await), "idempotency_conflict");
    fake.advance(Duration::from_secs(10));
    assert_eq!(fake.check(&keyed).await.unwrap().remaining(), Some(3));
}

#[tokio::test]
async fn refunds_inline_limits_and_descriptors_count_as_a_nodes_do() {
    let fake = Fake::new().limit("login", 2, MINUTE).rule("api", &["user"], 1, MINUTE);
    let _ = fake.check(&login().hits(2)).await.unwrap();
    let _ = fake.refund(&login()).await.unwrap();
    assert_eq!(fake.check(&login()).await.unwrap().remaining(), Some(0));

    let inline = Inline::new("burst", 2, MINUTE).algorithm(Algorithm::TokenBucket).burst(3);
    assert_eq!(fake.check(&Check::inline(inline)).await.unwrap().remaining(), Some(2));

    let descriptors = [("user", "alice"), ("nobody", "counts")];
    let descriptors = descriptors.map(|pair| Descriptor::new([pair]));
    let check = Check::descriptors("api", descriptors);
    let passed = fake.check(&check).await.unwrap();
    assert_eq!((passed.allowed(), passed.statuses().len()), (true, 2));
    assert!(passed.statuses()[1].limit.is_none());
    assert!(!fake.check(&check).await.unwrap().allowed());
}

#[tokio::test]
async fn what_a_node_refuses_is_refused() {
    let fake = Fake::new().limit("login", 2, MINUTE);
    assert_eq!(word(fake.check(&Check::limit("none")).await), "unknown_limit");
    assert_eq!(word(fake.check(&login().hits(1_000_000_001)).await), "bad_request");
    assert_eq!(word(fake.check(&login().idempotency_key("ä")).await), "bad_request");
    assert_eq!(word(fake.reserve(&login().hold_for(Duration::ZERO)).await), "bad_request");
    assert_eq!(
        word(fake.check(&Check::inline(Inline::new("i", 1, Duration::ZERO))).await),
        "bad_request"
    );
}

#[tokio::test]
async fn it_fails_when_told_to_and_remembers_what_it_was_asked() {
    let fake = Fake::new().limit("login", 2, MINUTE);
    fake.fail_next(Error::Overloaded { in_flight_max: 1 });
    let error = fake.check(&login()).await.unwrap_err();
    assert_eq!((error.word(), error.executed()), ("overloaded", Executed::No));
    let batch = fake.check_batch(&[login(), Check::limit("none")]).await.unwrap();
    assert_eq!(batch[0].as_ref().unwrap().remaining(), Some(1));
    assert!(batch[1].is_err());
    let asked = [login(), login(), Check::limit("none")].map(Asked::Check);
    assert_eq!(fake.calls(), asked);
}
