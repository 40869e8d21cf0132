//! Versions of an event's fields: the position under contract `merge`, and what a key has come to of each.
//!
//! Must not know: values. They are in the bodies.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::id::Place;
use crate::instant::instant_text;
use crate::limits;

/// How new something is: numbers compare with numbers and instants with instants, for a source has one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum At {
    /// A number that grows with every change.
    Version(u64),
    /// Nanoseconds since 1970.
    Instant(u64),
}

/// One field of an event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Field {
    /// Its name, 1 to [`limits::FIELD_BYTES`] bytes.
    pub name: Arc<str>,
    /// How new its value is.
    pub at: At,
}

/// What a key has come to of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownField {
    /// Its name.
    pub name: Arc<str>,
    /// How new the newest value is that was released.
    pub at: At,
    /// The event that brought it.
    pub event: Place,
}

/// The fields of an event, ascending by name, each once and at least one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fields(Arc<[Field]>);

/// Why fields are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldsProblem {
    /// None at all.
    Empty,
    /// More than [`limits::FIELDS`].
    TooMany,
    /// A name is empty or longer than [`limits::FIELD_BYTES`].
    Name,
    /// A name comes twice.
    Twice,
}

impl Fields {
    /// Puts them in order.
    ///
    /// # Errors
    /// When they are not as [`Fields`] says.
    pub fn new(mut fields: Vec<Field>) -> Result<Self, FieldsProblem> {
        if fields.is_empty() {
            return Err(FieldsProblem::Empty);
        }
        if fields.len() > limits::FIELDS {
            return Err(FieldsProblem::TooMany);
        }
        if fields.iter().any(|field| !(1..=limits::FIELD_BYTES).contains(&field.name.len())) {
            return Err(FieldsProblem::Name);
        }
        fields.sort_by(|one, other| one.name.cmp(&other.name));
        if fields.windows(2).any(|pair| pair[0].name == pair[1].name) {
            return Err(FieldsProblem::Twice);
        }
        Ok(Self(fields.into()))
    }

    /// Ascending by name.
    #[must_use]
    pub fn as_slice(&self) -> &[Field] {
        &self.0
    }

    /// `mail=2,name=3`; names are percent-encoded as in a URL.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for field in self.as_slice() {
            if !text.is_empty() {
                text.push(',');
            }
            push_name(&mut text, &field.name);
            text.push('=');
            match field.at {
                At::Version(version) => text.push_str(&alloc::format!("{version}")),
                At::Instant(nanoseconds) => text.push_str(&instant_text(nanoseconds)),
            }
        }
        text
    }
}

/// A field's name in a header: what is not unreserved in a URL is percent-encoded (RFC 3986, section 2.3).
pub fn push_name(text: &mut String, name: &str) {
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&alloc::format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(names: &[&str]) -> Result<Fields, FieldsProblem> {
        let at = |at: usize| At::Version(at as u64);
        let field = |(number, name): (usize, &&str)| Field { name: (*name).into(), at: at(number) };
        Fields::new(names.iter().enumerate().map(field).collect())
    }

    #[test]
    fn fields_are_in_order_each_once_and_bounded() {
        let some = fields(&["name", "a,b=c %ü"]).unwrap();
        assert_eq!(some.text(), "a%2Cb%3Dc%20%25%C3%BC=1,name=0");
        assert_eq!(fields(&[]), Err(FieldsProblem::Empty));
        assert_eq!(fields(&["a", ""]), Err(FieldsProblem::Name));
        assert_eq!(fields(&[&"n".repeat(limits::FIELD_BYTES + 1)]), Err(FieldsProblem::Name));
        assert!(fields(&[&"n".repeat(limits::FIELD_BYTES)]).is_ok());
        assert_eq!(fields(&["a", "b", "a"]), Err(FieldsProblem::Twice));
        let names: Vec<String> = (0..=limits::FIELDS).map(|n| alloc::format!("{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(fields(&names), Err(FieldsProblem::TooMany));
        assert!(fields(&names[1..]).is_ok());
        let instant = Field { name: "a".into(), at: At::Instant(1_500_000_000) };
        let text = Fields::new(Vec::from([instant])).unwrap().text();
        assert_eq!(text, "a=1970-01-01T00:00:01.500000000Z");
    }
}
