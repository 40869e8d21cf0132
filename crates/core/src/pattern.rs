//! Globs over event types: `*` stands for any run of characters, dots included, also for none.
//!
//! `accept` of a source and `types` of a destination are lists of them. Bytes are compared as they
//! are.
//!
//! `customer.*` matches `customer.created` and `customer.subscription.updated`, not `customer`.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::limits;

/// A parsed pattern: the literal pieces around the stars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<String>);

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatternProblem {
    /// It would match only an event without a type.
    Empty,
    /// Longer than `limits::TEXT_BYTES`: no type could match.
    TooLong,
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join("*"))
    }
}

impl fmt::Display for PatternProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => {
                formatter.write_str("a pattern is a type or a glob such as `customer.*`")
            }
            Self::TooLong => {
                write!(formatter, "a pattern has at most {} bytes", limits::TEXT_BYTES)
            }
        }
    }
}

impl Pattern {
    /// The pattern `*`.
    #[must_use]
    pub fn any() -> Self {
        Self(Vec::from([String::new(), String::new()]))
    }

    /// Reads a pattern.
    ///
    /// # Errors
    /// When no type could match it.
    pub fn parse(text: &str) -> Result<Self, PatternProblem> {
        if text.is_empty() {
            return Err(PatternProblem::Empty);
        }
        if text.len() > limits::TEXT_BYTES {
            return Err(PatternProblem::TooLong);
        }
        Ok(Self(text.split('*').map(str::to_owned).collect()))
    }

    /// Is it `*`, which matches everything, an absent type included?
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.0.len() > 1 && self.0.iter().all(String::is_empty)
    }

    /// Compares bytes; linear in the type for each piece.
    #[must_use]
    pub fn matches(&self, event_type: &str) -> bool {
        let [first, middle @ .., last] = self.0.as_slice() else {
            return self.0.first().is_some_and(|only| only == event_type);
        };
        let Some(rest) = event_type.strip_prefix(first.as_str()) else { return false };
        let Some(mut rest) = rest.strip_suffix(last.as_str()) else { return false };
        // The leftmost place of each piece leaves the most room for those after it.
        for piece in middle {
            match rest.find(piece.as_str()) {
                Some(at) => rest = &rest[at + piece.len()..],
                None => return false,
            }
        }
        true
    }
}

/// Whether one of the patterns matches.
#[must_use]
pub fn matches_any(patterns: &[Pattern], event_type: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(event_type))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;
    use proptest::prelude::*;

    fn matches(pattern: &str, event_type: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(event_type)
    }

    #[test]
    fn prefix_suffix_infix_and_exact() {
        for (pattern, event_type) in [
            ("*", ""),
            ("*", "a.b"),
            ("customer.*", "customer.created"),
            ("customer.*", "customer.subscription.updated"),
            ("*.updated", "customer.subscription.updated"),
            ("customer.*.updated", "customer.subscription.updated"),
            ("a*a", "aa"),
            ("*b*b*", "abcbd"),
            ("exact.type", "exact.type"),
        ] {
            assert!(matches(pattern, event_type), "{pattern} {event_type}");
        }
        for (pattern, event_type) in [
            ("customer.*", "customer"),
            ("customer.*", "my.customer.created"),
            ("a*a", "a"),
            ("*b*b*", "abc"),
            ("exact.type", "exact.types"),
            ("exact.type", ""),
        ] {
            assert!(!matches(pattern, event_type), "{pattern} {event_type}");
        }
    }

    #[test]
    fn a_pattern_that_no_type_matches_is_refused_with_its_reason() {
        let most = "x".repeat(limits::TEXT_BYTES);
        assert!(matches(&most, &most));
        let problem = |text: &str| Pattern::parse(text).unwrap_err().to_string();
        assert_eq!(problem(""), "a pattern is a type or a glob such as `customer.*`");
        assert_eq!(problem(&(most + "x")), "a pattern has at most 256 bytes");
    }

    #[test]
    fn a_pattern_reads_as_it_was_written_and_only_stars_take_everything() {
        for (text, is_any) in
            [("*", true), ("**", true), ("*.*", false), ("a*", false), ("*a", false), ("a", false)]
        {
            let pattern = Pattern::parse(text).unwrap();
            assert_eq!((pattern.to_string().as_str(), pattern.is_any()), (text, is_any));
        }
    }

    /// The obvious exponential definition.
    fn defined(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), Some((_, after))) => {
                defined(rest, text) || defined(pattern, after)
            }
            (Some((b'*', rest)), None) => defined(rest, text),
            (Some((a, rest)), Some((b, after))) => a == b && defined(rest, after),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*]{1,6}", text in "[ab]{0,8}") {
            prop_assert_eq!(matches(&pattern, &text), defined(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
