//! `[retention]`: how long history is kept, and that nothing needs it for longer (rule D6).

use super::checked::{Contract, Retention, Source};
use super::raw::{Section, or};
use super::{Named, units};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// The shortest and the longest time anything can be kept for.
const LEAST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(3_650 * 86_400);

pub(super) fn retention(section: &Section<'_>, sources: &Named<Source>) -> Option<Retention> {
    let time = |name, days| or(section.get(name), DAY * days, |entry| entry.duration(LEAST..=MOST));
    let (bodies, facts) = (time("bodies", 30), time("facts", 400));
    let retention = Retention { bodies: bodies?, facts: facts? };
    for (name, source) in sources {
        forgets(section, name, source.as_ref(), &retention);
    }
    let facts = units::duration_text(retention.facts);
    if retention.facts < retention.bodies {
        let bodies = units::duration_text(retention.bodies);
        section.error(&format!(
            "`facts` ({facts}) is shorter than `bodies` ({bodies}): a body is read by its fact"
        ));
    }
    for (name, source) in sources {
        let Some(source) = source else { continue };
        let hold = match &source.contract {
            Contract::Fifo(fifo) => fifo.hold.wait,
            Contract::Causal(causal) => causal.hold.wait,
            Contract::Links(links) => links.wait,
            _ => Duration::ZERO,
        };
        // An event may be so far ahead of its receipt: then its repeat is not told from a late one before.
        let ahead = match &source.contract {
            Contract::Settle(settle) => settle.max_ahead.saturating_mul(2),
            _ => Duration::ZERO,
        };
        for (what, needs) in
            [("dedupe", source.dedupe), ("hold.wait", hold), ("max_ahead, twice", ahead)]
        {
            if retention.facts < needs {
                let needs = units::duration_text(needs);
                section.error(&format!(
                    "`facts` ({facts}) is shorter than `{what}` of the source {name} ({needs}), \
                     which needs them"
                ));
            }
        }
    }
    Some(retention)
}

/// A key is forgotten only once nothing of it could be delivered any more: a destination that begins
/// with earlier events does not find it.
fn forgets(section: &Section<'_>, name: &str, source: Option<&Source>, retention: &Retention) {
    let Some(after) = source.and_then(|source| source.forget_after) else { return };
    if after < retention.bodies {
        let (after, bodies) = (units::duration_text(after), units::duration_text(retention.bodies));
        section.error(&format!(
            "`bodies` ({bodies}) is longer than `forget_after` of the source {name} ({after}): what \
             is kept of a forgotten key would find no destination that begins later"
        ));
    }
}
