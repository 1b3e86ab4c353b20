//! Certificates and keys as they stand in PEM files.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, RootCertStore};

use crate::config::open_regular;

/// Bytes of a file of certificates; a system's whole bundle has a quarter of it.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where a certificate and its key stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PairFiles {
    /// The certificate, followed by those that vouch for it.
    pub(crate) cert: PathBuf,
    /// Its key: PKCS#1, PKCS#8 or SEC1.
    pub(crate) key: PathBuf,
}

/// A certificate with the key that belongs to it.
pub(crate) type Identity = Arc<CertifiedKey>;

/// What is wrong with a file of certificates or keys. Never has a part of a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}", path.display())]
pub(crate) struct MaterialError {
    /// The file.
    pub(crate) path: PathBuf,
    /// What is wrong with it.
    pub(crate) what: String,
}

/// The cryptography behind everything that speaks TLS here.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

impl PairFiles {
    /// Reads both files; a key that is not the certificate's is an error.
    ///
    /// # Errors
    /// [`MaterialError`], for the file that is wrong.
    pub(crate) fn load(&self) -> Result<Identity, MaterialError> {
        let chain = certificates(&self.cert)?;
        let wrong = |what: String| MaterialError { path: self.key.clone(), what };
        let key = PrivateKeyDer::from_pem_slice(&read(&self.key)?)
            .map_err(|_| wrong("holds no private key in PEM".to_owned()))?;
        let identity =
            CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
                Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    wrong(format!("is not the key of {}", self.cert.display()))
                }
                error => wrong(format!("cannot serve {}: {error}", self.cert.display())),
            })?;
        Ok(Arc::new(identity))
    }
}

/// The certificates of authorities in a file, to verify the other side with.
///
/// # Errors
/// [`MaterialError`] if it cannot be read, holds none, or holds one that is no authority's.
pub(crate) fn roots(path: &Path) -> Result<RootCertStore, MaterialError> {
    let wrong = |what: String| MaterialError { path: path.to_owned(), what };
    let mut store = RootCertStore::empty();
    for certificate in certificates(path)? {
        store.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    Ok(store)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, MaterialError> {
    let wrong = |what: &str| MaterialError { path: path.to_owned(), what: what.to_owned() };
    let bytes = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if found.is_empty() => Err(wrong("holds no certificate in PEM")),
        Ok(found) => Ok(found),
        Err(_) => Err(wrong("is no PEM file, or one that was cut off")),
    }
}

/// A file of certificates or keys, within bounds.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, MaterialError> {
    let wrong = |what: String| MaterialError { path: path.to_owned(), what };
    let file: File = open_regular(path).map_err(|error| wrong(error.to_string()))?;
    let mut bytes = Vec::new();
    let limited = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    limited.map_err(|error| wrong(error.to_string()))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(wrong(format!("is longer than {FILE_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertifiedKey as Made, generate_simple_self_signed};

    use super::*;

    fn made(folder: &Path, name: &str) -> PairFiles {
        let Made { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).unwrap();
        let pair = PairFiles {
            cert: folder.join(format!("{name}.crt")),
            key: folder.join(format!("{name}.key")),
        };
        fs::write(&pair.cert, cert.pem()).unwrap();
        fs::write(&pair.key, signing_key.serialize_pem()).unwrap();
        pair
    }

    #[test]
    fn a_pair_that_belongs_together_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let pair = made(folder.path(), "a");
        assert_eq!(pair.load().unwrap().cert.len(), 1);
        assert_eq!(roots(&pair.cert).unwrap().len(), 1);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_file_and_never_with_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (made(folder.path(), "a"), made(folder.path(), "b"));
        let mixed = PairFiles { cert: one.cert.clone(), key: other.key.clone() };
        let error = mixed.load().unwrap_err();
        assert_eq!(error.path, other.key);
        assert_eq!(error.what, format!("is not the key of {}", one.cert.display()));
        let missing = PairFiles { cert: folder.path().join("none"), key: one.key.clone() };
        assert_eq!(missing.load().unwrap_err().path, missing.cert);
        let swapped = PairFiles { cert: one.key.clone(), key: one.cert.clone() };
        let text = swapped.load().unwrap_err().to_string();
        assert!(text.ends_with("holds no certificate in PEM"), "{text}");
        let secret = fs::read_to_string(&one.key).unwrap();
        assert!(!secret.lines().any(|line| text.contains(line)));
        fs::write(&one.cert, vec![b'a'; 2 << 20]).unwrap();
        assert!(one.load().unwrap_err().what.contains("longer"));
    }
}
