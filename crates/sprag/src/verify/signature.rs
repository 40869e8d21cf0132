//! What Sprag signs for a destination: `webhook-signature` (Standard Webhooks 1.0.0, `v1` with an
//! HMAC, `v1a` with Ed25519) and `sprag-signature` (rule C3), with keys prepared once per destination.
//!
//! It must not know HTTP: ids, times, header names and values come in as text.

use super::SecretProblem;
use super::ed25519::PrivateKey;
use super::mac::{key, tag};
use super::standard_webhooks::decode_secret;
use crate::secret::Secret;
use aws_lc_rs::hmac::{HMAC_SHA256, Key};
use data_encoding::BASE64;

/// Bytes of `v1,` and a base64 HMAC-SHA256.
const SIGNATURE_BYTES: usize = 3 + 44;
/// Headers that are usually under `sprag-signature`.
const USUAL_SIGNED: usize = 16;
/// Bytes that the text under `sprag-signature` usually has.
const USUAL_SIGNED_BYTES: usize = 1_024;

/// The secrets of one destination. With several (rotation) each signs, in the order configured.
pub struct DestinationKeys(Vec<SigningKey>);

/// One prepared secret. There are a few in a process, and most are the larger of the two.
#[expect(clippy::large_enum_variant, reason = "an allocation would save nothing")]
enum SigningKey {
    /// `whsec_`: signs `v1`.
    Shared(Key),
    /// `whsk_`: signs `v1a`.
    Private(PrivateKey),
}

impl SigningKey {
    fn prepare(secret: &Secret) -> Result<Self, SecretProblem> {
        if PrivateKey::is_one(secret) {
            return PrivateKey::new(secret).map(Self::Private);
        }
        key(HMAC_SHA256, &decode_secret(secret)?).map(Self::Shared)
    }

    /// Appends `v1,<base64>` or `v1a,<base64>`.
    fn sign(&self, pieces: &[&[u8]], text: &mut String) {
        match self {
            Self::Shared(key) => {
                text.push_str("v1,");
                BASE64.encode_append(tag(key, pieces.iter().copied()).as_ref(), text);
            }
            Self::Private(key) => {
                text.push_str("v1a,");
                BASE64.encode_append(key.sign(&pieces.concat()).as_ref(), text);
            }
        }
    }
}

impl std::fmt::Debug for DestinationKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "DestinationKeys({})", self.0.len())
    }
}

impl DestinationKeys {
    /// Prepares the keys of `whsec_` secrets (or bare base64) and of `whsk_` private keys.
    pub fn new(secrets: &[Secret]) -> Result<Self, SecretProblem> {
        if secrets.is_empty() {
            return Err(SecretProblem::Absent);
        }
        Ok(Self(secrets.iter().map(SigningKey::prepare).collect::<Result<_, _>>()?))
    }

    /// The value of `webhook-signature` over `{id}.{timestamp}.{body}`; `timestamp_s` in seconds
    /// since 1970 of this attempt.
    #[must_use]
    pub fn webhook_signature(&self, id: &str, timestamp_s: i64, body: &[u8]) -> String {
        let timestamp = timestamp_s.to_string();
        let pieces = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
        self.list(&pieces)
    }

    /// The value of `sprag-signature` (rule C3): over `{id}.{timestamp}\n`, then every `sprag-*`
    /// header but this one, name in lower case, sorted by name, as `name:value\n`. Names come in lower
    /// case, as `http` has them; those of other headers are left out, so a caller may pass all it sends.
    #[must_use]
    pub fn sprag_signature<'a>(
        &self,
        id: &str,
        timestamp_s: i64,
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> String {
        let timestamp = timestamp_s.to_string();
        let signed = signed_headers(headers);
        self.list(&[&sprag_text(id.as_bytes(), timestamp.as_bytes(), &signed)])
    }

    /// One signature per key, separated by spaces.
    fn list(&self, pieces: &[&[u8]]) -> String {
        let mut text = String::with_capacity(self.0.len() * (SIGNATURE_BYTES + 1));
        for key in &self.0 {
            if !text.is_empty() {
                text.push(' ');
            }
            key.sign(pieces, &mut text);
        }
        text
    }
}

/// The headers under `sprag-signature`, sorted by name.
pub(super) fn signed_headers<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> Vec<(&'a str, &'a [u8])> {
    let is_signed = |name: &str| {
        debug_assert!(!name.bytes().any(|byte| byte.is_ascii_uppercase()), "{name}");
        name.starts_with("sprag-") && name != "sprag-signature"
    };
    let mut signed = Vec::with_capacity(USUAL_SIGNED);
    signed.extend(headers.filter(|(name, _)| is_signed(name)));
    signed.sort_unstable();
    signed
}

