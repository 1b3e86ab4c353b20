//! Who may call what: bearer tokens, client certificates, the admin socket; roles and permissions.
//!
//! It says who somebody is ([`Access::caller`], `Access::operator`) and what they may do
//! ([`Caller::expect`], [`Caller::expect_role`]). It does not know what is called; adapters ask it
//! only for what needs a permission or a role, so ordinary decisions cost nothing here.

mod caller;
mod file;
mod role;
mod token;
mod tokens;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use tollgate_core::time::{Clock, NANOS_PER_SECOND};
use tollgate_runtime::seldom::Seldom;

pub use self::caller::{Caller, Forbidden, Refusal, Rejected, Who};
use self::file::TokensFile;
pub use self::file::TokensFileError;
pub use self::role::{Permission, PermissionSet, Role};
pub use self::token::Token;
use self::tokens::Tokens;
pub(crate) use self::tokens::{ChangeError, LIFE, LIFE_MAX, Record, Wanted, is_name};
use crate::metrics;
use crate::tls::San;

/// Bytes of an `Authorization` that are looked at: its scheme and a token.
const CREDENTIAL_BYTES_MAX: usize = 256;

/// A role that a client's certificate gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CertificateRole {
    /// The name that the certificate must have.
    pub(crate) san: San,
    /// The role.
    pub(crate) role: Role,
}

/// A listener of the decision API, and what everybody may do there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerPermissions {
    /// The listener's name.
    pub listener: &'static str,
    /// What everybody may do who reaches it.
    pub everybody: PermissionSet,
}

/// What a connection tells of its peer, before any request.
#[derive(Clone, Debug)]
pub(crate) enum Shown {
    /// The admin socket: the peer's user, who has been let in.
    Socket { uid: u32 },
    /// The names in its verified certificate, if it showed one.
    Names(Arc<[San]>),
}

impl Shown {
    const fn listener(&self) -> &'static str {
        match self {
            Self::Socket { .. } => "admin_socket",
            Self::Names(_) => "admin",
        }
    }
}

/// Knows everybody who may do more than anybody. One for all listeners.
pub struct Access {
    tokens: Tokens,
    roles: Vec<CertificateRole>,
    clock: Arc<dyn Clock>,
    failed: Seldom,
}

