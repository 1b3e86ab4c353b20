//! A charge as a shard takes it, whoever asks for it: a request, a command of the log, a reservation.

use super::holds::Held;
use crate::bucket::{Bucket, Outcome};
use crate::command::{Charging, Holding};
use crate::descriptor::Charge;
use crate::key::{DomainTag, Key};
use crate::limit::Quota;
use crate::plan::{Label, Operation};
use crate::time::Now;

/// A charge, whoever asks for it. It borrows, so that a request's operations and a command's charges
/// are charged by the same code without a copy of either.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Which bucket.
    pub key: Key,
    /// The numbers that judge it.
    pub quota: &'a Quota,
    /// What to spend, look at or give back.
    pub charge: Charge,
    /// Whose share of the store a new bucket counts against.
    pub domain: DomainTag,
    /// What the key stands for.
    pub text: Text<'a>,
}

/// What a key stands for: made into text when a bucket is made, or long before.
#[derive(Clone, Copy, Debug)]
pub enum Text<'a> {
    /// To be made.
    Label(&'a Label<'a>),
    /// Made.
    Kept(&'a str),
}

impl Text<'_> {
    /// A text of its own.
    pub fn to_text(self) -> Box<str> {
        match self {
            Self::Label(label) => label.to_text(),
            Self::Kept(text) => text.into(),
        }
    }
}

impl<'a> From<&'a Operation<'_>> for Asked<'a> {
    fn from(operation: &'a Operation<'_>) -> Self {
        let Operation { key, quota, charge, domain, label, .. } = operation;
        Self { key: *key, quota, charge: *charge, domain: *domain, text: Text::Label(label) }
    }
}

impl<'a> From<&'a Charging> for Asked<'a> {
    fn from(charging: &'a Charging) -> Self {
        let Charging { key, quota, charge, domain, text, .. } = charging;
        Self { key: *key, quota, charge: *charge, domain: *domain, text: Text::Kept(text) }
    }
}

impl<'a> From<&'a Holding> for Asked<'a> {
    fn from(holding: &'a Holding) -> Self {
        Self::from(&holding.charging)
    }
}

impl<'a> From<&Asked<'a>> for Asked<'a> {
    fn from(asked: &Asked<'a>) -> Self {
        *asked
    }
}

/// Charges the bucket, beside what is held of it if anything in its shard is.
pub(super) fn apply(
    asked: &Asked<'_>,
    held: Option<&Held>,
    bucket: &mut Bucket,
    now: Now,
) -> Outcome {
    match held {
        None => bucket.charge(asked.quota, asked.charge, now),
        Some(held) => held.charge(bucket, asked.quota, asked.charge, now),
    }
}
