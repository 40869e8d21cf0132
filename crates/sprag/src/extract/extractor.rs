//! The rules of a source on one request: type, then acceptance, then id, key and position.

use sprag_core::clocks::Clock;
use sprag_core::fields::{At, Fields};
use sprag_core::limits::{LINK_BYTES, NODE_BYTES, STATE_BYTES};
use sprag_core::links::Link;

use super::json::{Found, elements, scan, unescape};
use super::{
    ExtractError, IdRule, Invalid, Location, Paths, PositionRule, Reason, Rules, RulesProblem,
    StateAt, Subject, encode, form,
};
use super::{clock, fields};
use crate::limits;
use http::HeaderMap;
use std::borrow::Cow;
use std::sync::Arc;

/// A request as far as extraction looks at it.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// All headers.
    pub headers: &'a HeaderMap,
    /// The query of the URL without `?`; empty when there is none.
    pub query: &'a str,
    /// The raw body.
    pub body: &'a [u8],
    /// SHA-256 of the body, which the chain needs anyway (rule C1).
    pub digest: &'a [u8; 32],
}

/// What one event says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extracted {
    /// At most `limits::ID_BYTES`; absent with `id = "none"`.
    pub id: Option<String>,
    /// Encoded by rule K1, at most `limits::KEY_BYTES`.
    pub key: String,
    /// At most `limits::TYPE_BYTES`; empty without a rule.
    pub event_type: String,
    /// What it says about order.
    pub position: ExtractedPosition,
    /// The key of another resource that it refers to, as `key`; none where it names none.
    pub depends_on: Option<String>,
}

/// A position as the source gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtractedPosition {
    /// Nothing is said.
    None,
    /// A number, contiguous within the key.
    Sequence(u64),
    /// A number that grows within the key.
    Version(u64),
    /// An instant, nanoseconds since 1970.
    Timestamp(u64),
    /// How new each field is.
    Fields(Fields),
    /// What its node knew of the events of all nodes.
    Clock(Clock),
    /// The state of the resource.
    State {
        /// Its name, at most [`STATE_BYTES`].
        state: String,
        /// How new it is; none where the source does not say.
        at: Option<At>,
    },
    /// From which hash to which it leads.
    Link(Link),
}

/// An event, or one of a type that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extraction {
    /// To be ordered.
    Event(Extracted),
    /// Not in `accept`: answered 200, fate `ignored`.
    Ignored {
        /// Its type.
        event_type: String,
    },
}

/// What the locations read the body as: decides which content types are accepted (415).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyForm {
    /// Nothing is read from the body.
    Opaque,
    /// JSON.
    Json,
    /// `application/x-www-form-urlencoded`
    Form,
}

/// Rules prepared for use on every request of a source.
#[derive(Debug, Clone)]
pub struct Extractor {
    rules: Rules,
    paths: Paths,
    /// The pointer of `split` alone: it is followed before the others.
    split: Paths,
    body: BodyForm,
}

impl Extractor {
    /// Joins the pointers of all rules, so that a body is read once.
    pub fn new(rules: Rules) -> Result<Self, RulesProblem> {
        let mut paths = Paths::default();
        let mut form = false;
        for location in rules.locations() {
            match location {
                Location::Body(pointer) if !paths.add(pointer) => {
                    return Err(RulesProblem::TooManyPointers);
                }
                Location::Body(_) => {}
                Location::Form(_) => form = true,
                Location::Header(_) | Location::Query(_) | Location::Const(_) => {}
            }
        }
        let mut split = Paths::default();
        rules.split.iter().for_each(|pointer| {
            // The first pointer always fits.
            split.add(pointer);
        });
        let body = match (paths.is_empty() && split.is_empty(), form) {
            (true, false) => BodyForm::Opaque,
            (true, true) => BodyForm::Form,
            (false, false) => BodyForm::Json,
            (false, true) => return Err(RulesProblem::JsonAndForm),
        };
        Ok(Self { rules, paths, split, body })
    }

    /// What the body is read as.
    #[must_use]
    pub fn body_form(&self) -> BodyForm {
        self.body
    }

