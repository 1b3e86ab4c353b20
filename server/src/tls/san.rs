//! Names that a client's certificate may have: which ones are let in.

use std::fmt;

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Bytes of one name; no host name is longer, and no URI that names a workload.
const NAME_BYTES_MAX: usize = 2_048;

/// Names of one certificate that are looked at; more come from nobody who means them.
const NAMES_MAX: usize = 100;

/// A name: one that a listener lets in, or one that a certificate has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum San {
    /// A DNS name in lower case without a dot at its end; `*` may stand for its first label.
    Dns(String),
    /// A URI, as SPIFFE has them, letter by letter.
    Uri(String),
}

impl San {
    /// The name that `text` spells: a URI if it has a scheme, else a DNS name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() > NAME_BYTES_MAX {
            return None;
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
            let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
            return (is_scheme && is_visible && !rest.is_empty()).then(|| Self::Uri(text.into()));
        }
        let name = text.to_ascii_lowercase();
        let labels = name.strip_prefix("*.").unwrap_or(&name);
        let is_label = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        // An address is no name, and would match none.
        let is_address = labels.split('.').all(|label| label.bytes().all(|b| b.is_ascii_digit()));
        (labels.split('.').all(is_label) && !is_address).then_some(Self::Dns(name))
    }

    /// A certificate's name, if it is of a kind that is let in. It comes from whoever was vouched
    /// for, and need not be well formed.
    fn of(name: &GeneralName<'_>) -> Option<Self> {
        let is_right = |text: &str| text.len() <= NAME_BYTES_MAX;
        match name {
            GeneralName::DNSName(text) if is_right(text) => {
                let name = text.to_ascii_lowercase();
                Some(Self::Dns(name.strip_suffix('.').map(str::to_owned).unwrap_or(name)))
            }
            GeneralName::URI(text) if is_right(text) => Some(Self::Uri((*text).to_owned())),
            _ => None,
        }
    }

    /// Whether a certificate's name is this one, or one of both stands for the other.
    pub(crate) fn admits(&self, presented: &Self) -> bool {
        match (self, presented) {
            (Self::Dns(allowed), Self::Dns(presented)) => {
                allowed == presented || covers(presented, allowed) || covers(allowed, presented)
            }
            (Self::Uri(allowed), Self::Uri(presented)) => allowed == presented,
            _ => false,
        }
    }

    /// Whether it stands for many names.
    pub(crate) fn is_wildcard(&self) -> bool {
        matches!(self, Self::Dns(name) if name.starts_with('*'))
    }
}

impl fmt::Display for San {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) | Self::Uri(name) => f.write_str(name),
        }
    }
}

/// Whether any of the certificate's names is one of `allowed`.
pub(super) fn admits(allowed: &[San], certificate: &[u8]) -> bool {
    names(certificate).iter().any(|name| allowed.iter().any(|one| one.admits(name)))
}

/// The certificate's subject alternative names, as far as they are of a kind that is let in.
pub(super) fn names(certificate: &[u8]) -> Vec<San> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Vec::new() };
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    names.value.general_names.iter().filter_map(San::of).take(NAMES_MAX).collect()
}

/// Whether `wildcard`, which is one if its first label is `*`, stands for `name` (RFC 6125 §6.4.3:
/// for exactly one label, the first).
fn covers(wildcard: &str, name: &str) -> bool {
    let Some(rest) = wildcard.strip_prefix("*.") else { return false };
    name.split_once('.')
        .is_some_and(|(first, behind)| !first.is_empty() && first != "*" && behind == rest)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    fn certificate(names: Vec<SanType>) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    fn dns(name: &str) -> SanType {
        SanType::DnsName(name.try_into().unwrap())
    }

    fn uri(name: &str) -> SanType {
        SanType::URI(name.try_into().unwrap())
    }

    #[test]
    fn a_name_is_let_in_as_it_stands_or_through_one_leading_wildcard() {
        for (allowed, presented, expected) in [
            ("envoy.infra", dns("envoy.infra"), true),
            ("Envoy.Infra", dns("eNVOY.iNFRA"), true),
            ("envoy.infra", dns("other.infra"), false),
            ("envoy.infra", dns("*.infra"), true),
            ("*.infra", dns("envoy.infra"), true),
            ("*.infra", dns("*.infra"), true),
            ("*.infra", dns("a.b.infra"), false),
            ("a.b.infra", dns("*.infra"), false),
            ("infra", dns("*.infra"), false),
            ("envoy.infra", dns("envoy.infra.evil"), false),
            ("spiffe://td/ns/a/sa/b", uri("spiffe://td/ns/a/sa/b"), true),
            ("spiffe://td/ns/a/sa/b", uri("spiffe://td/ns/a/sa/bb"), false),
            ("spiffe://td/ns/a/sa/b", uri("spiffe://TD/ns/a/sa/b"), false),
            ("envoy.infra", uri("spiffe://envoy.infra"), false),
            ("envoy.infra", SanType::Rfc822Name("envoy.infra".try_into().unwrap()), false),
        ] {
            let name = San::parse(allowed).unwrap();
            let found = admits(&[name], &certificate(vec![presented.clone()]));
            assert_eq!(found, expected, "{allowed} and {presented:?}");
        }
    }

    #[test]
    fn any_name_of_any_entry_does_and_none_does_not() {
        let allowed = [San::parse("a.b").unwrap(), San::parse("spiffe://t/x").unwrap()];
        assert!(admits(&allowed, &certificate(vec![dns("no.no"), uri("spiffe://t/x")])));
        assert!(!admits(&allowed, &certificate(vec![])));
        assert!(!admits(&allowed, b"no certificate"));
        assert!(!admits(&[], &certificate(vec![dns("a.b")])));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", "*", "a..b", "a b", "*.*.b", "a.*.b", "10.0.0.1", "://x", "x://", "a/b"] {
            assert_eq!(San::parse(text), None, "{text}");
        }
        assert_eq!(San::parse(&"a".repeat(NAME_BYTES_MAX + 1)), None);
    }
}
