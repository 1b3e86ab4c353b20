//! Who calls, and why somebody is not let in.

use std::fmt;
use std::sync::Arc;

use super::role::{Permission, PermissionSet, Role};

/// Somebody who calls, and what they may do.
///
/// A gRPC service behind the admin listener finds it in its request's extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who it is.
    pub who: Who,
    /// What it may do on the admin API; none for callers of the decision API.
    pub role: Option<Role>,
    /// What it may do on the decision API beside the ordinary; those of the role are among them.
    pub permissions: PermissionSet,
}

/// By what somebody is known. Its text stands in audit events; no secret is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// By nothing.
    Anybody,
    /// By the user of the process at the other end of the admin socket.
    Socket {
        /// The user.
        uid: u32,
    },
    /// By a token.
    Token {
        /// The token's public part.
        id: Arc<str>,
        /// What whoever made it called it.
        name: Arc<str>,
    },
    /// By a client's certificate.
    Certificate {
        /// The subject alternative name that a role is given to.
        san: Arc<str>,
    },
}

impl Caller {
    /// The caller over the admin socket: its owner, or root.
    pub fn owner(uid: u32) -> Self {
        let role = Role::Admin;
        Self { who: Who::Socket { uid }, role: Some(role), permissions: role.permissions() }
    }

    /// Expects a permission.
    ///
    /// # Errors
    /// [`Forbidden`], to be answered with 403 or PERMISSION_DENIED.
    pub fn expect(&self, permission: Permission) -> Result<(), Forbidden> {
        let may = self.permissions.contains(permission);
        if may { Ok(()) } else { Err(Forbidden::Permission(permission)) }
    }

    /// Expects a role, or one that may do more.
    ///
    /// # Errors
    /// As of [`Caller::expect`].
    pub fn expect_role(&self, role: Role) -> Result<(), Forbidden> {
        let may = self.role.is_some_and(|own| own >= role);
        if may { Ok(()) } else { Err(Forbidden::Role(role)) }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anybody => f.write_str("anybody"),
            Self::Socket { uid } => write!(f, "socket:{uid}"),
            Self::Token { id, name } => write!(f, "token:{id}:{name}"),
            Self::Certificate { san } => write!(f, "certificate:{san}"),
        }
    }
}

/// Why somebody is not known: to be answered with 401 or UNAUTHENTICATED. Which token was nearly
/// right is told to nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// Nothing was shown where something is needed.
    #[error(
        "credentials are needed: `Authorization: Bearer TOKEN` (`tollgate admin token create` on the node's machine makes one), a client certificate with a role, or the admin socket"
    )]
    Missing,
    /// Nothing was shown, and what is asked for takes a permission that not everybody has here.
    #[error(
        "this needs the permission `{0}`, and so `Authorization: Bearer TOKEN` of a token with it"
    )]
    Needed(Permission),
    /// What was shown is no bearer token of Tollgate's, or one that was mistyped.
    #[error("`Authorization` must be `Bearer` and a whole token of this node")]
    Malformed,
    /// There is no such token; there may have been one.
    #[error("the token is wrong or has been revoked")]
    Unknown,
    /// The token is right, but its time is over.
    #[error("the token has ended; an admin makes another with `tollgate admin token create`")]
    Expired,
}

impl Rejected {
    /// The word of it in the log.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Missing | Self::Needed(_) => "missing",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
        }
    }
}

/// What somebody who is known may not do: to be answered with 403 or PERMISSION_DENIED.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// It takes this permission.
    #[error("this needs the permission `{0}`")]
    Permission(Permission),
    /// It takes this role.
    #[error("this needs the role `{0}`")]
    Role(Role),
}

/// Why a call is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody knows who calls.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// Whoever calls may not.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_may_what_lesser_ones_may_and_nothing_more() {
        let caller = |role| Caller { who: Who::Anybody, role, permissions: PermissionSet::NONE };
        for (own, may) in [
            (None, [false, false, false]),
            (Some(Role::Viewer), [true, false, false]),
            (Some(Role::Operator), [true, true, false]),
            (Some(Role::Admin), [true, true, true]),
        ] {
            let found = [Role::Viewer, Role::Operator, Role::Admin]
                .map(|role| caller(own).expect_role(role).is_ok());
            assert_eq!(found, may, "{own:?}");
        }
        assert!(caller(Some(Role::Viewer)).expect(Permission::Reset).is_err());
        assert!(Caller::owner(0).expect(Permission::Reset).is_ok());
    }

    #[test]
    fn everybody_is_told_in_a_line() {
        let token = Who::Token { id: "0123456789".into(), name: "ci".into() };
        assert_eq!(token.to_string(), "token:0123456789:ci");
        assert_eq!(Who::Socket { uid: 7 }.to_string(), "socket:7");
        assert_eq!(Who::Certificate { san: "a.b".into() }.to_string(), "certificate:a.b");
        assert_eq!(Who::Anybody.to_string(), "anybody");
    }
}
