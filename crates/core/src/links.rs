//! Hash links: the position of an event that says what was before it and what is after it, as pushes to a branch do,
//! and where a key has come to by them.
//!
//! A hash may come back: a branch that is set back, or deleted and made again, has the same one twice. So a link names
//! no event, and only where a key stands says what follows. Must not know: settings, what waits.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::fact::Kind;
use crate::id::{Hash, Place};
use crate::limits;

/// What an event says of its order: from where to where it leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link {
    /// The hash of what was before it, 1 to [`limits::LINK_BYTES`] bytes.
    pub before: Arc<str>,
    /// The hash of what is after it, of the same length.
    pub after: Arc<str>,
    /// Whether its source says that what is after it does not build on what was before.
    pub forced: bool,
}

impl Link {
    /// Whether it leads out of nothing, which is made of zeros.
    #[must_use]
    pub fn begins(&self) -> bool {
        self.before.bytes().all(|byte| byte == b'0')
    }

    /// Whether it leads from the same to the same.
    #[must_use]
    pub fn leads_as(&self, other: &Self) -> bool {
        self.before == other.before && self.after == other.after
    }

    /// `before..after`, with three dots where it is forced: as git writes it.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        push_hash(&mut text, &self.before);
        text.push_str(if self.forced { "..." } else { ".." });
        push_hash(&mut text, &self.after);
        text
    }
}

/// Appends a hash as part of a text in which dots part them.
pub fn push_hash(text: &mut String, hash: &str) {
    for byte in hash.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&alloc::format!("%{byte:02X}"));
        }
    }
}

/// What never came between two events that were released one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Break {
    /// From where it led; none before what a key began with.
    pub from: Option<Arc<str>>,
    /// To where.
    pub to: Arc<str>,
}

/// Where a key has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tip {
    /// The link of the newest event in order; what follows begins where it ends.
    pub link: Link,
    /// That event.
    pub event: Place,
    /// SHA-256 of its body.
    pub digest: Hash,
    /// What was given up and did not come since, the oldest first.
    pub breaks: Vec<Break>,
}

impl Tip {
    /// The hash that stands.
    #[must_use]
    pub fn at(&self) -> &Arc<str> {
        &self.link.after
    }

    /// Whether a link is part of what was given up: it leads out of its beginning or into its end.
    #[must_use]
    pub fn gave_up(&self, link: &Link) -> bool {
        self.breaks.iter().any(|gap| gap.holds(link))
    }

    /// An event in order is released behind another, or is the first.
    pub(crate) fn follow(tip: Option<Self>, link: &Link, event: Place, digest: Hash) -> Self {
        let at = tip.as_ref().map(|tip| tip.at().clone());
        let mut breaks = tip.map(|tip| tip.breaks).unwrap_or_default();
        let joins = match &at {
            Some(at) => *at == link.before,
            None => link.begins(),
        };
        if !joins {
            breaks.push(Break { from: at, to: link.before.clone() });
        }
        if breaks.len() > limits::LINK_BREAKS {
            breaks.remove(0);
        }
        Self { link: link.clone(), event, digest, breaks }
    }

    /// Part of what was given up came after all: less is missing now.
    pub(crate) fn came_late(&mut self, link: &Link) {
        let closes = |gap: &Break| gap.from.as_ref() == Some(&link.before) && gap.to == link.after;
        let at = self.breaks.iter().position(closes);
        let at = at.or_else(|| self.breaks.iter().position(|gap| gap.holds(link)));
        let Some(at) = at else { return };
        let gap = &mut self.breaks[at];
        let is_closed = closes(gap) || (gap.from.is_none() && link.begins());
        if gap.from.as_ref() == Some(&link.before) {
            gap.from = Some(link.after.clone());
        } else {
            gap.to = link.before.clone();
        }
        if is_closed {
            self.breaks.remove(at);
        }
    }
}

impl Break {
    fn holds(&self, link: &Link) -> bool {
        self.from.as_ref() == Some(&link.before) || self.to == link.after
    }
}

/// Where a key has come to once an event of this link is released.
pub(crate) fn advance(
    tip: Option<Tip>,
    link: &Link,
    kind: Kind,
    (event, digest): (Place, Hash),
) -> Option<Tip> {
    match kind {
        Kind::Event => Some(Tip::follow(tip, link, event, digest)),
        Kind::Late => {
            let mut tip = tip?;
            tip.came_late(link);
            Some(tip)
        }
        // Nothing of this contract is undone.
        Kind::Compensation => tip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(text: &str) -> Link {
        let (before, after) = text.split_once(' ').unwrap();
        Link { before: before.into(), after: after.into(), forced: false }
    }

    fn tip(texts: &[&str]) -> Tip {
        let follow = |tip, text: &&str| {
            Some(Tip::follow(tip, &link(text), Place::default(), Hash::default()))
        };
        texts.iter().fold(None, follow).unwrap()
    }

    fn breaks(tip: &Tip) -> Vec<String> {
        let of = |gap: &Break| alloc::format!("{}>{}", gap.from.as_deref().unwrap_or("?"), gap.to);
        tip.breaks.iter().map(of).collect()
    }

    #[test]
    fn a_link_reads_as_git_writes_it() {
        let forced = Link { forced: true, ..link("a1 b.2:") };
        assert_eq!(forced.text(), "a1...b%2E2%3A");
        assert_eq!(link("a1 b2").text(), "a1..b2");
        assert!(link("0000 b2").begins() && !link("00a0 b2").begins());
    }

    #[test]
    fn what_never_came_narrows_from_both_sides() {
        let mut tip = tip(&["0 a", "a b", "f g"]);
        assert_eq!((breaks(&tip), &**tip.at()), (alloc::vec!["b>f".into()], "g"));
        tip.came_late(&link("b c"));
        tip.came_late(&link("e f"));
        assert_eq!(breaks(&tip), ["c>e"]);
        assert!(
            tip.gave_up(&link("c d")) && tip.gave_up(&link("d e")) && !tip.gave_up(&link("g h"))
        );
        tip.came_late(&link("c e"));
        assert!(tip.breaks.is_empty());
        assert_eq!(&**tip.at(), "g");
    }

    #[test]
    fn what_a_key_began_with_may_come_late() {
        let mut tip = tip(&["b c", "c d"]);
        assert_eq!(breaks(&tip), ["?>b"]);
        tip.came_late(&link("a b"));
        assert_eq!(breaks(&tip), ["?>a"]);
        tip.came_late(&link("0 a"));
        assert!(tip.breaks.is_empty());
    }

    #[test]
    fn breaks_are_bounded() {
        let texts: Vec<String> =
            (0..=limits::LINK_BREAKS).map(|n| alloc::format!("b{n} a{n}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let tip = tip(&texts);
        assert_eq!(tip.breaks.len(), limits::LINK_BREAKS);
        assert_eq!(breaks(&tip)[0], "a0>b1");
    }
}
