//! The secret that the nodes of a cluster share: whoever shows it is one of them.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use tonic::metadata::{BinaryMetadataValue, MetadataMap};

/// Bytes of a secret, at least: 128 bits are beyond guessing.
pub const SECRET_BYTES_MIN: usize = 16;

/// Bytes of a secret, at most: it travels with every call.
pub const SECRET_BYTES_MAX: usize = 1_024;

const METADATA: &str = "tollgate-peer-secret-bin";

/// The cluster's secret. No text shows it.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// A secret of [`SECRET_BYTES_MIN`] to [`SECRET_BYTES_MAX`] bytes; nothing if there are fewer or
    /// more.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&bytes.len()).then_some(Self(bytes))
    }

    pub(super) fn show(&self, metadata: &mut MetadataMap) {
        let mut value = BinaryMetadataValue::from_bytes(&self.0);
        value.set_sensitive(true);
        metadata.insert_bin(METADATA, value);
    }

    /// Takes as long whatever the bytes are.
    pub(super) fn is_shown(&self, metadata: &MetadataMap) -> bool {
        let shown = metadata.get_bin(METADATA).and_then(|value| value.to_bytes().ok());
        shown.is_some_and(|shown| verify_slices_are_equal(&shown, &self.0).is_ok())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_secret_is_let_in() {
        let secret = |fill: u8| Secret::new(vec![fill; SECRET_BYTES_MIN]).unwrap();
        let mut metadata = MetadataMap::new();
        assert!(!secret(1).is_shown(&metadata));
        secret(1).show(&mut metadata);
        assert!(secret(1).is_shown(&metadata));
        assert!(!secret(2).is_shown(&metadata));
        assert!(!format!("{metadata:?} {:?}", secret(1)).contains('1'));
        assert!(Secret::new(vec![1; SECRET_BYTES_MIN - 1]).is_none());
    }
}
