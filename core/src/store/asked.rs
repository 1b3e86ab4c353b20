//! A charge as a shard takes it, whether a request asks for it or a reservation.

use super::holds::Held;
use crate::bucket::{Bucket, Outcome};
use crate::descriptor::Charge;
use crate::key::{DomainTag, Key};
use crate::limit::Quota;
use crate::plan::Label;
use crate::time::Now;

/// A charge, whoever asks for it.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) key: Key,
    pub(super) quota: &'a Quota,
    pub(super) charge: Charge,
    pub(super) domain: DomainTag,
    pub(super) text: Text<'a>,
    /// Keys of the whole request.
    pub(super) pinned: &'a [Key],
}

/// What a key stands for: made into text when a bucket is made, or long before.
#[derive(Clone, Copy)]
pub(super) enum Text<'a> {
    Label(&'a Label<'a>),
    Kept(&'a str),
}

impl Text<'_> {
    pub(super) fn to_text(self) -> Box<str> {
        match self {
            Self::Label(label) => label.to_text(),
            Self::Kept(text) => text.into(),
        }
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