    /// The rules as configured.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Does one request hold several events?
    #[must_use]
    pub fn splits(&self) -> bool {
        self.rules.split.is_some()
    }

    /// The bodies of the events in a request: the elements of the array that `split` leads to, as
    /// written, or the whole body. Each is then read with [`Self::extract`].
    pub fn bodies<'a>(&self, body: &'a [u8]) -> Result<Vec<&'a [u8]>, ExtractError> {
        let Some(pointer) = &self.rules.split else { return Ok(vec![body]) };
        let found = scan(body, &self.split).map_err(ExtractError::Unreadable)?;
        let invalid = |reason| {
            let at = format!("body:{}", pointer.as_str());
            ExtractError::Invalid(Invalid { subject: Subject::Events, at, reason })
        };
        let array = match self.split.find(pointer, &found) {
            Found::Array(array) => array,
            other => return Err(invalid(not_an_array(other))),
        };
        let elements = elements(array, limits::SPLIT_EVENTS).map_err(ExtractError::Unreadable)?;
        if elements.len() > limits::SPLIT_EVENTS {
            return Err(invalid(Reason::TooMany { limit: limits::SPLIT_EVENTS }));
        }
        Ok(elements.into_iter().map(str::as_bytes).collect())
    }

    /// Reads one event.
    pub fn extract(&self, received: Received<'_>) -> Result<Extraction, ExtractError> {
        let found = scan_if_needed(received.body, &self.paths)?;
        let values = Values { received, paths: &self.paths, found: &found };
        let event_type = self.event_type(&values).map_err(ExtractError::Invalid)?;
        if !self.rules.accept.iter().any(|pattern| pattern.matches(&event_type)) {
            return Ok(Extraction::Ignored { event_type });
        }
        self.accepted(&values, event_type).map(Extraction::Event).map_err(ExtractError::Invalid)
    }

    fn accepted(&self, values: &Values<'_>, event_type: String) -> Result<Extracted, Invalid> {
        Ok(Extracted {
            id: self.id(values)?,
            key: self.key(values, &event_type)?,
            position: self.position(values)?,
            depends_on: self.depends_on(values, &event_type)?,
            event_type,
        })
    }

    fn event_type(&self, values: &Values<'_>) -> Result<String, Invalid> {
        match &self.rules.event_type {
            Some(location) => values.bounded(location, Subject::Type, limits::TYPE_BYTES),
            None => Ok(String::new()),
        }
    }

    fn id(&self, values: &Values<'_>) -> Result<Option<String>, Invalid> {
        match &self.rules.id {
            IdRule::At(location) => {
                values.bounded(location, Subject::Id, limits::ID_BYTES).map(Some)
            }
            IdRule::Sha256 => Ok(Some(data_encoding::HEXLOWER.encode(values.received.digest))),
            IdRule::None => Ok(None),
        }
    }

    fn key(&self, values: &Values<'_>, event_type: &str) -> Result<String, Invalid> {
        let parts = self.rules.key.parts(event_type).ok_or_else(|| Invalid {
            subject: Subject::Key,
            at: format!("type {}", encode::encode_part(event_type.as_bytes())),
            reason: Reason::NoRuleForType,
        })?;
        values.key(parts, Subject::Key)
    }

    /// The other resource. An event of which a part of its key is absent, null or empty refers to none.
    fn depends_on(&self, values: &Values<'_>, event_type: &str) -> Result<Option<String>, Invalid> {
        let rule = self.rules.depends_on.as_ref();
        let Some(parts) = rule.and_then(|rule| rule.parts(event_type)) else { return Ok(None) };
        match values.key(parts, Subject::DependsOn) {
            Err(Invalid { reason: Reason::Missing | Reason::Null | Reason::Empty, .. }) => Ok(None),
            key => key.map(Some),
        }
    }

    fn position(&self, values: &Values<'_>) -> Result<ExtractedPosition, Invalid> {
        let rule = &self.rules.position;
        if let PositionRule::Fields { at: Location::Body(at), unit, .. } = rule {
            let found = self.paths.find(at, values.found);
            return fields::read(found, at, *unit).map(ExtractedPosition::Fields);
        }
        if let PositionRule::Clock { at: Location::Body(at), node } = rule {
            let node = values.bounded(node, Subject::Position, NODE_BYTES)?;
            let found = self.paths.find(at, values.found);
            return clock::read(found, at, &node).map(ExtractedPosition::Clock);
        }
        match rule {
            PositionRule::None | PositionRule::Fields { .. } | PositionRule::Clock { .. } => {
                Ok(ExtractedPosition::None)
            }
            PositionRule::Sequence(at) => values.number(at).map(ExtractedPosition::Sequence),
            PositionRule::Version(at) => values.number(at).map(ExtractedPosition::Version),
            PositionRule::Timestamp { at, unit } => {
                let read = |text: &[u8]| unit.read_ns(text);
                values.position(at, read).map(ExtractedPosition::Timestamp)
            }
            PositionRule::State { state, at } => {
                let state = values.bounded(state, Subject::Position, STATE_BYTES)?;
                let at = at.as_ref().map(|at| values.state_at(at)).transpose()?;
                Ok(ExtractedPosition::State { state, at })
            }
            PositionRule::Link { before, after, forced } => {
                let (before, after) = (values.linked(before)?, values.linked(after)?);
                let forced = forced.as_ref().map(|at| values.flag(at)).transpose()?;
                let forced = forced.unwrap_or_default();
                Ok(ExtractedPosition::Link(Link { before, after, forced }))
            }
        }
    }
}

