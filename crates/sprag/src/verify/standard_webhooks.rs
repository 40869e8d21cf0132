//! `standard-webhooks` and `svix`: Standard Webhooks 1.0.0 with `v1` (HMAC-SHA256) and `v1a`
//! (Ed25519) signatures.
//!
//! Signed text: `{webhook-id}.{webhook-timestamp}.{body}`. Svix sends the same under `svix-*`
//! names; a request that carries both families is refused, because only one of them is signed.

use super::signature_list::ListKeys;
use super::timestamp::TimestampUnit;
use super::{Refusal, SecretProblem, Verified, only_value, signature_in, time_in, within};
use crate::limits;
use crate::secret::Secret;
use data_encoding::BASE64;
use http::{HeaderMap, HeaderName};

/// The id of the event, the same on every retry.
pub const ID: HeaderName = HeaderName::from_static("webhook-id");
/// Seconds since 1970 of the attempt.
pub const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
/// The list of signatures.
pub const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// The three headers of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) id: &'static HeaderName,
    pub(super) timestamp: &'static HeaderName,
    pub(super) signature: &'static HeaderName,
}

static STANDARD_ID: HeaderName = ID;
static STANDARD_TIMESTAMP: HeaderName = TIMESTAMP;
static STANDARD_SIGNATURE: HeaderName = SIGNATURE;
static SVIX_ID: HeaderName = HeaderName::from_static("svix-id");
static SVIX_TIMESTAMP: HeaderName = HeaderName::from_static("svix-timestamp");
static SVIX_SIGNATURE: HeaderName = HeaderName::from_static("svix-signature");

/// `webhook-*`
pub(super) static STANDARD: Names =
    Names { id: &STANDARD_ID, timestamp: &STANDARD_TIMESTAMP, signature: &STANDARD_SIGNATURE };
/// `svix-*`
pub(super) static SVIX: Names =
    Names { id: &SVIX_ID, timestamp: &SVIX_TIMESTAMP, signature: &SVIX_SIGNATURE };

static ONLY_STANDARD: [&Names; 1] = [&STANDARD];
static SVIX_FIRST: [&Names; 2] = [&SVIX, &STANDARD];

impl Names {
    fn all(self) -> [&'static HeaderName; 3] {
        [self.id, self.timestamp, self.signature]
    }

    fn is_used(self, headers: &HeaderMap) -> bool {
        self.all().into_iter().any(|name| headers.contains_key(name))
    }
}

/// The verifier of a source that follows Standard Webhooks.
#[derive(Debug)]
pub struct StandardWebhooks {
    keys: ListKeys,
    tolerance_us: i64,
    /// Families of header names, the preferred one first.
    families: &'static [&'static Names],
}

impl StandardWebhooks {
    /// Prepares the keys; secrets are `whsec_` and base64, bare base64, or `whpk_` public keys.
    pub fn new(secrets: &[Secret], tolerance_us: i64) -> Result<Self, SecretProblem> {
        Ok(Self { keys: ListKeys::new(secrets)?, tolerance_us, families: &ONLY_STANDARD })
    }

    /// The same for Svix, which sends `svix-*` or `webhook-*`.
    pub fn svix(secrets: &[Secret], tolerance_us: i64) -> Result<Self, SecretProblem> {
        Ok(Self { families: &SVIX_FIRST, ..Self::new(secrets, tolerance_us)? })
    }

    /// Judges one request; `now_us` in microseconds since 1970.
    pub fn verify(
        &self,
        now_us: i64,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Verified, Refusal> {
        let stamp = Stamp::read(self.family(headers)?, headers)?;
        let pieces = [stamp.id, b".", stamp.timestamp, b".", body];
        self.keys.verify(stamp.signatures, &pieces.into_iter())?;
        Ok(within(now_us, stamp.signed_us, self.tolerance_us))
    }

    fn family(&self, headers: &HeaderMap) -> Result<Names, Refusal> {
        let mut used = self.families.iter().filter(|names| names.is_used(headers));
        let family = used.next().or(self.families.first()).ok_or(Refusal::MissingSignature)?;
        if used.next().is_some() { Err(Refusal::MalformedSignedId) } else { Ok(**family) }
    }
}

/// What the headers of one family say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp<'a> {
    pub(super) id: &'a [u8],
    pub(super) timestamp: &'a [u8],
    pub(super) signed_us: i64,
    pub(super) signatures: &'a [u8],
}

impl<'a> Stamp<'a> {
    pub(super) fn read(names: Names, headers: &'a HeaderMap) -> Result<Self, Refusal> {
        let id =
            only_value(headers, names.id, Refusal::MissingSignedId, Refusal::MalformedSignedId)?;
        // A dot in the id would let bytes move between id, timestamp and body under one signature.
        if id.is_empty() || id.len() > limits::SIGNED_HEADER_BYTES || id.contains(&b'.') {
            return Err(Refusal::MalformedSignedId);
        }
        let timestamp = time_in(headers, names.timestamp)?;
        let signed_us =
            TimestampUnit::Seconds.read_us(timestamp).ok_or(Refusal::MalformedTimestamp)?;
        let signatures = signature_in(headers, names.signature)?;
        Ok(Self { id, timestamp, signed_us, signatures })
    }
}

/// How many bytes a `whsec_` secret has; none where it is another kind of key, or none.
pub(crate) fn whsec_bytes(secret: &Secret) -> Option<usize> {
    decode_secret(secret).ok().map(|bytes| bytes.expose().len())
}

/// The key bytes of a `whsec_` secret.
pub(super) fn decode_secret(secret: &Secret) -> Result<Secret, SecretProblem> {
    let text = secret.expose();
    if text.starts_with(b"whsk_") || text.starts_with(b"whpk_") {
        return Err(SecretProblem::Asymmetric);
    }
    let text = text.strip_prefix(b"whsec_").unwrap_or(text);
    BASE64.decode(text).map(Secret::new).map_err(|_| SecretProblem::NotBase64)
}
