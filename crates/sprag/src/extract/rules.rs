//! What a source configures about its events, and the limits of it.

use super::{InstantUnit, Location, Pattern, Pointer};
use crate::limits;
use std::fmt;

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
    /// A number per event, contiguous.
    Sequence(Location),
    /// A number that grows, with gaps.
    Version(Location),
    /// A time.
    Timestamp {
        /// Where it is.
        at: Location,
        /// How it is written.
        unit: InstantUnit,
    },
    /// How new each field is.
    Fields {
        /// Where the object of the body is whose members are the fields.
        at: Location,
        /// How times are written; versions are numbers.
        unit: Option<InstantUnit>,
        /// Where the object of the body is whose members are the values of the fields.
        values: Option<Pointer>,
    },
    /// What its node knew of the events of all nodes.
    Clock {
        /// Where the object of the body is whose members count the events of each node.
        at: Location,
        /// Where the node is that wrote the event.
        node: Location,
    },
    /// The state of the resource.
    State {
        /// Where its name is.
        state: Location,
        /// Where the source says how new it is.
        at: Option<StateAt>,
    },
    /// From which hash to which it leads.
    Link {
        /// Where the hash is of what was before.
        before: Location,
        /// Where the hash is of what is after.
        after: Location,
        /// Where the body says that the one does not build on the other.
        forced: Option<Location>,
    },
}

/// How new a state is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateAt {
    /// Where it is.
    pub at: Location,
    /// How a time is written; a version is a number.
    pub unit: Option<InstantUnit>,
}

impl PositionRule {
    /// Every location of the position.
    pub fn locations(&self) -> impl Iterator<Item = &Location> {
        let (one, other, third) = match self {
            Self::None => (None, None, None),
            Self::Sequence(location)
            | Self::Version(location)
            | Self::Timestamp { at: location, .. }
            | Self::Fields { at: location, .. } => (Some(location), None, None),
            Self::Clock { at, node } => (Some(at), Some(node), None),
            Self::State { state, at } => (Some(state), at.as_ref().map(|at| &at.at), None),
            Self::Link { before, after, forced } => (Some(before), Some(after), forced.as_ref()),
        };
        one.into_iter().chain(other).chain(third)
    }
}

impl fmt::Display for IdRule {
    /// The canonical text, part of a source's identity (rule K8): it must not change.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(location) => write!(formatter, "{location}"),
            Self::Sha256 => formatter.write_str("sha256"),
            Self::None => formatter.write_str("none"),
        }
    }
}

impl fmt::Display for KeyRule {
    /// The canonical text, part of a source's identity (rule K8): it must not change.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |parts: &[Location]| {
            parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" / ")
        };
        match self {
            Self::Parts(parts) => formatter.write_str(&join(parts)),
            Self::ByType(rules) => rules
                .iter()
                .try_for_each(|(pattern, parts)| write!(formatter, "[{pattern} {}]", join(parts))),
        }
    }
}

impl fmt::Display for PositionRule {
    /// The canonical text, part of a source's identity (rule K8): it must not change.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => formatter.write_str("none"),
            Self::Sequence(location) => write!(formatter, "sequence {location}"),
            Self::Version(location) => write!(formatter, "version {location}"),
            Self::Timestamp { at, unit } => write!(formatter, "timestamp {at} {}", unit.word()),
            // Values are read for those who ask, and have no part in order.
            Self::Fields { at, unit, values: _ } => {
                let unit = unit.map_or("version", InstantUnit::word);
                write!(formatter, "fields {at} {unit}")
            }
            Self::Clock { at, node } => write!(formatter, "clock {at} node {node}"),
            Self::State { state, at: None } => write!(formatter, "state {state}"),
            Self::State { state, at: Some(StateAt { at, unit }) } => {
                let unit = unit.map_or("version", InstantUnit::word);
                write!(formatter, "state {state} {at} {unit}")
            }
            // Whether a step is forced tells nothing of its place.
            Self::Link { before, after, forced: _ } => write!(formatter, "link {before} {after}"),
        }
    }
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
    /// Where the array is whose elements are the events; without it the body is one event.
    /// Pointers of the other rules begin at the element.
    pub split: Option<Pointer>,
    /// Where the key is of another resource that an event refers to; none where they refer to none.
    pub depends_on: Option<KeyRule>,
}

/// Why rules cannot be used together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RulesProblem {
    /// One location, or `split`, reads the body as JSON, another as a form.
    JsonAndForm,
    /// More than `limits::POINTERS` different pointers.
    TooManyPointers,
}

impl fmt::Display for RulesProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
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
        let position = self.position.locations();
        let other = self.depends_on.iter().flat_map(KeyRule::locations);
        let own = self.key.locations();
        id.into_iter().chain(self.event_type.as_ref()).chain(position).chain(own).chain(other)
    }
}

impl Rules {
    /// The headers that a rule reads.
    #[must_use]
    pub fn header_names(&self) -> Vec<http::HeaderName> {
        let headers = self.locations().filter_map(|location| match location {
            Location::Header(name) => Some(name.clone()),
            _ => None,
        });
        headers.collect()
    }
}

impl Rules {
    /// Whether something is read from a JSON body.
    #[must_use]
    pub fn reads_json(&self) -> bool {
        let of_body = |location: &Location| matches!(location, Location::Body(_));
        self.split.is_some() || self.locations().any(of_body)
    }
}

impl KeyRule {
    /// The locations of the key of an event of this type; none where no rule fits it.
    #[must_use]
    pub fn parts(&self, event_type: &str) -> Option<&[Location]> {
        match self {
            Self::Parts(parts) => Some(parts),
            Self::ByType(rules) => {
                let fits = |(pattern, _): &&(Pattern, _)| pattern.matches(event_type);
                rules.iter().find(fits).map(|(_, parts)| parts.as_slice())
            }
        }
    }

    /// Every location of the key.
    pub fn locations(&self) -> impl Iterator<Item = &Location> {
        let (parts, rules) = match self {
            Self::Parts(parts) => (parts.as_slice(), [].as_slice()),
            Self::ByType(rules) => ([].as_slice(), rules.as_slice()),
        };
        parts.iter().chain(rules.iter().flat_map(|(_, parts)| parts))
    }
}
