//! A token's text: `tollgate_ID_SECRETCHECK`.
//!
//! The ID (10 digits) is public and names the token; the secret is 256 random bits (43 digits); the
//! check (6 digits) is the CRC-32 of all before it, so that a typing error and a truncated paste are
//! told without looking anything up, and scanners for leaked secrets know one for certain. Digits
//! are those of base 62. Of the secret only its SHA-256 is kept: 256 random bits need no slow hash.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;

const PREFIX: &str = "tollgate_";
const ID_DIGITS: usize = 10;
const SECRET_DIGITS: usize = 43;
const CHECK_DIGITS: usize = 6;
const SECRET_BYTES: usize = 32;

/// Bytes of a token's text.
pub(super) const TOKEN_BYTES: usize = PREFIX.len() + ID_DIGITS + 1 + SECRET_DIGITS + CHECK_DIGITS;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A token as its owner has it.
///
/// Its text is secret: nothing shows it but `Token::reveal`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    text: String,
}

/// The SHA-256 of a secret, which compares in constant time.
#[derive(Clone, Copy)]
pub(super) struct Digest([u8; digest::SHA256_OUTPUT_LEN]);

impl Token {
    /// A new one of random bits.
    ///
    /// # Errors
    /// If the system has none.
    pub(super) fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; SECRET_BYTES];
        getrandom::fill(&mut bytes)?;
        let secret = base62(&mut bytes, SECRET_DIGITS);
        getrandom::fill(&mut bytes)?;
        let id = base62(&mut bytes, ID_DIGITS);
        let mut text = format!("{PREFIX}{id}_{secret}");
        text.push_str(&check(text.as_bytes()));
        Ok(Self { text })
    }

    /// The token that `text` is.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        if text.len() != TOKEN_BYTES {
            return None;
        }
        let text = str::from_utf8(text).ok()?;
        let (id, rest) = text.strip_prefix(PREFIX)?.split_at_checked(ID_DIGITS)?;
        let digits = rest.strip_prefix('_')?;
        let is_digit = |byte: u8| byte.is_ascii_alphanumeric();
        if !id.bytes().chain(digits.bytes()).all(is_digit) {
            return None;
        }
        let (before, found) = text.split_at_checked(TOKEN_BYTES - CHECK_DIGITS)?;
        (check(before.as_bytes()) == found).then(|| Self { text: text.to_owned() })
    }

    /// Its public part.
    pub(super) fn id(&self) -> &str {
        &self.text[PREFIX.len()..PREFIX.len() + ID_DIGITS]
    }

    /// What is kept of its secret.
    pub(super) fn digest(&self) -> Digest {
        let start = PREFIX.len() + ID_DIGITS + 1;
        Digest::of(&self.text.as_bytes()[start..start + SECRET_DIGITS])
    }

    /// Its text, for the one answer that shows it.
    pub(crate) fn reveal(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}, its secret hidden)", self.id())
    }
}

impl Digest {
    /// What no secret has: to be compared with where there is no token, which takes as long.
    pub(super) const NONE: Self = Self([0; digest::SHA256_OUTPUT_LEN]);

    fn of(secret: &[u8]) -> Self {
        let mut bytes = [0; digest::SHA256_OUTPUT_LEN];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, secret).as_ref());
        Self(bytes)
    }

    /// Whether both are of one secret.
    pub(super) fn is(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }

    /// As hexadecimal digits.
    pub(super) fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What [`Digest::hex`] wrote.
    pub(super) fn parse_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 2 * digest::SHA256_OUTPUT_LEN {
            return None;
        }
        let mut bytes = [0; digest::SHA256_OUTPUT_LEN];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |at: usize| char::from(pair[at]).to_digit(16);
            *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(hidden)")
    }
}

/// Whether `text` could be the public part of a token.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == ID_DIGITS && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn check(text: &[u8]) -> String {
    base62(&mut crc32fast::hash(text).to_be_bytes(), CHECK_DIGITS)
}

