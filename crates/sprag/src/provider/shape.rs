//! An event as a request that the rules of a source can read: each value where it is looked for.

use super::post::Post;
use super::walk::Walk;
use crate::config::{Contract, First, Source};
use crate::extract::{
    BodyForm, ExtractError, Extracted, ExtractedPosition, Extraction, Extractor, IdRule,
    InstantUnit, KeyRule, Location, PositionRule, Received, RulesProblem, StateAt,
};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use sprag_log::digest::sha256;
use std::fmt;

/// Makes requests for one source.
#[derive(Debug, Clone)]
pub struct Shape {
    extractor: Extractor,
    event_type: String,
    first: u64,
    states: Walk,
}

/// Why no request can be made that the source would take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShapeProblem {
    /// The rules themselves are not usable.
    Rules(RulesProblem),
    /// What was made is not read back; the text says where and why.
    NotRead(String),
    /// The source does not accept the type.
    NotAccepted(String),
}

impl fmt::Display for ShapeProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rules(problem) => problem.fmt(formatter),
            Self::NotRead(why) => write!(formatter, "no event can be made for its rules: {why}"),
            Self::NotAccepted(name) => {
                write!(formatter, "it does not accept the type {name:?}; choose one with --type")
            }
        }
    }
}

/// A request in the making.
struct Draft {
    headers: Vec<(HeaderName, HeaderValue)>,
    query: Vec<String>,
    form: Vec<String>,
    body: Value,
}

impl Shape {
    /// Prepares a source for bodies that exist already.
    pub fn of_rules(source: &Source, event_type: &str) -> Result<Self, ShapeProblem> {
        let extractor = source.extractor().map_err(ShapeProblem::Rules)?;
        let first = match &source.contract {
            Contract::Fifo(fifo) => match fifo.first {
                First::At(first) | First::Strictly(first) | First::Refilled(first) => first,
                First::Any => 1,
            },
            Contract::Latest(_)
            | Contract::Arrival
            | Contract::Unordered
            | Contract::Settle(_)
            | Contract::Merge(_)
            | Contract::Causal(_)
            | Contract::States(_)
            | Contract::Links(_) => 1,
        };
        let states = match &source.contract {
            Contract::States(states) => Walk::through(&states.table),
            _ => Walk::default(),
        };
        Ok(Self { extractor, event_type: event_type.to_owned(), first, states })
    }

    /// Prepares a source for events that are made; refuses one for which none can be made.
    pub fn new(source: &Source, event_type: &str) -> Result<Self, ShapeProblem> {
        let shape = Self::of_rules(source, event_type)?;
        let probe = shape.event("probe", shape.first);
        match shape.read(&probe)? {
            Extraction::Event(_) => Ok(shape),
            Extraction::Ignored { event_type } => Err(ShapeProblem::NotAccepted(event_type)),
        }
    }

    /// The position the first event of a key has.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Have all events one key, whatever they are about?
    #[must_use]
    pub fn has_one_key(&self) -> bool {
        let is_const = |location: &Location| matches!(location, Location::Const(_));
        self.extractor.rules().key.locations().all(is_const)
    }

    /// An event of a key: every value where the rules look for it. `key` is made of letters,
    /// digits, `-` and `_`.
    #[must_use]
    pub fn event(&self, key: &str, sequence: u64) -> Post {
        let id = format!("evt_{key}_{sequence}");
        let rules = self.extractor.rules();
        let mut draft = self.draft(&id, key, sequence);
        key_parts(&rules.key, &self.event_type).iter().for_each(|part| draft.put(part, key));
        if let IdRule::At(location) = &rules.id {
            draft.put(location, &id);
        }
        draft.put_position(&rules.position, sequence, &self.states);
        // Last: where the type is part of the key, the rules read it as the type first. Where it is the state, it
        // is written already.
        let is_state = |location: &Location| matches!(&rules.position, PositionRule::State { state, .. } if state == location);
        if let Some(location) = rules.event_type.as_ref().filter(|location| !is_state(location)) {
            draft.put(location, &self.event_type);
        }
        if let Some(split) = &rules.split {
            draft.body = in_array_at(split.segments(), draft.body);
        }
        draft.finish(id, sequence, self.extractor.body_form())
    }

    /// A body as it is; values that the rules read from headers are added. `number` is its place
    /// among those of the same run, from 1.
    #[must_use]
    pub fn wrapped(&self, body: Bytes, number: u64) -> Post {
        // The same body again is recognised as the same event.
        let digest = data_encoding::HEXLOWER.encode(&sha256(&[&body]).0[..16]);
        let mut draft = Draft::empty();
        let rules = self.extractor.rules();
        let id = format!("evt_{digest}");
        let headers = |location: &Location| matches!(location, Location::Header(_));
        if let IdRule::At(location) = &rules.id
            && headers(location)
        {
            draft.put(location, &id);
        }
        if let Some(location) = rules.event_type.as_ref().filter(|l| headers(l)) {
            draft.put(location, &self.event_type);
        }
        if rules.position.locations().any(headers) {
            draft.put_position(&rules.position, number, &self.states);
        }
        let mut post = draft.finish(id, number, self.extractor.body_form());
        post.body = body;
        post.sequence = self.sequence_of(&post).unwrap_or(number);
        post
    }