fn not_an_array(found: Found<'_>) -> Reason {
    match found {
        Found::Missing => Reason::Missing,
        Found::Duplicate => Reason::DuplicateMember,
        Found::Null => Reason::Null,
        Found::Object(_) => Reason::Object,
        Found::String { .. } | Found::Number(_) | Found::Boolean(_) | Found::Array(_) => {
            Reason::NotAnArray
        }
    }
}

fn joined(parts: &[Location]) -> String {
    parts.iter().map(Location::to_string).collect::<Vec<_>>().join(" ")
}

fn scan_if_needed<'a>(body: &'a [u8], paths: &Paths) -> Result<Vec<Found<'a>>, ExtractError> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    scan(body, paths).map_err(ExtractError::Unreadable)
}

/// A sequence or version: digits, 0 to 2⁶⁴−1. Leading zeros are accepted and mean nothing, because sources
/// that compare sequences as text pad them (CloudEvents `sequence`): `007` is 7.
pub(super) fn number(text: &[u8]) -> Result<u64, Reason> {
    let text = match text {
        [b'-', digits @ ..] if is_digits(digits) => return Err(Reason::Negative),
        digits if is_digits(digits) => digits,
        _ => return Err(Reason::NotDigits),
    };
    if text.len() > limits::SEQUENCE_DIGITS {
        return Err(Reason::TooLarge);
    }
    text.iter()
        .try_fold(0_u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
        .ok_or(Reason::TooLarge)
}

fn is_digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// One request with its scanned body.
struct Values<'a> {
    received: Received<'a>,
    paths: &'a Paths,
    found: &'a [Found<'a>],
}

impl<'a> Values<'a> {
    /// The bytes at a location by rule K1: texts as they are, integers as their digits.
    fn text(&self, location: &'a Location) -> Result<Cow<'a, [u8]>, Reason> {
        let text = match location {
            Location::Header(name) => self.header(name)?,
            Location::Body(pointer) => body_text(self.paths.find(pointer, self.found))?,
            Location::Form(name) => form::field(self.received.body, name)?,
            Location::Query(name) => form::field(self.received.query.as_bytes(), name)?,
            Location::Const(value) => Cow::Borrowed(value.as_bytes()),
        };
        if text.is_empty() { Err(Reason::Empty) } else { Ok(text) }
    }

    /// A key by rule K1: its parts joined by `/`.
    fn key(&self, parts: &'a [Location], subject: Subject) -> Result<String, Invalid> {
        let mut key = String::new();
        for (number, location) in parts.iter().enumerate() {
            let part = self.text(location);
            let part =
                part.map_err(|reason| Invalid { subject, at: location.to_string(), reason })?;
            if number > 0 {
                key.push('/');
            }
            encode::push_part(&mut key, &part);
            if key.len() > limits::KEY_BYTES {
                let reason = Reason::TooLong { limit: limits::KEY_BYTES };
                return Err(Invalid { subject, at: joined(parts), reason });
            }
        }
        Ok(key)
    }

    fn header(&self, name: &http::HeaderName) -> Result<Cow<'a, [u8]>, Reason> {
        let mut values = self.received.headers.get_all(name).iter();
        let value = values.next().ok_or(Reason::Missing)?;
        if values.next().is_some() {
            return Err(Reason::Repeated);
        }
        Ok(Cow::Borrowed(value.as_bytes()))
    }

