//! An HMAC over pieces, computed without joining them, compared in constant time.

use super::{Refusal, SecretProblem};
use crate::secret::Secret;
use aws_lc_rs::{constant_time, hmac};

/// Longest tag of any algorithm here (SHA-512), bytes.
pub(super) const TAG_BYTES: usize = 64;

/// A decoded signature from a header: fixed space, no allocation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    bytes: [u8; TAG_BYTES],
    length: usize,
}

impl Candidate {
    /// Decodes one signature text; `None` when it is empty, too long or not of that encoding.
    pub(super) fn decode(encoding: &data_encoding::Encoding, text: &[u8]) -> Option<Self> {
        // Base64 may report up to two bytes more than it writes because of the padding.
        let mut buffer = [0; TAG_BYTES + 2];
        let needed = encoding.decode_len(text.len()).ok()?;
        let length = encoding.decode_mut(text, buffer.get_mut(..needed)?).ok()?;
        if length == 0 {
            return None;
        }
        let mut bytes = [0; TAG_BYTES];
        bytes.get_mut(..length)?.copy_from_slice(buffer.get(..length)?);
        Some(Self { bytes, length })
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The prepared keys of a source: one per secret.
pub(super) struct Keys(Vec<hmac::Key>);

impl std::fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Keys({})", self.0.len())
    }
}

impl Keys {
    /// Prepares one key per secret; `decode` turns the configured secret into key bytes.
    pub(super) fn new(
        algorithm: hmac::Algorithm,
        secrets: &[Secret],
        decode: impl Fn(&Secret) -> Result<Secret, SecretProblem>,
    ) -> Result<Self, SecretProblem> {
        if secrets.is_empty() {
            return Err(SecretProblem::Absent);
        }
        let key = |secret| key(algorithm, &decode(secret)?);
        Ok(Self(secrets.iter().map(key).collect::<Result<_, _>>()?))
    }

    /// One key per secret, the bytes of which are the key.
    pub(super) fn as_written(
        algorithm: hmac::Algorithm,
        secrets: &[Secret],
    ) -> Result<Self, SecretProblem> {
        Self::new(algorithm, secrets, |secret| Ok(secret.clone()))
    }

    /// Any candidate equals the tag of any key over the joined pieces.
    pub(super) fn verify<'a>(
        &self,
        candidates: &[Candidate],
        pieces: &(impl Iterator<Item = &'a [u8]> + Clone),
    ) -> Result<(), Refusal> {
        let matches = |key| {
            let tag = tag(key, pieces.clone());
            candidates.iter().any(|candidate| {
                constant_time::verify_slices_are_equal(tag.as_ref(), candidate.as_slice()).is_ok()
            })
        };
        if self.0.iter().any(matches) { Ok(()) } else { Err(Refusal::SignatureMismatch) }
    }
}

/// Prepares one key; an empty secret would verify what anybody signs.
pub(super) fn key(algorithm: hmac::Algorithm, secret: &Secret) -> Result<hmac::Key, SecretProblem> {
    if secret.expose().is_empty() {
        return Err(SecretProblem::Empty);
    }
    Ok(hmac::Key::new(algorithm, secret.expose()))
}

/// The tag over the joined pieces, fed one by one so that the body is never copied.
pub(super) fn tag<'a>(key: &hmac::Key, pieces: impl Iterator<Item = &'a [u8]>) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    for piece in pieces {
        context.update(piece);
    }
    context.sign()
}