    /// What the source reads from the first event of a request; an error when it cannot be read
    /// at all.
    fn read(&self, post: &Post) -> Result<Extraction, ShapeProblem> {
        let not_read = |error: ExtractError| ShapeProblem::NotRead(error.to_string());
        let headers: HeaderMap = post.headers.iter().cloned().collect();
        let bodies = self.extractor.bodies(&post.body).map_err(not_read)?;
        let body = bodies.first().copied().unwrap_or_default();
        let digest = sha256(&[body]).0;
        let received = Received { headers: &headers, query: &post.query, body, digest: &digest };
        self.extractor.extract(received).map_err(not_read)
    }

    /// The sequence a signature has to bind is the one the source will read.
    fn sequence_of(&self, post: &Post) -> Option<u64> {
        match self.read(post) {
            Ok(Extraction::Event(Extracted {
                position: ExtractedPosition::Sequence(sequence),
                ..
            })) => Some(sequence),
            _ => None,
        }
    }

    fn draft(&self, id: &str, key: &str, sequence: u64) -> Draft {
        let body = json!({
            "id": id,
            "type": self.event_type,
            "data": { "object": key, "change": sequence },
        });
        Draft { body, ..Draft::empty() }
    }
}

impl Draft {
    fn empty() -> Self {
        Self { headers: Vec::new(), query: Vec::new(), form: Vec::new(), body: Value::Null }
    }

    fn put(&mut self, location: &Location, value: &str) {
        self.put_value(location, value.into());
    }

    fn put_position(&mut self, rule: &PositionRule, number: u64, states: &Walk) {
        let time = |unit: InstantUnit| unit.write(u32::try_from(number).unwrap_or(u32::MAX));
        match rule {
            PositionRule::None => {}
            PositionRule::Sequence(at) | PositionRule::Version(at) => {
                self.put_value(at, number.into());
            }
            PositionRule::Timestamp { at, unit } => self.put(at, &time(*unit)),
            PositionRule::Fields { at, unit, .. } => {
                let version = unit.map_or_else(|| number.into(), |unit| Value::from(time(unit)));
                self.put_value(at, json!({ "change": version }));
            }
            // All events are of one node, each behind the one before.
            PositionRule::Clock { at, node } => {
                self.put_value(at, json!({ "node": number }));
                self.put(node, "node");
            }
            // Each begins where the one before it ended, the first at nothing.
            PositionRule::Link { before, after, forced } => {
                self.put(before, &format!("{:040x}", number.saturating_sub(1)));
                self.put(after, &format!("{number:040x}"));
                forced.iter().for_each(|at| self.put_value(at, false.into()));
            }
            PositionRule::State { state, at } => {
                self.put(state, states.state(number));
                if let Some(StateAt { at, unit }) = at {
                    let version =
                        unit.map_or_else(|| number.into(), |unit| Value::from(time(unit)));
                    self.put_value(at, version);
                }
            }
        }
    }

    fn put_value(&mut self, location: &Location, value: Value) {
        let text = || value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match location {
            Location::Header(name) => {
                // Values are made of letters, digits and `.-_`.
                let value = HeaderValue::try_from(text());
                self.headers.extend(value.ok().map(|value| (name.clone(), value)));
            }
            Location::Query(name) => self.query.push(pair(name, &text())),
            Location::Form(name) => self.form.push(pair(name, &text())),
            Location::Body(pointer) => place(&mut self.body, pointer.segments(), value),
            Location::Const(_) => {}
        }
    }

    fn finish(mut self, id: String, sequence: u64, form: BodyForm) -> Post {
        let (content_type, body) = match form {
            BodyForm::Form => ("application/x-www-form-urlencoded", self.form.join("&")),
            BodyForm::Json | BodyForm::Opaque => ("application/json", self.body.to_string()),
        };
        self.headers.push((CONTENT_TYPE, HeaderValue::from_static(content_type)));
        Post { id, sequence, headers: self.headers, query: self.query.join("&"), body: body.into() }
    }
}

/// A document with an array at this pointer, whose only element is the event.
fn in_array_at(segments: &[String], event: Value) -> Value {
    let mut document = Value::Null;
    place(&mut document, segments, Value::Array(vec![event]));
    document
}

/// Where the key of an event of this type is.
fn key_parts<'a>(rule: &'a KeyRule, event_type: &str) -> &'a [Location] {
    match rule {
        KeyRule::Parts(parts) => parts,
        KeyRule::ByType(rules) => rules
            .iter()
            .find(|(pattern, _)| pattern.matches(event_type))
            .map_or(&[], |(_, parts)| parts),
    }
}

fn pair(name: &str, value: &str) -> String {
    let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    format!("{}={}", encode(name), encode(value))
}

/// Puts a value at a JSON pointer; what stands in the way becomes an object.
fn place(at: &mut Value, segments: &[String], value: Value) {
    let Some((segment, rest)) = segments.split_first() else {
        *at = value;
        return;
    };
    if !at.is_object() {
        *at = Value::Object(Map::new());
    }
    if let Some(members) = at.as_object_mut() {
        place(members.entry(segment.as_str()).or_insert(Value::Null), rest, value);
    }
}
