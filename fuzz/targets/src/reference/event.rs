//! The rules of a source as anyone would read them (DESIGN K1, K3), on a tree that `serde_json` built.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderMap;
use sprag::extract::{
    Extracted, ExtractedPosition, Extraction, IdRule, InstantUnit, KeyRule, Location, PositionRule,
    Rules,
};
use sprag::limits::{ID_BYTES, KEY_BYTES, SEQUENCE_DIGITS, TYPE_BYTES};
use sprag_core::clocks::{Clock, Counter};
use sprag_core::fields::{At, Field, Fields};
use sprag_core::limits::{CLOCK_NODES, FIELD_BYTES, LINK_BYTES, NODE_BYTES, STATE_BYTES};
use sprag_core::links::Link;

use super::json::{Led, Tree};
use super::{form, mac};

/// The rules as anyone would read them.
pub(crate) struct Reading<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) query: &'a str,
    pub(crate) body: &'a [u8],
    /// The body, if it is JSON.
    pub(crate) tree: Option<&'a Tree>,
    /// Whether a number was asked for that serde_json does not keep as it is written.
    pub(crate) cannot_tell: Cell<bool>,
}

impl Reading<'_> {
    /// None: the event cannot be used.
    pub(crate) fn extraction(&self) -> Option<Extraction> {
        let rules = self.rules;
        let event_type = match &rules.event_type {
            Some(at) => self.text(at, TYPE_BYTES)?,
            None => String::new(),
        };
        if !rules.accept.iter().any(|pattern| pattern.matches(&event_type)) {
            return Some(Extraction::Ignored { event_type });
        }
        let id = match &rules.id {
            IdRule::At(at) => Some(self.text(at, ID_BYTES)?),
            IdRule::Sha256 => Some(mac::hex(&mac::sha256(self.body))),
            IdRule::None => None,
        };
        let parts = match &rules.key {
            KeyRule::Parts(parts) => parts,
            KeyRule::ByType(all) => {
                &all.iter().find(|(pattern, _)| pattern.matches(&event_type))?.1
            }
        };
        let parts: Option<Vec<String>> =
            parts.iter().map(|at| self.bytes(at).map(|part| encoded(&part))).collect();
        let key = parts?.join("/");
        if key.len() > KEY_BYTES {
            return None;
        }
        let position = match &rules.position {
            PositionRule::None => ExtractedPosition::None,
            PositionRule::Sequence(at) => ExtractedPosition::Sequence(number(&self.bytes(at)?)?),
            PositionRule::Version(at) => ExtractedPosition::Version(number(&self.bytes(at)?)?),
            PositionRule::Fields { at, .. } => ExtractedPosition::Fields(self.fields(at)?),
            PositionRule::Clock { at, node } => ExtractedPosition::Clock(self.clock(at, node)?),
            PositionRule::State { state, at } => {
                let state = self.text(state, STATE_BYTES)?;
                let at = match at {
                    Some(at) => Some(At::Version(number(&self.bytes(&at.at)?)?)),
                    None => None,
                };
                ExtractedPosition::State { state, at }
            }
            PositionRule::Link { before, after, forced } => {
                let (before, after) = (self.hash(before)?, self.hash(after)?);
                let forced = match forced {
                    Some(at) => self.is_so(at)?,
                    None => false,
                };
                ExtractedPosition::Link(Link { before, after, forced })
            }
            PositionRule::Timestamp { at, unit: InstantUnit::Milliseconds } => {
                let ns = digits(&self.bytes(at)?)?.checked_mul(1_000_000)?;
                ExtractedPosition::Timestamp(i64::try_from(ns).ok()?.unsigned_abs())
            }
            PositionRule::Timestamp { at, .. } => {
                self.bytes(at)?;
                ExtractedPosition::Timestamp(0)
            }
        };
        Some(Extraction::Event(Extracted { id, key, event_type, position, depends_on: None }))
    }

    /// Versions by name, each once.
    fn fields(&self, at: &Location) -> Option<Fields> {
        let Location::Body(pointer) = at else { return None };
        let Led::To(Tree::Object(members)) = self.tree?.at(pointer.as_str()) else { return None };
        let mut fields = BTreeMap::new();
        for (name, value) in members {
            let text = match value {
                Tree::Text(text) => text.clone(),
                Tree::Number(number) => {
                    self.cannot_tell.set(self.cannot_tell.get() || number.is_f64());
                    number.to_string()
                }
                _ => return None,
            };
            let at = At::Version(number(text.as_bytes())?);
            let is_name = !name.is_empty() && name.len() <= FIELD_BYTES;
            let new = fields.insert(name.clone(), Field { name: name.as_str().into(), at });
            if !is_name || new.is_some() {
                return None;
            }
        }
        Fields::new(fields.into_values().collect()).ok()
    }

    /// Counters by node, each once, the own among them and not 0.
    fn clock(&self, at: &Location, node: &Location) -> Option<Clock> {
        let node = self.text(node, NODE_BYTES)?;
        let Location::Body(pointer) = at else { return None };
        let Led::To(Tree::Object(members)) = self.tree?.at(pointer.as_str()) else { return None };
        let mut counters = BTreeMap::new();
        for (name, value) in members {
            let text = match value {
                Tree::Text(text) => text.clone(),
                Tree::Number(number) => {
                    self.cannot_tell.set(self.cannot_tell.get() || number.is_f64());
                    number.to_string()
                }
                _ => return None,
            };
            let count = number(text.as_bytes())?;
            let is_name = !name.is_empty() && name.len() <= NODE_BYTES;
            let new = counters.insert(name.clone(), Counter { node: name.as_str().into(), count });
            if !is_name || new.is_some() {
                return None;
            }
        }
        let is_counted = counters.get(&node).is_some_and(|own| own.count > 0);
        if !is_counted || counters.len() > CLOCK_NODES {
            return None;
        }
        Clock::new(&node, counters.into_values().collect()).ok()
    }

    fn hash(&self, at: &Location) -> Option<Arc<str>> {
        let hash = self.text(at, LINK_BYTES)?;
        hash.chars().all(|one| ('!'..='~').contains(&one)).then(|| hash.into())
    }

    /// What is not there is not so.
    fn is_so(&self, at: &Location) -> Option<bool> {
        let Location::Body(pointer) = at else { return None };
        match self.tree?.at(pointer.as_str()) {
            Led::Nowhere | Led::To(Tree::Null) => Some(false),
            Led::To(Tree::Boolean(is_so)) => Some(*is_so),
            _ => None,
        }
    }

    fn text(&self, at: &Location, most: usize) -> Option<String> {
        String::from_utf8(self.bytes(at)?).ok().filter(|text| text.len() <= most)
    }

    fn bytes(&self, at: &Location) -> Option<Vec<u8>> {
        let bytes = match at {
            Location::Header(name) => self.headers.get(name)?.as_bytes().to_vec(),
            Location::Query(name) => form::only(self.query.as_bytes(), name)?,
            Location::Form(name) => form::only(self.body, name)?,
            Location::Const(text) => text.clone().into_bytes(),
            Location::Body(pointer) => match self.tree?.at(pointer.as_str()) {
                Led::To(Tree::Text(text)) => text.clone().into_bytes(),
                Led::To(Tree::Number(number)) => {
                    self.cannot_tell.set(self.cannot_tell.get() || number.is_f64());
                    number.to_string().into_bytes()
                }
                _ => return None,
            },
        };
        (!bytes.is_empty()).then_some(bytes)
    }
}

fn digits(text: &[u8]) -> Option<u64> {
    let is_digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| is_digits)?.parse().ok()
}

fn number(text: &[u8]) -> Option<u64> {
    digits(text).filter(|_| text.len() <= SEQUENCE_DIGITS)
}

/// Everything but letters, digits, `-`, `_` and `~` is `%XX` (rule K1).
fn encoded(part: &[u8]) -> String {
    let one = |byte: &u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => {
            char::from(*byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    part.iter().map(one).collect()
}
