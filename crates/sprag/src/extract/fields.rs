//! How new each field of an event is: an object of a JSON body, by name a version or a time (contract `merge`).

use sprag_core::fields::{At, Field, Fields, FieldsProblem};
use sprag_core::limits;

use super::extractor::{body_text, number};
use super::invalid::{Invalid, Reason, Subject};
use super::json::{Found, members};
use super::{InstantUnit, Pointer};

/// Reads them where the pointer led to: times of that unit, or versions where there is none.
pub(super) fn read(
    found: Found<'_>,
    at: &Pointer,
    unit: Option<InstantUnit>,
) -> Result<Fields, Invalid> {
    let invalid = |name: &str, reason| {
        let at = if name.is_empty() {
            format!("body:{}", at.as_str())
        } else {
            format!("body:{}/{name}", at.as_str())
        };
        Invalid { subject: Subject::Position, at, reason }
    };
    let text = match found {
        Found::Object(text) => text,
        other => return Err(invalid("", not_an_object(other))),
    };
    // The body was read once: what is in it is JSON.
    let members = members(text, limits::FIELDS).map_err(|_| invalid("", Reason::NotAnObject))?;
    if members.len() > limits::FIELDS {
        return Err(invalid("", Reason::TooMany { limit: limits::FIELDS }));
    }
    let mut fields = Vec::with_capacity(members.len());
    for (name, found) in members {
        let name = name.ok_or_else(|| invalid("", Reason::LoneSurrogate))?;
        let shown: String = name.chars().take(limits::FIELD_BYTES).collect();
        let at = version(found, unit).map_err(|reason| invalid(&shown, reason))?;
        fields.push(Field { name: name.into(), at });
    }
    Fields::new(fields).map_err(|problem| invalid("", problem_of(problem)))
}

fn version(found: Found<'_>, unit: Option<InstantUnit>) -> Result<At, Reason> {
    let text = body_text(found)?;
    if text.is_empty() {
        return Err(Reason::Empty);
    }
    match unit {
        Some(unit) => unit.read_ns(&text).map(At::Instant),
        None => number(&text).map(At::Version),
    }
}

pub(super) fn not_an_object(found: Found<'_>) -> Reason {
    match found {
        Found::Missing => Reason::Missing,
        Found::Duplicate => Reason::DuplicateMember,
        Found::Null => Reason::Null,
        Found::Array(_) => Reason::Array,
        Found::String { .. } | Found::Number(_) | Found::Boolean(_) | Found::Object(_) => {
            Reason::NotAnObject
        }
    }
}

fn problem_of(problem: FieldsProblem) -> Reason {
    match problem {
        FieldsProblem::Empty => Reason::Empty,
        FieldsProblem::TooMany => Reason::TooMany { limit: limits::FIELDS },
        FieldsProblem::Name => Reason::FieldName { limit: limits::FIELD_BYTES },
        FieldsProblem::Twice => Reason::DuplicateMember,
    }
}
