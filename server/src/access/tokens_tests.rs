//! Tokens that are made, found, ended and revoked.

use super::*;

fn wanted(name: &str) -> Wanted {
    let life = Some(Duration::from_secs(10));
    Wanted {
        name: name.to_owned(),
        role: Some(Role::Viewer),
        permissions: PermissionSet::NONE,
        life,
    }
}

fn memory() -> Tokens {
    Tokens::open(None).unwrap()
}

#[test]
fn a_token_holds_from_its_making_to_its_end() {
    let tokens = memory();
    let (token, record) = tokens.create(&wanted("a"), 100).unwrap();
    let text = token.reveal().as_bytes();
    assert_eq!(tokens.find(text, 100).unwrap().id, record.id);
    assert_eq!(tokens.find(text, 109).unwrap().id, record.id);
    assert_eq!(tokens.find(text, 110).unwrap_err(), Rejected::Expired);
    let (token, _) = tokens.create(&Wanted { life: None, ..wanted("b") }, 100).unwrap();
    assert!(tokens.find(token.reveal().as_bytes(), u64::MAX).is_ok());
}

#[test]
fn a_revoked_token_is_as_unknown_as_one_that_never_was() {
    let tokens = memory();
    let (token, record) = tokens.create(&wanted("a"), 0).unwrap();
    tokens.revoke(&record.id).unwrap();
    let stranger = Token::generate().unwrap();
    for text in [token.reveal(), stranger.reveal()] {
        assert_eq!(tokens.find(text.as_bytes(), 0).unwrap_err(), Rejected::Unknown);
    }
    assert!(matches!(tokens.revoke(&record.id), Err(ChangeError::Unknown(_))));
    assert_eq!(tokens.find(b"tollgate_", 0).unwrap_err(), Rejected::Malformed);
}

#[test]
fn a_whole_token_with_the_id_of_another_is_refused_even_when_that_one_has_ended() {
    let tokens = memory();
    let (token, record) = tokens.create(&wanted("a"), 0).unwrap();
    let other = Token::generate().unwrap();
    let mut records = Records::clone(&tokens.records.load());
    let swapped = Record { digest: other.digest(), ..record };
    records.insert(Arc::clone(&swapped.id), swapped);
    tokens.records.store(Arc::new(records));
    for now in [0, 1_000] {
        let found = tokens.find(token.reveal().as_bytes(), now);
        assert_eq!(found.unwrap_err(), Rejected::Unknown, "at {now}");
    }
}

#[test]
fn a_plan_changes_nothing() {
    let tokens = memory();
    let (token, _) = tokens.plan(&wanted("a"), 0).unwrap();
    assert_eq!(tokens.find(token.reveal().as_bytes(), 0).unwrap_err(), Rejected::Unknown);
    assert!(tokens.list().is_empty());
}

#[test]
fn there_is_a_bound_and_revoking_makes_room() {
    let tokens = memory();
    for number in 0..TOKENS_MAX {
        tokens.create(&wanted("a"), number as u64).unwrap();
    }
    assert!(matches!(tokens.create(&wanted("a"), 0), Err(ChangeError::Full)));
    let listed = tokens.list();
    assert!(listed.is_sorted_by_key(|record| record.created));
    tokens.revoke(&listed[0].id).unwrap();
    tokens.create(&wanted("a"), 0).unwrap();
}

#[test]
fn names_and_times_that_nobody_means_are_refused() {
    let tokens = memory();
    for name in ["", "a b", "a\n", "ä", "\u{1b}[31m", &"a".repeat(NAME_BYTES_MAX + 1)] {
        assert!(matches!(tokens.create(&wanted(name), 0), Err(ChangeError::Name)), "{name:?}");
    }
    for life in [Duration::ZERO, LIFE_MAX + Duration::from_secs(1), Duration::MAX] {
        let wanted = Wanted { life: Some(life), ..wanted("a") };
        assert!(matches!(tokens.create(&wanted, 0), Err(ChangeError::Life)), "{life:?}");
    }
    tokens.create(&wanted("ops@example.com/ci:1_a-b"), 0).unwrap();
}

#[test]
fn a_change_that_cannot_be_kept_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.json");
    let tokens = Tokens::open(Some(TokensFile::new(path.clone()))).unwrap();
    let (kept, record) = tokens.create(&wanted("a"), 0).unwrap();
    std::fs::create_dir(folder.path().join("tokens.json.new")).unwrap();
    assert!(matches!(tokens.create(&wanted("b"), 0), Err(ChangeError::File(_))));
    assert!(matches!(tokens.revoke(&record.id), Err(ChangeError::File(_))));
    assert_eq!(tokens.list().len(), 1);
    assert!(tokens.find(kept.reveal().as_bytes(), 0).is_ok());
    let again = Tokens::open(Some(TokensFile::new(path))).unwrap();
    assert!(again.find(kept.reveal().as_bytes(), 0).is_ok());
}
