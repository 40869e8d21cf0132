//! Ed25519 signatures of Standard Webhooks (`v1a`): the public keys of a source, the private ones of
//! a destination.
//!
//! Ed25519 reads its message twice, so unlike an HMAC it needs the signed text in one piece: a
//! source with a `whpk_` key costs a copy of each body.

use super::SecretProblem;
use super::mac::Candidate;
use crate::secret::Secret;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, ParsedPublicKey, Signature};
use data_encoding::BASE64;

/// Bytes of an Ed25519 public key.
const PUBLIC_KEY_BYTES: usize = 32;

/// The prepared public keys of a source.
pub(super) struct PublicKeys(Vec<ParsedPublicKey>);

impl std::fmt::Debug for PublicKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "PublicKeys({})", self.0.len())
    }
}

/// Is this a key of this scheme, and not an HMAC secret?
pub(super) fn is_key(secret: &Secret) -> bool {
    secret.expose().starts_with(b"whpk_") || secret.expose().starts_with(b"whsk_")
}

impl PublicKeys {
    /// Prepares `whpk_` keys; there may be none.
    pub(super) fn new<'a>(keys: impl Iterator<Item = &'a Secret>) -> Result<Self, SecretProblem> {
        Ok(Self(keys.map(public_key).collect::<Result<_, _>>()?))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Any candidate is a signature of any key over the joined pieces.
    pub(super) fn verify<'a>(
        &self,
        candidates: &[Candidate],
        pieces: impl Iterator<Item = &'a [u8]>,
    ) -> bool {
        if self.is_empty() || candidates.is_empty() {
            return false;
        }
        let text = pieces.collect::<Vec<_>>().concat();
        let signed = |key: &ParsedPublicKey| {
            candidates.iter().any(|one| key.verify_sig(&text, one.as_slice()).is_ok())
        };
        self.0.iter().any(signed)
    }
}

/// Bytes of the seed an Ed25519 private key is made of; its public key may follow.
const SEED_BYTES: usize = 32;

/// A private key of a destination, `whsk_` and base64.
pub(super) struct PrivateKey(Ed25519KeyPair);

impl PrivateKey {
    /// Is this secret such a key?
    pub(super) fn is_one(secret: &Secret) -> bool {
        secret.expose().starts_with(b"whsk_")
    }

    /// Prepares a key. A public key behind the seed must be its own.
    pub(super) fn new(secret: &Secret) -> Result<Self, SecretProblem> {
        let text = secret.expose().strip_prefix(b"whsk_").ok_or(SecretProblem::NotAPrivateKey)?;
        let bytes = BASE64.decode(text).map(Secret::new).map_err(|_| SecretProblem::NotBase64)?;
        let pair = match bytes.expose().split_at_checked(SEED_BYTES) {
            Some((seed, [])) => Ed25519KeyPair::from_seed_unchecked(seed),
            Some((seed, public)) => Ed25519KeyPair::from_seed_and_public_key(seed, public),
            None => return Err(SecretProblem::NotAPrivateKey),
        };
        pair.map(Self).map_err(|_| SecretProblem::NotAPrivateKey)
    }

    /// The signature of a text.
    pub(super) fn sign(&self, text: &[u8]) -> Signature {
        self.0.sign(text)
    }
}

fn public_key(secret: &Secret) -> Result<ParsedPublicKey, SecretProblem> {
    let text = secret.expose().strip_prefix(b"whpk_").ok_or(SecretProblem::PrivateKey)?;
    let bytes = BASE64.decode(text).map_err(|_| SecretProblem::NotBase64)?;
    if bytes.len() != PUBLIC_KEY_BYTES {
        return Err(SecretProblem::NotAPublicKey);
    }
    ParsedPublicKey::new(&ED25519, &bytes).map_err(|_| SecretProblem::NotAPublicKey)
}
