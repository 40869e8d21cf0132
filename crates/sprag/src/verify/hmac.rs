//! `hmac`: a declared HMAC. The configuration says algorithm, header, prefix, encoding and the
//! signed text as a template of `{timestamp}`, `{id}`, `{sequence}` and `{body}`.
//!
//! A template with `{sequence}` binds the signature to the place of the event in its order: nobody
//! between sender and Sprag can renumber it. The position of the source must then be read from the
//! same header; `config` warns when it is not (rule C5).

use super::mac::{Candidate, Keys};
use super::template::{Part, Placeholder, Template};
use super::timestamp::TimestampUnit;
use super::{Refusal, SecretProblem, Verified, only_value, signature_in, time_in, within};
use crate::limits;
use crate::secret::Secret;
use aws_lc_rs::hmac;
use data_encoding::{BASE64, Encoding, HEXLOWER_PERMISSIVE};
use http::{HeaderMap, HeaderName};

static HEX_SIGNATURE: Encoding = HEXLOWER_PERMISSIVE;
static BASE64_SIGNATURE: Encoding = BASE64;

/// The digest under the HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC-SHA1: still unforgeable, for providers that offer nothing newer.
    Sha1,
    /// HMAC-SHA256.
    Sha256,
    /// HMAC-SHA512.
    Sha512,
}

impl Algorithm {
    pub(super) fn prepared(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }
}

/// How the signature is written in its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureEncoding {
    /// Hexadecimal, either case.
    Hex,
    /// Base64, standard alphabet with padding.
    Base64,
}

impl SignatureEncoding {
    pub(super) fn codec(self) -> &'static Encoding {
        match self {
            Self::Hex => &HEX_SIGNATURE,
            Self::Base64 => &BASE64_SIGNATURE,
        }
    }
}

/// How the configured secret becomes key bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretEncoding {
    /// The bytes as they are.
    Raw,
    /// Base64, standard alphabet with padding.
    Base64,
    /// Hexadecimal, either case.
    Hex,
}

impl SecretEncoding {
    pub(super) fn decode(self, secret: &Secret) -> Result<Secret, SecretProblem> {
        match self {
            Self::Raw => Ok(secret.clone()),
            Self::Base64 => BASE64
                .decode(secret.expose())
                .map(Secret::new)
                .map_err(|_| SecretProblem::NotBase64),
            Self::Hex => HEXLOWER_PERMISSIVE
                .decode(secret.expose())
                .map(Secret::new)
                .map_err(|_| SecretProblem::NotHex),
        }
    }
}

/// A declared scheme. The header of a placeholder is present exactly when the template has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The digest.
    pub algorithm: Algorithm,
    /// Where the signature is; a list separated by commas and blanks is accepted.
    pub header: HeaderName,
    /// What precedes the encoded signature; others in the list are skipped.
    pub prefix: String,
    /// How the signature is written.
    pub encoding: SignatureEncoding,
    /// How the secret becomes key bytes.
    pub secret_encoding: SecretEncoding,
    /// The signed text.
    pub signed: Template,
    /// Header and form of `{timestamp}`.
    pub timestamp: Option<(HeaderName, TimestampUnit)>,
    /// Header of `{id}`.
    pub id: Option<HeaderName>,
    /// Header of `{sequence}`.
    pub sequence: Option<HeaderName>,
}

impl Declared {
    /// The headers under the signature.
    pub fn signed_headers(&self) -> impl Iterator<Item = &HeaderName> {
        let timestamp = self.timestamp.as_ref().map(|(header, _)| header);
        [timestamp, self.id.as_ref(), self.sequence.as_ref()].into_iter().flatten()
    }
}

/// The values of the placeholders but the body, as the headers have them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Values<'a> {
    pub(super) timestamp: &'a [u8],
    pub(super) id: &'a [u8],
    pub(super) sequence: &'a [u8],
}

/// The signed text in pieces.
pub(super) fn pieces<'a>(
    template: &'a Template,
    values: Values<'a>,
    body: &'a [u8],
) -> impl Iterator<Item = &'a [u8]> + Clone {
    template.parts().iter().map(move |part| match part {
        Part::Literal(text) => text.as_bytes(),
        Part::Value(Placeholder::Timestamp) => values.timestamp,
        Part::Value(Placeholder::Id) => values.id,
        Part::Value(Placeholder::Sequence) => values.sequence,
        Part::Value(Placeholder::Body) => body,
    })
}

/// The verifier of a declared HMAC.
#[derive(Debug)]
pub struct Hmac {
    declared: Declared,
    keys: Keys,
    tolerance_us: i64,
}

impl Hmac {
    /// Prepares the keys.
    pub fn new(
        declared: Declared,
        secrets: &[Secret],
        tolerance_us: i64,
    ) -> Result<Self, SecretProblem> {
        let keys = Keys::new(declared.algorithm.prepared(), secrets, |secret| {
            declared.secret_encoding.decode(secret)
        })?;
        Ok(Self { declared, keys, tolerance_us })
    }

