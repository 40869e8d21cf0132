//! Why a value of a request is not usable: what it was for, where it was looked for, the reason.

use super::json::Unreadable;

/// What a value was read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The id of the event.
    Id,
    /// The key, or a part of it.
    Key,
    /// The type.
    Type,
    /// The position.
    Position,
    /// The array of events that `split` leads to.
    Events,
    /// The key of another resource that the event refers to, or a part of it.
    DependsOn,
}

impl Subject {
    /// The word of messages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Key => "key",
            Self::Type => "type",
            Self::Position => "position",
            Self::Events => "list of events",
            Self::DependsOn => "key it depends on",
        }
    }
}

/// The reasons of rules K1 and of the position sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Nothing is there.
    Missing,
    /// A header, form field or query parameter occurs more than once.
    Repeated,
    /// An object on the path has the same member twice.
    DuplicateMember,
    /// JSON `null`.
    Null,
    /// No bytes.
    Empty,
    /// JSON `true` or `false`.
    Boolean,
    /// A number with a fraction, an exponent or a negative zero.
    Float,
    /// A JSON object.
    Object,
    /// A JSON array.
    Array,
    /// A JSON string with half of a UTF-16 pair.
    LoneSurrogate,
    /// An id, a type or a state whose bytes are not UTF-8.
    NotUtf8,
    /// A hash with a blank, a control character or a letter beyond ASCII.
    NotPrintable,
    /// Neither `true` nor `false`, where one of them is to be.
    NotABoolean,
    /// More bytes than allowed.
    TooLong {
        /// The most that is accepted, bytes.
        limit: usize,
    },
    /// A sequence that is not made of digits.
    NotDigits,
    /// A sequence below zero.
    Negative,
    /// A sequence above 2⁶⁴−1.
    TooLarge,
    /// A position that is no time of the declared unit, or has no zone.
    NotATime,
    /// A time that does not fit nanoseconds in 64 bits: before 1677 or after 2262.
    TimeOutOfRange,
    /// No rule of the key matches the type.
    NoRuleForType,
    /// `split` leads to a text, number or boolean.
    NotAnArray,
    /// A field's name is empty or too long.
    FieldName {
        /// The most that is accepted, bytes.
        limit: usize,
    },
    /// The name of a clock's node is empty or too long.
    NodeName {
        /// The most that is accepted, bytes.
        limit: usize,
    },
    /// A clock does not count the event of its own node.
    NoOwnCounter,
    /// Fields that are none: a text, a number or a boolean.
    NotAnObject,
    /// More events in one request than are taken at once, or more fields in one event.
    TooMany {
        /// The most that are taken.
        limit: usize,
    },
}

impl std::fmt::Display for Reason {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = match self {
            Self::Missing => "is missing",
            Self::Repeated => "occurs more than once",
            Self::DuplicateMember => "has a duplicate member on its path",
            Self::Null => "is null",
            Self::Empty => "is empty",
            Self::Boolean => "is a boolean",
            Self::Float => "is not an integer",
            Self::Object => "is an object",
            Self::Array => "is an array",
            Self::LoneSurrogate => "holds half of a UTF-16 pair",
            Self::NotUtf8 => "is not UTF-8",
            Self::NotPrintable => "has a character that no hash has",
            Self::NotABoolean => "is not a boolean",
            Self::TooLong { limit } => {
                return write!(formatter, "is longer than {limit} bytes");
            }
            Self::NotDigits => "is not made of digits",
            Self::Negative => "is negative",
            Self::TooLarge => "is larger than 2^64-1",
            Self::NotATime => "is not a time of the declared unit, with a zone",
            Self::TimeOutOfRange => "is a time before 1677 or after 2262",
            Self::NoRuleForType => "has no rule for this type",
            Self::NotAnArray => "is not an array",
            Self::NotAnObject => "is not an object",
            Self::FieldName { limit } => {
                return write!(
                    formatter,
                    "has a field whose name is empty or longer than {limit} bytes"
                );
            }
            Self::NodeName { limit } => {
                return write!(
                    formatter,
                    "has a node whose name is empty or longer than {limit} bytes"
                );
            }
            Self::NoOwnCounter => "counts no event of its own node",
            Self::TooMany { limit } => {
                return write!(formatter, "has more than {limit} elements");
            }
        };
        formatter.write_str(text)
    }
}

/// A value that is not usable: 422.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// What it was for.
    pub subject: Subject,
    /// The location as configured, `body:/data/customer`; several are separated by a blank.
    pub at: String,
    /// Why.
    pub reason: Reason,
}

impl std::fmt::Display for Invalid {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (subject, at) = (self.subject.word(), &self.at);
        match (self.subject, self.reason) {
            // What tells events or resources apart may be a text as well.
            (Subject::Id | Subject::Key | Subject::DependsOn, Reason::Float) => {
                write!(formatter, "the {subject} at {at} is neither a text nor an integer")
            }
            (_, reason) => write!(formatter, "the {subject} at {at} {reason}"),
        }
    }
}

/// Why nothing was extracted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtractError {
    /// The body is not JSON: 400.
    Unreadable(Unreadable),
    /// A value is not usable: 422.
    Invalid(Invalid),
}

impl std::fmt::Display for ExtractError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable(unreadable) => unreadable.fmt(formatter),
            Self::Invalid(invalid) => invalid.fmt(formatter),
        }
    }
}