/// The text under `sprag-signature`. In one piece: some sixty digested one by one cost more than this copy.
pub(super) fn sprag_text(id: &[u8], timestamp: &[u8], signed: &[(&str, &[u8])]) -> Vec<u8> {
    let mut text = Vec::with_capacity(USUAL_SIGNED_BYTES);
    let head = [id, b".", timestamp, b"\n"];
    let lines = signed.iter().map(|(name, value)| [name.as_bytes(), b":", *value, b"\n"]);
    std::iter::once(head).chain(lines).flatten().for_each(|piece| text.extend_from_slice(piece));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    fn keys(secrets: &[&str]) -> DestinationKeys {
        let secrets: Vec<Secret> = secrets.iter().map(|text| Secret::from(*text)).collect();
        DestinationKeys::new(&secrets).unwrap()
    }

    /// From the Rust reference library of Standard Webhooks.
    #[test]
    fn the_published_vector_is_reproduced() {
        let signature = keys(&[SECRET]).webhook_signature(
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1_649_367_553,
            br#"{"email":"test@example.com","username":"test_user"}"#,
        );
        assert_eq!(signature, "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
    }

    /// A private key is a seed of 32 bytes, with its public key behind it or without. RFC 8032,
    /// section 7.1, test 1.
    #[test]
    fn a_private_key_signs_what_its_public_key_verifies() {
        const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let decode = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
        let (seed, public) = (decode(SEED), decode(PUBLIC));
        let both = [seed.clone(), public.clone()].concat();
        for private in [seed, both] {
            let secret = format!("whsk_{}", BASE64.encode(&private));
            let list = keys(&[&secret, SECRET]).webhook_signature("a", 1, b"{}");
            let (asymmetric, symmetric) = list.split_once(' ').unwrap();
            assert!(symmetric.starts_with("v1,"));
            let signature = BASE64.decode(asymmetric.trim_start_matches("v1a,").as_bytes());
            let key = aws_lc_rs::signature::UnparsedPublicKey::new(
                &aws_lc_rs::signature::ED25519,
                &public,
            );
            key.verify(b"a.1.{}", &signature.unwrap()).unwrap();
        }
    }

    #[test]
    fn every_secret_signs_in_the_order_configured() {
        let other = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let both = keys(&[SECRET, other]).webhook_signature("a", 1, b"{}");
        let one = keys(&[SECRET]).webhook_signature("a", 1, b"{}");
        let two = keys(&[other]).webhook_signature("a", 1, b"{}");
        assert_eq!(both, format!("{one} {two}"));
    }

    /// Rule C3, recomputed from its text over one joined buffer.
    #[test]
    fn sprag_signature_covers_sorted_sprag_headers_only() {
        let headers: [(&str, &[u8]); 5] = [
            ("sprag-sequence", b"7"),
            ("content-type", b"application/json"),
            ("sprag-signature", b"v1,old"),
            ("sprag-key", b"cus_1"),
            ("webhook-id", b"billing:cus_1:7"),
        ];
        let text = b"billing:cus_1:7.1700000000\nsprag-key:cus_1\nsprag-sequence:7\n";
        let secret = BASE64.decode(SECRET.trim_start_matches("whsec_").as_bytes()).unwrap();
        let expected = aws_lc_rs::hmac::sign(&Key::new(HMAC_SHA256, &secret), text);
        let expected = format!("v1,{}", BASE64.encode(expected.as_ref()));
        let keys = keys(&[SECRET]);
        let sign = |headers: &[(&'static str, &'static [u8])]| {
            keys.sprag_signature("billing:cus_1:7", 1_700_000_000, headers.iter().copied())
        };
        assert_eq!(sign(&headers), expected);
        let mut renumbered = headers;
        renumbered[0].1 = b"8";
        assert_ne!(sign(&renumbered), expected);
    }

    #[test]
    fn unusable_secrets_are_told_apart() {
        let problem = |text: &str| DestinationKeys::new(&[Secret::from(text)]).unwrap_err();
        assert_eq!(DestinationKeys::new(&[]).unwrap_err(), SecretProblem::Absent);
        assert_eq!(problem("whsec_"), SecretProblem::Empty);
        assert_eq!(problem("whsec_not base64"), SecretProblem::NotBase64);
        assert_eq!(problem("whsk_AAAA"), SecretProblem::NotAPrivateKey);
        assert_eq!(problem("whpk_AAAA"), SecretProblem::Asymmetric);
    }
}
