//! How much one request may hold, on every wire.

/// The most that one request may hold. Texts are measured in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Descriptors in a request.
    pub descriptors_max: usize,
    /// Entries in a descriptor.
    pub entries_max: usize,
    /// The domain's length.
    pub domain_bytes_max: usize,
    /// A key's length.
    pub key_bytes_max: usize,
    /// A value's length.
    pub value_bytes_max: usize,
}