    /// What a position, or a part of it, is read as.
    fn position<T>(
        &self,
        location: &'a Location,
        read: impl FnOnce(&[u8]) -> Result<T, Reason>,
    ) -> Result<T, Invalid> {
        let value = self.text(location).and_then(|text| read(&text));
        let subject = Subject::Position;
        value.map_err(|reason| Invalid { subject, at: location.to_string(), reason })
    }

    fn number(&self, location: &'a Location) -> Result<u64, Invalid> {
        self.position(location, number)
    }

    fn state_at(&self, StateAt { at, unit }: &'a StateAt) -> Result<At, Invalid> {
        match unit {
            Some(unit) => self.position(at, |text| unit.read_ns(text)).map(At::Instant),
            None => self.number(at).map(At::Version),
        }
    }

    /// A hash, as text: any that can be shown, however it is encoded.
    fn linked(&self, location: &'a Location) -> Result<Arc<str>, Invalid> {
        let hash = self.bounded(location, Subject::Position, LINK_BYTES)?;
        if hash.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(hash.into());
        }
        let (subject, at) = (Subject::Position, location.to_string());
        Err(Invalid { subject, at, reason: Reason::NotPrintable })
    }

    /// Whether something is so: what is absent or null is not.
    fn flag(&self, location: &'a Location) -> Result<bool, Invalid> {
        let Location::Body(pointer) = location else { return Ok(false) };
        let reason = match self.paths.find(pointer, self.found) {
            Found::Missing | Found::Null => return Ok(false),
            Found::Boolean(is_so) => return Ok(is_so),
            Found::Duplicate => Reason::DuplicateMember,
            _ => Reason::NotABoolean,
        };
        Err(Invalid { subject: Subject::Position, at: location.to_string(), reason })
    }

    /// UTF-8 text of bounded length.
    fn bounded(
        &self,
        location: &'a Location,
        subject: Subject,
        limit: usize,
    ) -> Result<String, Invalid> {
        let read = || {
            let text = self.text(location)?;
            if text.len() > limit {
                return Err(Reason::TooLong { limit });
            }
            String::from_utf8(text.into_owned()).map_err(|_| Reason::NotUtf8)
        };
        read().map_err(|reason| Invalid { subject, at: location.to_string(), reason })
    }
}

/// Rule K1 on a JSON value.
pub(super) fn body_text(found: Found<'_>) -> Result<Cow<'_, [u8]>, Reason> {
    match found {
        Found::Missing => Err(Reason::Missing),
        Found::Duplicate => Err(Reason::DuplicateMember),
        Found::String { quoted, escaped: false } => {
            Ok(Cow::Borrowed(&quoted.as_bytes()[1..quoted.len() - 1]))
        }
        Found::String { quoted, escaped: true } => {
            unescape(quoted).map(|text| text.into_bytes().into()).ok_or(Reason::LoneSurrogate)
        }
        Found::Number("-0") => Err(Reason::Float),
        Found::Number(text) if text.contains(['.', 'e', 'E']) => Err(Reason::Float),
        Found::Number(text) => Ok(Cow::Borrowed(text.as_bytes())),
        Found::Boolean(_) => Err(Reason::Boolean),
        Found::Null => Err(Reason::Null),
        Found::Object(_) => Err(Reason::Object),
        Found::Array(_) => Err(Reason::Array),
    }
}
