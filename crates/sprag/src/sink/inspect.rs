//! What can be judged of a delivery alone: its form, its signatures, its own hash.
//!
//! Written from DESIGN rules C1 and C3, not from the code that makes them.

use super::batch;
use super::delivery::{Delivery, content_type, sha256, text};
use super::limits::TOLERANCE_US;
use super::violation::{Violation, ViolationKind};
use crate::secret::Secret;
use crate::verify::signature::DestinationKeys;
use crate::verify::standard_webhooks::StandardWebhooks;
use crate::verify::{SecretProblem, Verified};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use data_encoding::HEXLOWER;
use http::HeaderMap;
use percent_encoding::percent_decode_str;

/// The tag of the event chain (rule C1).
const EVENT_TAG: &[u8] = b"sprag-event-1";

/// The secrets of a consumer, prepared once.
#[derive(Debug, Default)]
pub struct Inspector {
    signatures: Option<Signatures>,
}

#[derive(Debug)]
struct Signatures {
    standard: StandardWebhooks,
    /// One per secret: any of them may match.
    own: Vec<DestinationKeys>,
}

/// What a delivery shows alone.
#[derive(Debug)]
pub struct Inspected {
    /// Absent when it cannot be read.
    pub delivery: Option<Delivery>,
    /// What is wrong with it.
    pub violations: Vec<Violation>,
}

/// What a range of events shows alone.
#[derive(Debug)]
pub struct InspectedBatch {
    /// What is wrong with it as a whole.
    pub whole: Vec<Violation>,
    /// Its events in order; none when it cannot be read.
    pub events: Vec<Inspected>,
}

impl Inspector {
    /// Prepares `whsec_` secrets, any of which may have signed. Without one no signature is
    /// checked.
    pub fn new(secrets: &[Secret]) -> Result<Self, SecretProblem> {
        if secrets.is_empty() {
            return Ok(Self::default());
        }
        let own = secrets.chunks(1).map(DestinationKeys::new).collect::<Result<_, _>>()?;
        let standard = StandardWebhooks::new(secrets, TOLERANCE_US)?;
        Ok(Self { signatures: Some(Signatures { standard, own }) })
    }

    /// Judges one delivery; `now_us` in microseconds since 1970.
    #[must_use]
    pub fn inspect(&self, now_us: i64, headers: &HeaderMap, body: &[u8]) -> Inspected {
        let id = text(headers, "webhook-id").ok().flatten().unwrap_or_default();
        let mut violations = Vec::new();
        let mut note = |kind, detail| violations.push(Violation { kind, id: id.into(), detail });
        if let Some(signatures) = &self.signatures
            && let Err(detail) = signatures.check(now_us, headers, body)
        {
            note(ViolationKind::Signature, detail);
        }
        let delivery = Delivery::read(headers, body)
            .map_err(|detail| note(ViolationKind::Malformed, detail))
            .ok();
        if let Some(delivery) = &delivery
            && let Err(detail) = check_hash(delivery, headers, body)
        {
            note(ViolationKind::Chain, detail);
        }
        Inspected { delivery, violations }
    }
}

impl Inspector {
    /// Judges a range of events in one request: its signatures and form as a whole, then each event.
    /// None of its events count when it cannot be read.
    #[must_use]
    pub fn inspect_batch(&self, now_us: i64, headers: &HeaderMap, body: &[u8]) -> InspectedBatch {
        let id = text(headers, "webhook-id").ok().flatten().unwrap_or_default();
        let mut whole = Vec::new();
        let mut note = |kind, detail| whole.push(Violation { kind, id: String::from(id), detail });
        if let Some(signatures) = &self.signatures
            && let Err(detail) = signatures.check(now_us, headers, body)
        {
            note(ViolationKind::Signature, detail);
        }
        let events = batch::events(body).and_then(|events| {
            let read = events.iter().map(|event| Delivery::read(&event.headers, &event.body));
            let deliveries = read.collect::<Result<Vec<_>, _>>()?;
            batch::check_whole(headers, &deliveries)?;
            Ok(events.into_iter().zip(deliveries).map(inspected).collect())
        });
        let events = events.unwrap_or_else(|detail| {
            note(ViolationKind::Malformed, detail);
            Vec::new()
        });
        InspectedBatch { whole, events }
    }
}

/// An event of a range: what is signed is the range.
fn inspected((event, delivery): (batch::Event, Delivery)) -> Inspected {
    let wrong = check_hash(&delivery, &event.headers, &event.body).err();
    let id = delivery.id.clone();
    let violation = |detail| Violation { kind: ViolationKind::Chain, id, detail };
    Inspected { delivery: Some(delivery), violations: wrong.map(violation).into_iter().collect() }
}

impl Signatures {
    fn check(&self, now_us: i64, headers: &HeaderMap, body: &[u8]) -> Result<(), String> {
        match self.standard.verify(now_us, headers, body) {
            Ok(Verified::InTime) => self.check_own(headers),
            Ok(Verified::OutsideTolerance { skew_us }) => {
                Err(format!("webhook-timestamp is {} s from now", skew_us / 1_000_000))
            }
            Err(refusal) => Err(format!("webhook-signature: {refusal:?}")),
        }
    }

    /// Rule C3: the standard signature leaves the `sprag-*` headers forgeable.
    fn check_own(&self, headers: &HeaderMap) -> Result<(), String> {
        let given = text(headers, "sprag-signature")?.ok_or("sprag-signature is absent")?;
        let id = text(headers, "webhook-id")?.unwrap_or_default();
        let timestamp = text(headers, "webhook-timestamp")?.and_then(|text| text.parse().ok());
        let timestamp = timestamp.ok_or("webhook-timestamp is no number")?;
        let matches = |keys: &DestinationKeys| {
            let signed = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
            let expected = keys.sprag_signature(id, timestamp, signed);
            given
                .split(' ')
                .any(|one| verify_slices_are_equal(one.as_bytes(), expected.as_bytes()).is_ok())
        };
        if self.own.iter().any(matches) {
            Ok(())
        } else {
            Err("sprag-signature does not match the sprag-* headers".into())
        }
    }
}

/// Rule C1 for one link: the hash follows from the delivery and the previous hash.
fn check_hash(delivery: &Delivery, headers: &HeaderMap, body: &[u8]) -> Result<(), String> {
    let salted = match text(headers, "sprag-salt")? {
        None => delivery.body_digest,
        Some(salt) => {
            let salt = HEXLOWER.decode(salt.as_bytes());
            sha256(&[&salt.map_err(|_| "sprag-salt is not hexadecimal")?, body])
        }
    };
    let source = decoded(&delivery.source);
    let source_id = decoded(text(headers, "sprag-source-id")?.unwrap_or_default());
    let parts: [&[u8]; 10] = [
        EVENT_TAG,
        &source,
        delivery.key.as_bytes(),
        &delivery.sequence.to_be_bytes(),
        delivery.position.as_bytes(),
        delivery.kind.as_bytes(),
        content_type(headers),
        &source_id,
        &delivery.previous_hash,
        &salted,
    ];
    if framed_hash(&parts) == delivery.hash {
        Ok(())
    } else {
        Err("sprag-hash does not follow from the delivery and sprag-previous-hash".into())
    }
}

fn decoded(text: &str) -> Vec<u8> {
    percent_decode_str(text).collect()
}

/// SHA-256 over every part after its length as u32 big-endian.
pub(super) fn framed_hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut framed = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
    for part in parts {
        // A header or digest is never longer than 2³² bytes.
        framed.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        framed.extend_from_slice(part);
    }
    sha256(&[&framed])
}
