//! What differs between two values, from the text every type has for programmers: the paths of the fields
//! that are not the same, with both. So a field that is new in a record is told without being listed here.

use std::fmt::Debug;

/// Fields of one value are told at the most; what differs in more differs altogether.
const FIELDS: usize = 4;
/// Characters of a field's value at the most.
const VALUE: usize = 60;

/// The fields that differ: `sequence is 7, by the log 8; order.next is …`.
pub(super) fn differs(is: &impl Debug, adds: &impl Debug) -> String {
    let mut fields = Vec::new();
    compare("", &format!("{is:?}"), &format!("{adds:?}"), &mut fields);
    let more = fields.len().saturating_sub(FIELDS);
    fields.truncate(FIELDS);
    if more > 0 {
        fields.push(format!("and {more} more"));
    }
    fields.join("; ")
}

fn compare(path: &str, is: &str, adds: &str, fields: &mut Vec<String>) {
    if is == adds {
        return;
    }
    match (parts(is), parts(adds)) {
        (Some((one, is)), Some((other, adds))) if one == other && names(&is) == names(&adds) => {
            for (place, (is, adds)) in is.iter().zip(&adds).enumerate() {
                let name = is.0.map_or_else(|| place.to_string(), str::to_owned);
                let inner = match (path, is.0, is.1.len()) {
                    // A tuple of one is its value: `Sequence(7)`.
                    (path, None, _) if adds_one(one) => path.to_owned(),
                    ("", ..) => name,
                    (path, ..) => format!("{path}.{name}"),
                };
                compare(&inner, is.1, adds.1, fields);
            }
        }
        _ => {
            let path = if path.is_empty() { "it" } else { path };
            fields.push(format!("{path} is {}, by the log {}", short(is), short(adds)));
        }
    }
}

/// Whether what begins so has one value that needs no name of its own.
fn adds_one(begins: &str) -> bool {
    begins.ends_with('(') && begins.len() > 1
}

fn names<'a>(parts: &[(Option<&'a str>, &'a str)]) -> Vec<Option<&'a str>> {
    parts.iter().map(|(name, _)| *name).collect()
}

fn short(value: &str) -> String {
    match value.char_indices().nth(VALUE) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

/// What a value begins with, and its parts with their names; none where it is of one piece.
type Parts<'a> = (&'a str, Vec<(Option<&'a str>, &'a str)>);

fn parts(value: &str) -> Option<Parts<'_>> {
    let open = value.find(['{', '(', '['])?;
    let last = value.chars().next_back()?;
    if !matches!(last, '}' | ')' | ']') || value.starts_with('"') {
        return None;
    }
    let inside = &value[open + 1..value.len() - 1];
    let parts = split(inside, ',').into_iter().map(str::trim).filter(|part| !part.is_empty());
    let named = |part| match split(part, ':').as_slice() {
        [name, _, ..] => (Some(*name), part[name.len() + 1..].trim()),
        _ => (None, part),
    };
    Some((&value[..=open], parts.map(named).collect()))
}

/// Splits where the character stands within no brackets and no text.
fn split(text: &str, at: char) -> Vec<&str> {
    let (mut parts, mut from, mut depth, mut is_text, mut is_escaped) =
        (Vec::new(), 0, 0_usize, false, false);
    for (index, character) in text.char_indices() {
        match character {
            _ if std::mem::take(&mut is_escaped) => {}
            '\\' if is_text => is_escaped = true,
            '"' => is_text = !is_text,
            _ if is_text => {}
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth = depth.saturating_sub(1),
            _ if character == at && depth == 0 => {
                parts.push(&text[from..index]);
                from = index + character.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use sprag_core::id::{DestinationId, Sequence};
    use sprag_core::record::{KeyRecord, Lane, Order};

    #[test]
    fn only_what_differs_is_told_by_its_path() {
        let is = KeyRecord { sequence: Sequence(7), ..KeyRecord::default() };
        let mut adds = is.clone();
        assert_eq!(differs(&is, &adds), "");
        adds.sequence = Sequence(8);
        assert_eq!(differs(&is, &adds), "sequence is 7, by the log 8");
        adds.order = Order { next: Some(9), old: 1, ..Order::default() };
        let told = "sequence is 7, by the log 8; order.next is None, by the log Some(9); \
                    order.old is 0, by the log 1";
        assert_eq!(differs(&is, &adds), told);
    }

    #[test]
    fn a_list_of_another_length_differs_as_a_whole_and_an_entry_by_its_field() {
        let lane = Lane::new(DestinationId(3), Sequence(1));
        let is = KeyRecord { lanes: vec![lane.clone()], ..KeyRecord::default() };
        let other = Lane { failures: 2, ..lane };
        let adds = KeyRecord { lanes: vec![other], ..KeyRecord::default() };
        assert_eq!(differs(&is, &adds), "lanes.0.failures is 0, by the log 2");
        let none = KeyRecord::default();
        let told = differs(&is, &none);
        assert!(
            told.starts_with("lanes is [Lane { ") && told.contains("…, by the log []"),
            "{told}"
        );
    }

    #[test]
    fn text_with_brackets_and_quotes_is_of_one_piece() {
        let told = differs(&("a, b: {", 1), &("a, b: \"}", 1));
        assert_eq!(told, r#"0 is "a, b: {", by the log "a, b: \"}""#);
        let many: (Vec<u8>, Vec<u8>) = (vec![0; 9], vec![1; 9]);
        assert!(differs(&many.0, &many.1).ends_with("and 5 more"));
    }
}
