//! What a source says about order. Which position pairs with which contract is rule K6.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;

use crate::chain::Digest;
use crate::clocks::Clock;
use crate::fields::{At, Fields, push_name};
use crate::instant::instant_text;
use crate::limits;
use crate::links::Link;

/// What a source says about the order of an event.
///
/// Stored as a tag and at most [`crate::limits::POSITION_BYTES`] bytes, so that the positions of
/// later contracts are new variants with new tags.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Position {
    /// The source says nothing: contracts `arrival` and `unordered`.
    #[default]
    None,
    /// A number counted by the source per key, without gaps: contracts `fifo` and `latest`.
    Sequence(u64),
    /// A number that grows with every change of the resource, perhaps in jumps: contract `latest`.
    Version(u64),
    /// An instant in nanoseconds since 1970 (DESIGN K3): contract `latest`.
    Timestamp(u64),
    /// How new each field of the event is: contract `merge`.
    Fields(Fields),
    /// What its node knew of the events of all nodes: contract `causal`.
    Clock(Clock),
    /// The state the resource is in, and perhaps how new that is: contract `states`.
    State {
        /// Its name, 1 to [`limits::STATE_BYTES`] bytes.
        state: Arc<str>,
        /// How new it is; none where the source does not say.
        at: Option<At>,
    },
    /// From which hash to which it leads: contract `fifo`.
    Link(Link),
}

impl Position {
    /// The number it is compared by; none where there is no position.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::None | Self::Fields(_) | Self::Clock(_) | Self::State { .. } | Self::Link(_) => {
                None
            }
            Self::Sequence(number) | Self::Version(number) | Self::Timestamp(number) => {
                Some(*number)
            }
        }
    }

    /// The number an event of it stands by while it waits; 0 where it has none.
    #[must_use]
    pub fn standing(&self) -> u64 {
        match self {
            Self::Clock(clock) => clock.sum(),
            Self::State { at: Some(At::Version(number) | At::Instant(number)), .. } => *number,
            position => position.number().unwrap_or_default(),
        }
    }

    /// Whether no two events of a key have it: an instant may be that of several (DESIGN K3).
    #[must_use]
    pub fn is_unique(&self) -> bool {
        matches!(self, Self::Sequence(_) | Self::Version(_) | Self::Clock(_))
    }

    /// Whether both are the position of one event: of clocks, the same event of the same node.
    #[must_use]
    pub fn names_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Clock(one), Self::Clock(other)) => {
                (one.count(), one.node()) == (other.count(), other.node())
            }
            _ => self == other,
        }
    }

    /// The text of the `sprag-position` header and of the chain (DESIGN C1, C4): the position's, or its digest
    /// where that is longer than a header may be.
    #[must_use]
    pub fn header_text(&self, digest: &impl Digest) -> String {
        let text = self.text();
        match text.len() <= limits::POSITION_BYTES {
            true => text,
            false => format!("sha256:{}", digest.sha256(&[text.as_bytes()])),
        }
    }

    /// The position as text; none is empty, an instant is RFC 3339 in UTC with nine digits of a second.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Sequence(number) | Self::Version(number) => number.to_string(),
            Self::Timestamp(nanoseconds) => instant_text(*nanoseconds),
            Self::Fields(fields) => fields.text(),
            Self::Clock(clock) => clock.text(),
            Self::State { state, at } => state_text(state, *at),
            Self::Link(link) => link.text(),
        }
    }
}

/// `confirmed`, or `confirmed@17` with how new it is; the name is percent-encoded as in a URL. Alone and made of digits it
/// would pass for a number: then its first digit is encoded too, `%34` and so on.
fn state_text(state: &str, at: Option<At>) -> String {
    let mut text = String::new();
    let name = match state.bytes().next() {
        Some(first) if at.is_none() && state.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.push_str(&format!("%{first:02X}"));
            &state[1..]
        }
        _ => state,
    };
    push_name(&mut text, name);
    match at {
        Some(At::Version(version)) => text.push_str(&format!("@{version}")),
        Some(At::Instant(nanoseconds)) => {
            text.push('@');
            text.push_str(&instant_text(nanoseconds));
        }
        None => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_no_number() {
        let text = |state: &str, at| Position::State { state: state.into(), at }.text();
        assert_eq!(text("checked in", Some(At::Version(17))), "checked%20in@17");
        assert_eq!(
            text("new", Some(At::Instant(1_500_000_000))),
            "new@1970-01-01T00:00:01.500000000Z"
        );
        assert_eq!(
            (text("done", None), text("407", None), text("4a", None)),
            ("done".into(), "%3407".into(), "4a".into())
        );
        assert_eq!(text("407", Some(At::Version(1))), "407@1");
    }
}
