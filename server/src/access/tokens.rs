//! The tokens that a node knows: looked up by every call that shows one, changed by admins.
//!
//! A look-up takes no lock; a change is kept in the file first and then known, one at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::caller::Rejected;
use super::file::{TokensFile, TokensFileError};
use super::role::{PermissionSet, Role};
use super::token::{Digest, Token};

/// Tokens that are kept, those that have ended included: far more than people and services.
pub(crate) const TOKENS_MAX: usize = 1_000;

/// Bytes of a token's name.
pub(crate) const NAME_BYTES_MAX: usize = 64;

/// The longest time for which a token is made that ends at all.
pub(crate) const LIFE_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// The time of a token whose maker does not say.
pub(crate) const LIFE: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// What is kept of a token. Times are whole seconds since the UNIX epoch.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) id: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) role: Option<Role>,
    /// Beside those of the role.
    pub(crate) permissions: PermissionSet,
    pub(super) digest: Digest,
    pub(crate) created: u64,
    /// From then on it is refused; none: never.
    pub(crate) expires: Option<u64>,
}

/// A token to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) role: Option<Role>,
    pub(crate) permissions: PermissionSet,
    /// How long it holds; none: for ever.
    pub(crate) life: Option<Duration>,
}

/// Why a token was not made or revoked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    /// The name is no name.
    #[error("`name` must be 1 to {NAME_BYTES_MAX} letters, digits and any of . _ - @ / :")]
    Name,
    /// It would end at once, or in a time that nobody means.
    #[error("`expires_seconds` must be 1 to {}, or null for a token that never ends", LIFE_MAX.as_secs())]
    Life,
    /// There are as many as may be.
    #[error("there are {TOKENS_MAX} tokens already: revoke those that have ended")]
    Full,
    /// There is none of that ID.
    #[error("no token {0}")]
    Unknown(String),
    /// The file takes no change, so there is none.
    #[error(transparent)]
    File(#[from] TokensFileError),
    /// The system has no random bytes.
    #[error("no random bytes: {0}")]
    Random(getrandom::Error),
}

type Records = BTreeMap<Arc<str>, Record>;

/// All tokens.
#[derive(Debug)]
pub(super) struct Tokens {
    records: ArcSwap<Records>,
    /// Held by whoever changes them.
    changing: Mutex<()>,
    /// None: they end with the node.
    file: Option<TokensFile>,
}

impl Tokens {
    /// None yet; they end with the node.
    pub(super) fn none() -> Self {
        Self { records: ArcSwap::default(), changing: Mutex::new(()), file: None }
    }

    /// Those of the file, if there is one.
    pub(super) fn open(file: Option<TokensFile>) -> Result<Self, TokensFileError> {
        let read = file.as_ref().map(TokensFile::read).transpose()?.unwrap_or_default();
        let records = read.into_iter().map(|record| (Arc::clone(&record.id), record)).collect();
        Ok(Self { records: ArcSwap::from_pointee(records), changing: Mutex::new(()), file })
    }

    /// The token that `text` spells, at `now` (seconds since the UNIX epoch).
    pub(super) fn find(&self, text: &[u8], now: u64) -> Result<Record, Rejected> {
        let token = Token::parse(text).ok_or(Rejected::Malformed)?;
        let records = self.records.load();
        let found = records.get(token.id());
        // What takes its time is done for every ID, known or not.
        let is_right = token.digest().is(found.map_or(&Digest::NONE, |record| &record.digest));
        match found {
            Some(record) if is_right && record.has_ended(now) => Err(Rejected::Expired),
            Some(record) if is_right => Ok(record.clone()),
            _ => Err(Rejected::Unknown),
        }
    }

    /// All of them, the oldest first.
    pub(super) fn list(&self) -> Vec<Record> {
        let mut records: Vec<_> = self.records.load().values().cloned().collect();
        records.sort_by_key(|record| record.created);
        records
    }

    /// One of them.
    pub(super) fn show(&self, id: &str) -> Result<Record, ChangeError> {
        let found = self.records.load().get(id).cloned();
        found.ok_or_else(|| ChangeError::Unknown(id.to_owned()))
    }

    /// Whether they outlive the node.
    pub(super) const fn is_kept(&self) -> bool {
        self.file.is_some()
    }

    /// What would be made of `wanted` at `now`; nothing is changed.
    pub(super) fn plan(&self, wanted: &Wanted, now: u64) -> Result<(Token, Record), ChangeError> {
        if !is_name(&wanted.name) {
            return Err(ChangeError::Name);
        }
        let is_right = |life: Duration| (Duration::from_secs(1)..=LIFE_MAX).contains(&life);
        if !wanted.life.is_none_or(is_right) {
            return Err(ChangeError::Life);
        }
        if self.records.load().len() >= TOKENS_MAX {
            return Err(ChangeError::Full);
        }
        let token = Token::generate().map_err(ChangeError::Random)?;
        let record = Record {
            id: token.id().into(),
            name: wanted.name.as_str().into(),
            role: wanted.role,
            permissions: wanted.permissions,
            digest: token.digest(),
            created: now,
            expires: wanted.life.map(|life| now.saturating_add(life.as_secs())),
        };
        Ok((token, record))
    }

    /// Makes a token, which holds once this returns. Waits for the disk.
    pub(super) fn create(&self, wanted: &Wanted, now: u64) -> Result<(Token, Record), ChangeError> {
        let _changing = self.changing.lock();
        let (token, record) = self.plan(wanted, now)?;
        self.change(|records| drop(records.insert(Arc::clone(&record.id), record.clone())))?;
        Ok((token, record))
    }

    /// Revokes a token, which is refused once this returns. Waits for the disk.
    pub(super) fn revoke(&self, id: &str) -> Result<Record, ChangeError> {
        let _changing = self.changing.lock();
        let record = self.show(id)?;
        self.change(|records| drop(records.remove(id)))?;
        Ok(record)
    }

    fn change(&self, change: impl FnOnce(&mut Records)) -> Result<(), ChangeError> {
        let mut records = Records::clone(&self.records.load());
        change(&mut records);
        if let Some(file) = &self.file {
            file.write(records.values())?;
        }
        self.records.store(Arc::new(records));
        Ok(())
    }
}

impl Record {
    /// Whether its time is over at `now`.
    pub(crate) fn has_ended(&self, now: u64) -> bool {
        self.expires.is_some_and(|expires| now >= expires)
    }
}

/// Whether a token may be called so. Names stand in logs and tables as they are.
pub(crate) fn is_name(text: &str) -> bool {
    let is_right = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@/:".contains(&byte);
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_right)
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
