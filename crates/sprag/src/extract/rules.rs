//! What a source configures about its events, and the limits of it.

use super::{Location, Pattern};
use crate::limits;

/// Where the id of an event is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdRule {
    /// At a location.
    At(Location),
    /// The SHA-256 of the body, hexadecimal.
    Sha256,
    /// Events have no id; only positions tell repeats.
    None,
}

/// Where the key of an event is. The locations of one key are joined by `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyRule {
    /// The same for all types.
    Parts(Vec<Location>),
    /// The first rule whose pattern matches the type.
    ByType(Vec<(Pattern, Vec<Location>)>),
}

/// What the source says about order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PositionRule {
    /// Nothing.
    None,
    /// A number per event.
    Sequence(Location),
}

/// All rules of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The id.
    pub id: IdRule,
    /// The key.
    pub key: KeyRule,
    /// The type; without one every type is empty.
    pub event_type: Option<Location>,
    /// Types that are taken; others end as `ignored`.
    pub accept: Vec<Pattern>,
    /// The position.
    pub position: PositionRule,
}

/// Why rules cannot be used together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RulesProblem {
    /// One location reads the body as JSON, another as a form.
    JsonAndForm,
    /// More than `limits::POINTERS` different pointers.
    TooManyPointers,
}

impl std::fmt::Display for RulesProblem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::JsonAndForm => {
                formatter.write_str("a body is read either as JSON (body:) or as a form (form:)")
            }
            Self::TooManyPointers => {
                write!(formatter, "more than {} different JSON pointers", limits::POINTERS)
            }
        }
    }
}

impl Rules {
    /// Every location of the rules.
    pub fn locations(&self) -> impl Iterator<Item = &Location> {
        let id = match &self.id {
            IdRule::At(location) => Some(location),
            IdRule::Sha256 | IdRule::None => None,
        };
        let position = match &self.position {
            PositionRule::Sequence(location) => Some(location),
            PositionRule::None => None,
        };
        id.into_iter().chain(self.event_type.as_ref()).chain(position).chain(self.key.locations())
    }
}

impl KeyRule {
    /// Every location of the key.
    pub fn locations(&self) -> impl Iterator<Item = &Location> {
        let (parts, rules) = match self {
            Self::Parts(parts) => (parts.as_slice(), [].as_slice()),
            Self::ByType(rules) => ([].as_slice(), rules.as_slice()),
        };
        parts.iter().chain(rules.iter().flat_map(|(_, parts)| parts))
    }
}
