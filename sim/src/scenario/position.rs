//! What a line says of an event's position.

use std::sync::Arc;

use sprag_core::clocks::{Clock, Counter};
use sprag_core::fields::{At, Field, Fields};
use sprag_core::links::Link;
use sprag_core::position::Position;

use super::words::{Words, duration};
use crate::world::CLOCK;

/// `position=3`, `version=3`, `at=1500ms` (an instant after the beginning), `fields=mail:2,name:3`, `clock=a:2,b:1 node=a`,
/// `state=paid@3` or `link=a1..b2` (`...` where it was forced).
pub(crate) fn position(words: &mut Words<'_>) -> Result<Position, String> {
    if let Some(number) = words.number("position")? {
        return Ok(Position::Sequence(number));
    }
    if let Some(number) = words.number("version")? {
        return Ok(Position::Version(number));
    }
    if let Some(at) = words.take("at") {
        let Some(nanoseconds) = instant(at) else { return words.wrong("this is no instant") };
        return Ok(Position::Timestamp(nanoseconds));
    }
    let node = words.take("node");
    let other = [
        words.take("fields").map(fields),
        words.take("clock").map(|text| clock(text, node)),
        words.take("state").map(state),
        words.take("link").map(link),
    ];
    match other.into_iter().flatten().next() {
        None => Ok(Position::None),
        Some(Some(position)) => Ok(position),
        Some(None) => words.wrong("this is no such position"),
    }
}

/// Nanoseconds of an instant that long after the world began.
fn instant(text: &str) -> Option<u64> {
    let after = u64::try_from(duration(text)?.as_micros()).ok()?;
    Some((CLOCK + after) * 1_000)
}

fn fields(text: &str) -> Option<Position> {
    let field = |text: &str| {
        let (name, at) = text.split_once(':')?;
        Some(Field { name: name.into(), at: At::Version(at.parse().ok()?) })
    };
    let fields = text.split(',').map(field).collect::<Option<Vec<_>>>()?;
    Fields::new(fields).ok().map(Position::Fields)
}

fn clock(text: &str, node: Option<&str>) -> Option<Position> {
    let counter = |text: &str| {
        let (node, count) = text.split_once(':')?;
        Some(Counter { node: node.into(), count: count.parse().ok()? })
    };
    let counters = text.split(',').map(counter).collect::<Option<Vec<_>>>()?;
    Clock::new(node?, counters).ok().map(Position::Clock)
}

fn state(text: &str) -> Option<Position> {
    let Some((state, at)) = text.split_once('@') else {
        return Some(Position::State { state: text.into(), at: None });
    };
    let version = at.parse().ok().map(At::Version);
    let at = version.or_else(|| instant(at).map(At::Instant))?;
    Some(Position::State { state: state.into(), at: Some(at) })
}

fn link(text: &str) -> Option<Position> {
    let forced = text.contains("...");
    let (before, after) = text.split_once(if forced { "..." } else { ".." })?;
    let (before, after): (Arc<str>, Arc<str>) = (before.into(), after.into());
    Some(Position::Link(Link { before, after, forced }))
}
