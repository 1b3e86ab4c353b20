//! Tokens over the admin API: listing, making and revoking them, and who the caller is.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use tollgate_core::time::{NANOS_PER_SECOND, Wall};

use super::api::Refused;
use super::instant;
use super::view::{Revoked, TokenCreated, TokenRow, Tokens, Whoami};
use crate::access::{
    Access, Caller, ChangeError, LIFE, LIFE_MAX, Permission, Record, Role, Wanted, Who,
};
use crate::audit::{self, Action, Audit, NOTHING};
use crate::http::v1::Object;

/// The body of `POST /v1/tokens`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TokenRequest")]
pub(crate) struct Asked {
    /// What it is called: 1 to 64 letters, digits and any of . _ - @ / :
    #[schemars(regex(pattern = "^[A-Za-z0-9._@/:-]{1,64}$"))]
    name: String,
    /// Its role. Absent or null: a caller of the decision API.
    #[serde(default)]
    role: Option<Role>,
    /// Permissions beside those of the role.
    #[serde(default)]
    permissions: Vec<Permission>,
    /// How long it lasts. Absent: 90 days; null: it never ends.
    #[serde(default, deserialize_with = "present")]
    #[schemars(range(min = 1, max = LIFE_MAX.as_secs()))]
    expires_seconds: Option<Option<u64>>,
}

/// Tells a value that is null from one that is absent.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(from).map(Some)
}

impl Asked {
    fn wanted(self) -> Wanted {
        let life = self.expires_seconds.map(|seconds| seconds.map(Duration::from_secs));
        Wanted {
            name: self.name,
            role: self.role,
            permissions: self.permissions.into_iter().collect(),
            life: life.unwrap_or(Some(LIFE)),
        }
    }
}

/// Who the caller is taken for.
pub(super) fn whoami(caller: &Caller) -> Whoami {
    Whoami {
        who: caller.who.to_string(),
        role: caller.role.map(|role| role.name().to_owned()),
        permissions: caller.permissions.iter().map(|one| one.name().to_owned()).collect(),
    }
}

/// All tokens, without their secrets.
pub(super) fn list(access: &Access) -> Tokens {
    let now = access.now();
    let tokens = access.tokens().iter().map(|record| row(record, now)).collect();
    Tokens { tokens, end_with_node: !access.keeps_tokens() }
}

/// Makes the token that `body` asks for, or says what would be made.
pub(super) fn create(
    access: &Access,
    who: &Who,
    body: &[u8],
    dry_run: bool,
) -> Result<TokenCreated, Refused> {
    let Object(asked): Object<Asked> = serde_json::from_slice(body).map_err(|error| {
        Refused::bad_request(format!(
            "a token is {{name, role, permissions, expires_seconds}}: {error}"
        ))
    })?;
    let (wanted, end_with_node) = (asked.wanted(), !access.keeps_tokens());
    if dry_run {
        let record = access.plan_token(&wanted)?;
        // The next one gets another.
        let made = TokenRow { id: String::new(), ..row(&record, access.now()) };
        return Ok(TokenCreated { made, token: None, end_with_node, dry_run });
    }
    let (token, record) = access.create_token(&wanted)?;
    audit::write(&Audit {
        who,
        action: Action::TokenCreated,
        target: &record.id,
        label: &record.name,
        before: &NOTHING,
        after: &words(&record),
    });
    let made = row(&record, access.now());
    Ok(TokenCreated { made, token: Some(token.reveal().to_owned()), end_with_node, dry_run })
}

/// Revokes a token, or says which would be.
pub(super) fn revoke(
    access: &Access,
    who: &Who,
    id: &str,
    dry_run: bool,
) -> Result<Revoked, Refused> {
    if dry_run {
        return Ok(Revoked { revoked: row(&access.token(id)?, access.now()), dry_run });
    }
    let record = access.revoke_token(id)?;
    audit::write(&Audit {
        who,
        action: Action::TokenRevoked,
        target: &record.id,
        label: &record.name,
        before: &words(&record),
        after: &NOTHING,
    });
    Ok(Revoked { revoked: row(&record, access.now()), dry_run })
}

fn row(record: &Record, now: u64) -> TokenRow {
    TokenRow {
        id: record.id.to_string(),
        name: record.name.to_string(),
        role: record.role.map(|role| role.name().to_owned()),
        permissions: record.permissions.iter().map(|one| one.name().to_owned()).collect(),
        created_at: instant(record.created),
        expires_at: record.expires.map(instant),
        is_expired: record.has_ended(now),
    }
}

/// A token in an audit event: `role=operator permissions=refund expires=2026-11-24T11:13:05Z`.
fn words(record: &Record) -> String {
    let role = record.role.map_or("caller", Role::name);
    let permissions: Vec<_> = record.permissions.iter().map(Permission::name).collect();
    let permissions =
        if permissions.is_empty() { NOTHING.to_owned() } else { permissions.join(",") };
    let expires = record.expires.map_or_else(|| "never".to_owned(), instant);
    format!("role={role} permissions={permissions} expires={expires}")
}

fn instant(seconds: u64) -> String {
    instant::rfc3339(Wall::from_nanos(seconds.saturating_mul(NANOS_PER_SECOND)))
}

impl From<ChangeError> for Refused {
    fn from(error: ChangeError) -> Self {
        let message = error.to_string();
        match error {
            ChangeError::Name | ChangeError::Life => Self::bad_request(message),
            ChangeError::Unknown(_) => Self::not_found("no_token", message),
            ChangeError::Full => Self::unavailable("no_room", message),
            ChangeError::File(_) | ChangeError::Random(_) => {
                tracing::error!(event = "token_not_changed", error = message);
                Self::internal(message)
            }
        }
    }
}
