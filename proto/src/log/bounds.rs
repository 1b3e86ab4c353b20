//! How much a batch may hold. Whoever makes one keeps to these; whoever reads one refuses more.

/// Bytes of a batch as it stands in the log. One call of the greatest size fits.
pub const BATCH_BYTES_MAX: usize = 1_024 * 1_024;

/// Calls of a batch.
pub const CALLS_MAX: usize = 1_024;

/// Charges, holdings or parts of one call: a request's hundred descriptors with ten limits each.
pub const CHARGES_MAX: usize = 1_024;

/// What stands for descriptors in one call.
pub const ITEMS_MAX: usize = 1_024;

/// Keys that one call forgets: each is answered with its bucket, which may be 2 KiB.
pub const FORGET_MAX: usize = 128;

/// Bytes of a key's text or a limit's name. What is longer is cut where it is written: the store keeps
/// no more either.
pub const TEXT_BYTES_MAX: usize = 1_024;

/// Bytes of the answers to a batch: what the core lets answers weigh, the one that goes beyond it,
/// and what the wire adds.
pub(super) const ANSWERS_BYTES_MAX: usize = 8 * 1_024 * 1_024;
