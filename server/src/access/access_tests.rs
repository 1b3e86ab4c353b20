//! Who somebody is taken for.

use std::time::Duration;

use tollgate_core::time::{ManualClock, Wall};

use super::*;

const AT: ListenerPermissions =
    ListenerPermissions { listener: "http", everybody: PermissionSet::NONE };

fn access(roles: &[(&str, Role)]) -> (Arc<ManualClock>, Access) {
    let clock = Arc::new(ManualClock::starting_at(Wall::from_nanos(1_000 * NANOS_PER_SECOND)));
    let rule =
        |(san, role): &(&str, Role)| CertificateRole { san: San::parse(san).unwrap(), role: *role };
    let roles = roles.iter().map(rule).collect();
    let access = Access::open(None, roles, Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
    (clock, access)
}

fn make(access: &Access, role: Option<Role>, permissions: &[Permission]) -> HeaderValue {
    let permissions = permissions.iter().copied().collect();
    let life = Some(Duration::from_secs(10));
    let wanted = Wanted { name: "t".into(), role, permissions, life };
    let (token, _) = access.create_token(&wanted).unwrap();
    HeaderValue::from_str(&format!("Bearer {}", token.reveal())).unwrap()
}

fn names(all: &[&str]) -> Shown {
    Shown::Names(all.iter().map(|name| San::Dns((*name).to_owned())).collect())
}

fn headers(all: &[&HeaderValue]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in all {
        headers.append(AUTHORIZATION, (*value).clone());
    }
    headers
}

#[test]
fn without_a_header_a_caller_is_anybody_and_with_a_wrong_one_nobody() {
    let (clock, access) = access(&[]);
    let refund: PermissionSet = [Permission::Refund].into_iter().collect();
    let open = ListenerPermissions { listener: "decide", everybody: refund };
    let anybody = access.caller(None, open).unwrap();
    assert_eq!((anybody.who, anybody.permissions), (Who::Anybody, refund));
    let right = make(&access, None, &[Permission::Reset]);
    let caller = access.caller(Some(&right), open).unwrap();
    assert!(caller.expect(Permission::Refund).is_ok() && caller.expect(Permission::Reset).is_ok());
    assert_eq!(
        caller.expect(Permission::InlineLimits),
        Err(Forbidden::Permission(Permission::InlineLimits))
    );
    // Whoever is known may not; whoever shows nothing may come again with credentials.
    let inline = |shown| access.permitted(Permission::InlineLimits, shown, open);
    let forbidden = Forbidden::Permission(Permission::InlineLimits);
    assert_eq!(inline(Some(&right)), Err(forbidden.into()));
    assert_eq!(inline(None), Err(Rejected::Needed(Permission::InlineLimits).into()));
    assert_eq!(access.permitted(Permission::Refund, None, open).unwrap().who, Who::Anybody);
    let text = right.to_str().unwrap();
    for wrong in ["", "Bearer", "Bearer ", "Basic YTpi", &text[..text.len() - 1], &text[7..]] {
        let wrong = HeaderValue::from_str(wrong).unwrap();
        assert_eq!(access.caller(Some(&wrong), open), Err(Rejected::Malformed), "{wrong:?}");
    }
    let long = HeaderValue::from_str(&format!("{text}{}", " x".repeat(200))).unwrap();
    assert_eq!(access.caller(Some(&long), open), Err(Rejected::Malformed));
    clock.advance(Duration::from_secs(10));
    assert_eq!(access.caller(Some(&right), open), Err(Rejected::Expired));
}

#[test]
fn the_scheme_is_known_in_any_case() {
    let (_, access) = access(&[]);
    let right = make(&access, Some(Role::Operator), &[]);
    let text = right.to_str().unwrap().replace("Bearer", "bEARER");
    let caller = access.caller(Some(&HeaderValue::from_str(&text).unwrap()), AT).unwrap();
    assert_eq!(caller.permissions, PermissionSet::ALL);
    assert_eq!(caller.role, Some(Role::Operator));
}

#[test]
fn a_certificate_gives_the_greatest_of_its_roles_and_a_wildcard_none() {
    let (_, access) = access(&[
        ("view.example.com", Role::Viewer),
        ("ops.example.com", Role::Operator),
        ("*.admins.example.com", Role::Admin),
    ]);
    for (shown, expected) in [
        (&["view.example.com"][..], Some(Role::Viewer)),
        (&["view.example.com", "ops.example.com"], Some(Role::Operator)),
        (&["ops.example.com", "view.example.com"], Some(Role::Operator)),
        (&["a.admins.example.com"], Some(Role::Admin)),
        (&["a.b.admins.example.com"], None),
        (&["*.example.com"], None),
        (&["*.admins.example.com"], None),
        (&["other.example.com"], None),
        (&[], None),
    ] {
        let found = access.operator(&HeaderMap::new(), &names(shown));
        assert_eq!(found.as_ref().ok().and_then(|caller| caller.role), expected, "{shown:?}");
        if expected.is_none() {
            assert_eq!(found, Err(Rejected::Missing));
        }
    }
}

#[test]
fn a_token_goes_before_what_the_connection_shows_and_a_wrong_one_is_not_passed_over() {
    let (_, access) = access(&[("ops.example.com", Role::Operator)]);
    let viewer = make(&access, Some(Role::Viewer), &[]);
    let wrong = HeaderValue::from_static("Bearer nothing");
    for shown in [Shown::Socket { uid: 7 }, names(&["ops.example.com"])] {
        let own = access.operator(&HeaderMap::new(), &shown).unwrap();
        assert!(own.role >= Some(Role::Operator));
        let caller = access.operator(&headers(&[&viewer]), &shown).unwrap();
        assert_eq!(caller.role, Some(Role::Viewer));
        for refused in [headers(&[&wrong]), headers(&[&viewer, &viewer])] {
            assert_eq!(access.operator(&refused, &shown), Err(Rejected::Malformed));
        }
    }
}