/// The last `count` digits of a number whose bytes come most significant first. The number is used
/// up: what is left of it stands in `number`.
fn base62(number: &mut [u8], count: usize) -> String {
    let base = DIGITS.len();
    let mut digits = vec![0; count];
    for digit in digits.iter_mut().rev() {
        let mut rest = 0;
        for byte in number.iter_mut() {
            let part = rest * 256 + usize::from(*byte);
            // Below 256, because the rest is below the base.
            *byte = (part / base) as u8;
            rest = part % base;
        }
        *digit = DIGITS[rest];
    }
    digits.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_is_read_back_and_shows_its_secret_nowhere() {
        let token = Token::generate().unwrap();
        let text = token.reveal().to_owned();
        assert_eq!(text.len(), TOKEN_BYTES);
        assert_eq!(Token::parse(text.as_bytes()).as_ref(), Some(&token));
        assert!(is_id(token.id()));
        let secret = &text[PREFIX.len() + ID_DIGITS + 1..TOKEN_BYTES - CHECK_DIGITS];
        let digest = token.digest();
        for shown in [format!("{token:?}"), format!("{digest:?}"), format!("{token:#?}")] {
            assert!(!shown.contains(secret) && !shown.contains(&digest.hex()), "{shown}");
        }
        assert_ne!(Token::generate().unwrap(), token);
    }

    #[test]
    fn every_change_of_one_character_is_refused() {
        let token = Token::generate().unwrap();
        for at in 0..TOKEN_BYTES {
            for other in 0..=u8::MAX {
                let mut text = token.reveal().as_bytes().to_vec();
                if text[at] != other {
                    text[at] = other;
                    assert_eq!(Token::parse(&text), None, "{other} at {at}");
                }
            }
        }
    }

    #[test]
    fn swapped_neighbours_and_a_lost_or_doubled_character_are_refused() {
        let token = Token::generate().unwrap();
        let text = token.reveal().as_bytes();
        for at in 1..TOKEN_BYTES {
            let mut swapped = text.to_vec();
            swapped.swap(at - 1, at);
            assert!(swapped == text || Token::parse(&swapped).is_none(), "swapped at {at}");
            let mut short = text.to_vec();
            short.remove(at);
            assert_eq!(Token::parse(&short), None);
            let mut long = text.to_vec();
            long.insert(at, text[at]);
            assert_eq!(Token::parse(&long), None);
        }
    }

    #[test]
    fn a_digest_is_of_one_secret_only_and_survives_its_text() {
        let [one, other] = [(), ()].map(|()| Token::generate().unwrap().digest());
        assert!(one.is(&one) && !one.is(&other) && !one.is(&Digest::NONE));
        assert!(Digest::parse_hex(&one.hex()).unwrap().is(&one));
        for wrong in ["", "0", &"g".repeat(64), &"0".repeat(63), &"0".repeat(65)] {
            assert!(Digest::parse_hex(wrong).is_none(), "{wrong}");
        }
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of(b"abc").hex(), expected);
    }

    #[test]
    fn numbers_are_written_in_base_62() {
        for (number, expected) in [(0_u32, "000000"), (61, "00000z"), (62, "000010")] {
            assert_eq!(base62(&mut number.to_be_bytes(), CHECK_DIGITS), expected);
        }
        assert_eq!(base62(&mut u32::MAX.to_be_bytes(), CHECK_DIGITS), "4gfFC3");
        // 256 bits fit into 43 digits: nothing of the number is left.
        let mut most = [u8::MAX; SECRET_BYTES];
        base62(&mut most, SECRET_DIGITS);
        assert_eq!(most, [0; SECRET_BYTES]);
    }

    proptest! {
        #[test]
        fn nothing_but_what_was_made_is_a_token(text in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(Token::parse(&text), None);
        }

        #[test]
        fn nothing_in_the_form_of_a_token_panics(
            text in "tollgate_[0-9A-Za-z_é]{0,11}_[0-9A-Za-zé]{40,50}"
        ) {
            prop_assert_eq!(Token::parse(text.as_bytes()), None);
        }
    }
}