    /// Judges one request; `now_us` in microseconds since 1970.
    pub fn verify(
        &self,
        now_us: i64,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Verified, Refusal> {
        let candidates = self.candidates(headers)?;
        let (timestamp, signed_us) = self.timestamp(headers)?;
        let id = self.value(
            headers,
            self.declared.id.as_ref(),
            Placeholder::Id,
            [Refusal::MissingSignedId, Refusal::MalformedSignedId],
        )?;
        let sequence = self.value(
            headers,
            self.declared.sequence.as_ref(),
            Placeholder::Sequence,
            [Refusal::MissingSignedSequence, Refusal::MalformedSignedSequence],
        )?;
        let values = Values { timestamp, id, sequence };
        self.keys.verify(&candidates, &pieces(&self.declared.signed, values, body))?;
        Ok(signed_us
            .map_or(Verified::InTime, |signed_us| within(now_us, signed_us, self.tolerance_us)))
    }

    fn candidates(&self, headers: &HeaderMap) -> Result<Vec<Candidate>, Refusal> {
        let text = signature_in(headers, &self.declared.header)?;
        let prefix = self.declared.prefix.as_bytes();
        let codec = self.declared.encoding.codec();
        let found: Vec<Candidate> = text
            .split(|byte| matches!(byte, b',' | b' '))
            .take(limits::SIGNATURES)
            .filter_map(|signature| Candidate::decode(codec, signature.strip_prefix(prefix)?))
            .collect();
        if found.is_empty() { Err(Refusal::MalformedSignature) } else { Ok(found) }
    }

    fn timestamp<'a>(&self, headers: &'a HeaderMap) -> Result<(&'a [u8], Option<i64>), Refusal> {
        let Some((header, unit)) = &self.declared.timestamp else { return Ok((b"", None)) };
        let text = time_in(headers, header)?;
        let separator = self.declared.signed.separator_after(Placeholder::Timestamp).as_bytes();
        // RFC 3339 ends where its zone ends, which has one length, whatever follows; digits end only at a non-digit.
        if *unit != TimestampUnit::Rfc3339 && reaches_over(text, separator) {
            return Err(Refusal::MalformedTimestamp);
        }
        let signed_us = unit.read_us(text).ok_or(Refusal::MalformedTimestamp)?;
        Ok((text, Some(signed_us)))
    }

    fn value<'a>(
        &self,
        headers: &'a HeaderMap,
        header: Option<&HeaderName>,
        placeholder: Placeholder,
        [missing, malformed]: [Refusal; 2],
    ) -> Result<&'a [u8], Refusal> {
        let Some(header) = header else { return Ok(b"") };
        let value = only_value(headers, header, missing, malformed)?;
        let separator = self.declared.signed.separator_after(placeholder).as_bytes();
        let behind_body = self.declared.signed.separator_behind_body(placeholder);
        if value.is_empty()
            || value.len() > limits::SIGNED_HEADER_BYTES
            || reaches_over(value, separator)
            || behind_body.is_some_and(|separator| reaches_back(separator.as_bytes(), value))
        {
            return Err(malformed);
        }
        Ok(value)
    }
}

/// Does the separator occur in `value ‖ separator` before its own place? Then the same signed text
/// could be cut elsewhere, and bytes moved between the value and what follows would go unnoticed.
fn reaches_over(value: &[u8], separator: &[u8]) -> bool {
    if separator.is_empty() {
        return false;
    }
    let joined = |at: usize| value.get(at).or_else(|| separator.get(at - value.len()));
    let occurs_at = |start: usize| {
        separator.iter().enumerate().all(|(at, byte)| joined(start + at) == Some(byte))
    };
    (0..value.len()).any(occurs_at)
}

/// The same of `separator ‖ value`, where the body stands before: does the separator occur behind its own place?
fn reaches_back(separator: &[u8], value: &[u8]) -> bool {
    let joined = [separator, value].concat();
    joined.windows(separator.len().max(1)).skip(1).any(|piece| piece == separator)
}

#[cfg(test)]
mod tests {
    use super::{reaches_back, reaches_over};

    #[test]
    fn a_value_behind_the_body_may_not_hold_or_begin_with_its_separator() {
        assert!(reaches_back(b".", b"evt.41"));
        assert!(reaches_back(b"::", b":a"), "body:::a could be cut before or after a colon");
        assert!(!reaches_back(b"::", b"a:b"));
        assert!(!reaches_back(b".", b"evt-41"));
    }

    #[test]
    fn a_value_may_not_hold_or_prolong_its_separator() {
        assert!(reaches_over(b"a.b", b"."));
        assert!(reaches_over(b"a:", b"::"), "a:::body could be cut after one or two colons");
        assert!(!reaches_over(b"a-b", b"."));
        assert!(!reaches_over(b"a:b", b"::"));
        assert!(!reaches_over(b"anything", b""));
    }
}
