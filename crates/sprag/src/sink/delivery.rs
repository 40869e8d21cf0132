//! One delivery as its headers describe it (DESIGN section 5), before anything is judged.

use super::clocks::{ClockText, causes};
use super::numbers;
use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use http::{HeaderMap, header};
use sprag_core::ranges::{Range, Ranges};
use std::collections::BTreeMap;

/// What a consumer is told about one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// `webhook-id`
    pub id: String,
    /// `sprag-source`
    pub source: String,
    /// `sprag-key`, encoded.
    pub key: String,
    /// `sprag-sequence`
    pub sequence: u64,
    /// `sprag-kind`: `event`, `late` or `compensation`.
    pub kind: String,
    /// `sprag-compensates`: the sequence that is to be undone.
    pub compensates: Option<u64>,
    /// `sprag-repeats`: the sequence under which it came before it was undone.
    pub repeats: Option<u64>,
    /// `sprag-position`; empty without one.
    pub position: String,
    /// `sprag-previous-sequence`; absent on an attempt out of order.
    pub previous: Option<u64>,
    /// `sprag-omitted`
    pub omitted: Ranges,
    /// Up to which sequence `sprag-omitted` says `boundary`: the key begins behind it (rule D8).
    pub boundary: Option<u64>,
    /// `sprag-epoch`; 0 when absent.
    pub epoch: u64,
    /// `sprag-missing` where positions are numbers.
    pub missing: Ranges,
    /// `sprag-position` where it is a clock.
    pub clock: Option<ClockText>,
    /// `sprag-missing` where the position is a clock: by node; none where it does not say all.
    pub missing_causes: Option<BTreeMap<String, Range>>,
    /// `sprag-concurrent: true`
    pub concurrent: bool,
    /// `sprag-attempt`
    pub attempt: u32,
    /// `sprag-redelivery: true`
    pub redelivery: bool,
    /// `sprag-out-of-order: true`
    pub out_of_order: bool,
    /// `sprag-previous-hash`
    pub previous_hash: [u8; 32],
    /// `sprag-hash`
    pub hash: [u8; 32],
    /// SHA-256 of the body.
    pub body_digest: [u8; 32],
}

impl Delivery {
    /// Reads the headers. The error says which header is absent or unreadable.
    pub fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, String> {
        let out_of_order = flag(headers, "sprag-out-of-order")?;
        let position = text(headers, "sprag-position")?.unwrap_or_default();
        // One that is too long for a header is its digest, and what is missing is told by node all the same.
        let is_number = position.bytes().all(|byte| byte.is_ascii_digit());
        let told = text(headers, "sprag-missing")?;
        let delivery = Self {
            id: required(headers, "webhook-id")?.to_owned(),
            source: required(headers, "sprag-source")?.to_owned(),
            key: required(headers, "sprag-key")?.to_owned(),
            sequence: number(required(headers, "sprag-sequence")?, "sprag-sequence")?,
            kind: required(headers, "sprag-kind")?.to_owned(),
            compensates: sequence(headers, "sprag-compensates")?,
            repeats: sequence(headers, "sprag-repeats")?,
            position: position.to_owned(),
            previous: previous(headers, out_of_order)?,
            omitted: ranges(headers, "sprag-omitted")?,
            boundary: text(headers, "sprag-omitted")?
                .and_then(|text| numbers::last_with(text, "boundary")),
            epoch: text(headers, "sprag-epoch")?
                .map_or(Ok(0), |text| number(text, "sprag-epoch"))?,
            missing: if is_number { ranges(headers, "sprag-missing")? } else { Ranges::default() },
            clock: ClockText::read(position),
            missing_causes: told.map_or_else(|| Some(BTreeMap::new()), causes),
            concurrent: flag(headers, "sprag-concurrent")?,
            attempt: number(required(headers, "sprag-attempt")?, "sprag-attempt")?,
            redelivery: flag(headers, "sprag-redelivery")?,
            out_of_order,
            previous_hash: hash(headers, "sprag-previous-hash")?,
            hash: hash(headers, "sprag-hash")?,
            body_digest: sha256(&[body]),
        };
        delivery.check_id()?;
        Ok(delivery)
    }

    /// The id must be `{source}:{key}:{sequence}`: only so the sequence is under the signature.
    fn check_id(&self) -> Result<(), String> {
        let expected = format!("{}:{}:{}", self.source, self.key, self.sequence);
        if self.id == expected { Ok(()) } else { Err(format!("webhook-id is not {expected}")) }
    }

    /// The name of its lane at this consumer: its id without the sequence.
    #[must_use]
    pub fn lane(&self) -> &str {
        self.id.rsplit_once(':').map_or(&self.id, |(lane, _)| lane)
    }

    /// The position as a number, when it is one.
    #[must_use]
    pub fn position_number(&self) -> Option<u64> {
        self.position.parse().ok()
    }

    /// Does it come in its place for the first time, rather than late, to be undone or once more?
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        self.kind == "event" && self.repeats.is_none()
    }
}

/// SHA-256 over the joined parts.
pub(super) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let digest = match parts {
        [one] => digest(&SHA256, one),
        many => digest(&SHA256, &many.concat()),
    };
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.as_ref());
    bytes
}

/// A header's only value as text.
pub(super) fn text<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
) -> Result<Option<&'a str>, String> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(format!("{name} occurs twice"));
    }
    value.to_str().map(Some).map_err(|_| format!("{name} is not ASCII"))
}

/// The content type as received, for the chain.
pub(super) fn content_type(headers: &HeaderMap) -> &[u8] {
    headers.get(header::CONTENT_TYPE).map_or(b"", |value| value.as_bytes())
}

fn required<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, String> {
    text(headers, name)?.ok_or_else(|| format!("{name} is absent"))
}

fn number<T: std::str::FromStr>(text: &str, name: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{name} is no number: {text:?}"))
}

fn sequence(headers: &HeaderMap, name: &'static str) -> Result<Option<u64>, String> {
    text(headers, name)?.map(|value| number(value, name)).transpose()
}

fn previous(headers: &HeaderMap, out_of_order: bool) -> Result<Option<u64>, String> {
    const NAME: &str = "sprag-previous-sequence";
    match text(headers, NAME)? {
        Some(value) => number(value, NAME).map(Some),
        None if out_of_order => Ok(None),
        None => Err(format!("{NAME} is absent")),
    }
}

fn ranges(headers: &HeaderMap, name: &'static str) -> Result<Ranges, String> {
    let Some(value) = text(headers, name)? else { return Ok(Ranges::default()) };
    numbers::parse(value).ok_or_else(|| format!("{name} is no list of numbers: {value:?}"))
}

fn flag(headers: &HeaderMap, name: &'static str) -> Result<bool, String> {
    match text(headers, name)? {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(format!("{name} is neither true nor false: {other:?}")),
    }
}

fn hash(headers: &HeaderMap, name: &'static str) -> Result<[u8; 32], String> {
    let value = required(headers, name)?;
    let bytes = HEXLOWER.decode(value.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| format!("{name} is no SHA-256 in lower-case hexadecimal"))
}
