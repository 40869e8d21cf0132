//! The vector clock of an event: an object of a JSON body, by node how many of its events are known (contract `causal`).

use sprag_core::clocks::{Clock, ClockProblem, Counter};
use sprag_core::limits;

use super::Pointer;
use super::extractor::{body_text, number};
use super::fields::not_an_object;
use super::invalid::{Invalid, Reason, Subject};
use super::json::{Found, members};

/// Reads it where the pointer led to. `node` is the node that wrote the event.
pub(super) fn read(found: Found<'_>, at: &Pointer, node: &str) -> Result<Clock, Invalid> {
    let invalid = |name: &str, reason| {
        let at = if name.is_empty() {
            format!("body:{}", at.as_str())
        } else {
            format!("body:{}/{name}", at.as_str())
        };
        Invalid { subject: Subject::Position, at, reason }
    };
    let text = match found {
        Found::Object(text) => text,
        other => return Err(invalid("", not_an_object(other))),
    };
    // The body was read once: what is in it is JSON.
    let members =
        members(text, limits::CLOCK_NODES).map_err(|_| invalid("", Reason::NotAnObject))?;
    if members.is_empty() {
        return Err(invalid("", Reason::Empty));
    }
    if members.len() > limits::CLOCK_NODES {
        return Err(invalid("", Reason::TooMany { limit: limits::CLOCK_NODES }));
    }
    let mut counters = Vec::with_capacity(members.len());
    for (name, found) in members {
        let name = name.ok_or_else(|| invalid("", Reason::LoneSurrogate))?;
        let shown: String = name.chars().take(limits::NODE_BYTES).collect();
        let count = count(found).map_err(|reason| invalid(&shown, reason))?;
        counters.push(Counter { node: name.into(), count });
    }
    Clock::new(node, counters).map_err(|problem| invalid("", problem_of(problem)))
}

fn count(found: Found<'_>) -> Result<u64, Reason> {
    let text = body_text(found)?;
    if text.is_empty() { Err(Reason::Empty) } else { number(&text) }
}

fn problem_of(problem: ClockProblem) -> Reason {
    match problem {
        ClockProblem::TooMany => Reason::TooMany { limit: limits::CLOCK_NODES },
        ClockProblem::Node => Reason::NodeName { limit: limits::NODE_BYTES },
        ClockProblem::Twice => Reason::DuplicateMember,
        ClockProblem::NoOwn => Reason::NoOwnCounter,
    }
}
