//! The merged document of a key (contract `merge`): of each field the value in the event that brought its newest
//! version.
//!
//! Put together when it is asked for: the record has versions and events, values are in bodies (decision 033). What
//! cannot be read is named with the reason; it is never guessed.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use sprag_core::fields::KnownField;
use sprag_core::id::Place;
use sprag_log::{Answer, Query};
use utoipa::ToSchema;

use super::limits;
use super::state::AdminState;
use crate::extract::json::{Found, scan};
use crate::extract::{Paths, Pointer};
use crate::limits::POINTERS;
use crate::problem::{Code, Problem};

/// What the fresh fields of all events add up to.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = MergedDocument)]
pub(super) struct Merged {
    /// Of each field its newest value, as the body has it.
    #[schema(value_type = BTreeMap<String, Object>)]
    document: BTreeMap<String, Box<RawValue>>,
    /// The fields of which no value is told, and why.
    without: BTreeMap<String, Without>,
}

/// Why no value of a field is told.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = MergedWithout)]
enum Without {
    /// Its event has its version and no value.
    Absent,
    /// Its event has its value twice.
    Duplicate,
    /// The body is kept no longer (`retention.bodies`).
    BodyGone,
    /// The event is kept no longer (`retention.facts`).
    HistoryGone,
    /// The event is not durable yet; ask again.
    NotDurable,
    /// The bodies of newer fields were as many bytes as are read for one answer.
    BeyondLimit,
}

/// Reads the newest value of each field, newest event first: each event once, so at most as many as a key has fields.
pub(super) async fn read(
    state: &AdminState,
    values: &Pointer,
    fields: &[KnownField],
) -> Result<Merged, Problem> {
    let mut events: BTreeMap<Place, Vec<&str>> = BTreeMap::new();
    for field in fields {
        events.entry(field.event).or_default().push(&field.name);
    }
    let (mut merged, mut bytes) = (Merged::default(), 0);
    for (place, names) in events.into_iter().rev() {
        if bytes >= limits::DOCUMENT_BYTES {
            merged.leave_out(&names, Without::BeyondLimit);
            continue;
        }
        match state.ask_kept(Query::Event { place }).await {
            Ok(Some(Answer::Event(event))) => {
                bytes += event.body.bytes.len();
                merged.take(values, &names, &event.body.bytes);
            }
            Ok(_) => merged.leave_out(&names, Without::NotDurable),
            Err(gone) if gone.code == Code::BodyGone => {
                merged.leave_out(&names, Without::BodyGone);
            }
            Err(gone) if gone.code == Code::HistoryGone => {
                merged.leave_out(&names, Without::HistoryGone);
            }
            Err(problem) => return Err(problem),
        }
    }
    Ok(merged)
}

impl Merged {
    fn leave_out(&mut self, names: &[&str], why: Without) {
        self.without.extend(names.iter().map(|name| ((*name).to_owned(), why)));
    }

    /// Takes these fields from a body.
    fn take(&mut self, values: &Pointer, names: &[&str], body: &[u8]) {
        for names in names.chunks(POINTERS) {
            let mut paths = Paths::default();
            let pointers: Vec<_> = names.iter().map(|name| member(values, name)).collect();
            for pointer in pointers.iter().flatten() {
                paths.add(pointer);
            }
            // It was JSON when it came in; of anything else nothing is found.
            let found = scan(body, &paths).unwrap_or_default();
            for (name, pointer) in names.iter().zip(&pointers) {
                let value = pointer.as_ref().map_or(Found::Missing, |at| paths.find(at, &found));
                match written(value) {
                    Ok(value) => drop(self.document.insert((*name).to_owned(), value)),
                    Err(why) => self.leave_out(&[name], why),
                }
            }
        }
    }
}

/// Where the value of a field is.
fn member(values: &Pointer, name: &str) -> Option<Pointer> {
    let name = name.replace('~', "~0").replace('/', "~1");
    Pointer::parse(&format!("{}/{name}", values.as_str())).ok()
}

/// A value as the body has it, digits and all.
fn written(found: Found<'_>) -> Result<Box<RawValue>, Without> {
    let text = match found {
        Found::Missing => return Err(Without::Absent),
        Found::Duplicate => return Err(Without::Duplicate),
        Found::String { quoted, .. } => quoted,
        Found::Number(text) | Found::Object(text) | Found::Array(text) => text,
        Found::Boolean(true) => "true",
        Found::Boolean(false) => "false",
        Found::Null => "null",
    };
    RawValue::from_string(text.to_owned()).map_err(|_| Without::Absent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_as_written_and_what_is_not_there_is_named() {
        let body =
            br#"{"data":{"a/b":12345678901234567890.10,"~":{"x":[1]},"n":null,"d":1,"d":2}}"#;
        let mut merged = Merged::default();
        merged.take(&Pointer::parse("/data").unwrap(), &["a/b", "~", "n", "d", "gone"], body);
        let told = serde_json::to_string(&merged).unwrap();
        assert_eq!(
            told,
            r#"{"document":{"a/b":12345678901234567890.10,"n":null,"~":{"x":[1]}},"without":{"d":"duplicate","gone":"absent"}}"#
        );
    }

    /// More than one reading of the body can follow, and the root as the place of the values.
    #[test]
    fn as_many_fields_as_a_key_has() {
        let names: Vec<String> = (0..64).map(|number| format!("f{number}")).collect();
        let members: Vec<String> =
            names.iter().map(|name| format!("\"{name}\":\"{name}\"")).collect();
        let body = format!("{{{}}}", members.join(","));
        let mut merged = Merged::default();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        merged.take(&Pointer::parse("").unwrap(), &names, body.as_bytes());
        assert!(merged.without.is_empty());
        assert!(names.iter().all(|name| merged.document[*name].get() == format!("\"{name}\"")));
    }
}