impl Access {
    /// Knows the tokens of `tokens_file` (without one they end with the node) and the roles that
    /// certificates give.
    ///
    /// # Errors
    /// If what stands in the file is not what a node wrote there.
    pub(crate) fn open(
        tokens_file: Option<PathBuf>,
        roles: Vec<CertificateRole>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TokensFileError> {
        let tokens = Tokens::open(tokens_file.map(TokensFile::new))?;
        Ok(Self { tokens, roles, clock, failed: Seldom::default() })
    }

    /// Knows nobody yet; its tokens end with it.
    pub fn of_nobody(clock: Arc<dyn Clock>) -> Self {
        Self { tokens: Tokens::none(), roles: Vec::new(), clock, failed: Seldom::default() }
    }

    /// Who calls the decision API with this header, and with which permissions: those of the token
    /// and those that everybody has on the listener. Without the header it is anybody; with a wrong
    /// one it is nobody, so that a typing error is not taken for a lesser right.
    ///
    /// To be asked only for what needs a permission: [`Access::permitted`].
    ///
    /// # Errors
    /// [`Rejected`], which has been counted and logged, to be answered with 401 or UNAUTHENTICATED.
    pub fn caller(
        &self,
        authorization: Option<&HeaderValue>,
        listener: ListenerPermissions,
    ) -> Result<Caller, Rejected> {
        let ListenerPermissions { listener, everybody } = listener;
        let Some(credential) = authorization else {
            return Ok(Caller { who: Who::Anybody, role: None, permissions: everybody });
        };
        let known = self.known(credential).map_err(|error| self.refuse(error, listener))?;
        Ok(Caller { permissions: known.permissions.and(everybody), ..known })
    }

    /// Who calls the decision API for what takes `permission`.
    ///
    /// # Errors
    /// [`Refusal`]: whoever shows nothing may come again with credentials, whoever is known may
    /// not.
    pub fn permitted(
        &self,
        permission: Permission,
        authorization: Option<&HeaderValue>,
        listener: ListenerPermissions,
    ) -> Result<Caller, Refusal> {
        let caller = self.caller(authorization, listener)?;
        match caller.expect(permission) {
            Ok(()) => Ok(caller),
            Err(_) if caller.who == Who::Anybody => {
                Err(self.refuse(Rejected::Needed(permission), listener.listener).into())
            }
            Err(forbidden) => Err(forbidden.into()),
        }
    }

    /// Who calls the admin API: whoever the header's token is of, else whoever the connection shows.
    ///
    /// # Errors
    /// [`Rejected`], as of [`Access::caller`], also where nothing was shown that gives a role.
    pub(crate) fn operator(&self, headers: &HeaderMap, shown: &Shown) -> Result<Caller, Rejected> {
        let mut credentials = headers.get_all(AUTHORIZATION).iter();
        let known = match (credentials.next(), credentials.next()) {
            (Some(credential), None) => self.known(credential),
            (None, _) => self.shown(shown).ok_or(Rejected::Missing),
            // Of two, nobody knows which is meant.
            (Some(_), Some(_)) => Err(Rejected::Malformed),
        };
        known.map_err(|error| self.refuse(error, shown.listener()))
    }

    /// All tokens, the oldest first.
    pub(crate) fn tokens(&self) -> Vec<Record> {
        self.tokens.list()
    }

    /// One token.
    pub(crate) fn token(&self, id: &str) -> Result<Record, ChangeError> {
        self.tokens.show(id)
    }

    /// Whether tokens outlive the node.
    pub(crate) const fn keeps_tokens(&self) -> bool {
        self.tokens.is_kept()
    }

    /// What [`Access::create_token`] would make; nothing is changed.
    pub(crate) fn plan_token(&self, wanted: &Wanted) -> Result<Record, ChangeError> {
        Ok(self.tokens.plan(wanted, self.now())?.1)
    }

    /// Makes a token. Waits for the disk.
    pub(crate) fn create_token(&self, wanted: &Wanted) -> Result<(Token, Record), ChangeError> {
        self.tokens.create(wanted, self.now())
    }

    /// Revokes a token. Waits for the disk.
    pub(crate) fn revoke_token(&self, id: &str) -> Result<Record, ChangeError> {
        self.tokens.revoke(id)
    }

    /// Whole seconds since the UNIX epoch.
    pub(crate) fn now(&self) -> u64 {
        self.clock.wall().as_nanos() / NANOS_PER_SECOND
    }

    fn known(&self, credential: &HeaderValue) -> Result<Caller, Rejected> {
        let text = bearer(credential.as_bytes()).ok_or(Rejected::Malformed)?;
        let Record { id, name, role, permissions, .. } = self.tokens.find(text, self.now())?;
        let of_role = role.map_or(PermissionSet::NONE, Role::permissions);
        Ok(Caller { who: Who::Token { id, name }, role, permissions: permissions.and(of_role) })
    }

    fn shown(&self, shown: &Shown) -> Option<Caller> {
        let names = match shown {
            Shown::Socket { uid } => return Some(Caller::owner(*uid)),
            Shown::Names(names) => names,
        };
        // A wildcard in a certificate is a server's: it names nobody.
        let named = names.iter().filter(|name| !name.is_wildcard());
        let given = named.flat_map(|name| {
            let fitting = self.roles.iter().filter(|rule| rule.san.admits(name));
            fitting.map(move |rule| (rule.role, name))
        });
        let (role, name) = given.max_by_key(|(role, _)| *role)?;
        let who = Who::Certificate { san: name.to_string().into() };
        Some(Caller { who, role: Some(role), permissions: role.permissions() })
    }

    /// Counts it; whoever is refused can come back at once, so it is logged seldom.
    fn refuse(&self, error: Rejected, listener: &'static str) -> Rejected {
        metrics::count_auth_failure(listener);
        if let Some(number) = self.failed.count() {
            let reason = error.reason();
            tracing::warn!(event = "auth_failed", listener, number, reason, "{error}");
        }
        error
    }
}

/// Without what it knows.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").finish_non_exhaustive()
    }
}

/// What stands behind the scheme `Bearer` (RFC 6750 §2.1), whatever its case (RFC 9110 §11.1).
fn bearer(credential: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer ";
    if credential.len() > CREDENTIAL_BYTES_MAX {
        return None;
    }
    let (scheme, token) = credential.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| token.trim_ascii())
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
