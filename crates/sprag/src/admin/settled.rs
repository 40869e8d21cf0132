//! Where an event that settled, or waited for states between, was released: no position finds it, for an instant or a
//! state names no event.
//!
//! Releases of a key stand in history in the order of their sequences, so the first behind the event's receipt is
//! found by halving, and the event is among those that follow.

use sprag_core::fact::Fact;
use sprag_core::id::{Place, Sequence};
use sprag_log::{Answer, Query, StoredFact};

use super::state::{AdminState, KnownKey};
use crate::limits;
use crate::problem::Problem;

/// The release of an event; none where it is not among [`limits::SETTLED_RELEASES`] behind its receipt, or not kept.
pub(super) async fn release_of(
    state: &AdminState,
    place: Place,
    known: &KnownKey,
) -> Result<Option<Box<StoredFact>>, Problem> {
    let last = known.record.sequence.0;
    let mut from = first_behind(state, place, known).await?;
    let end = from.saturating_add(limits::SETTLED_RELEASES);
    while from <= last && from < end {
        let page = releases(state, known, from, limits::SETTLED_PAGE).await?;
        let Some(newest) = page.last().and_then(sequence) else { return Ok(None) };
        let is_it = |stored: &StoredFact| matches!(&stored.fact, Fact::Released(released) if released.event == place);
        if let Some(found) = page.into_iter().find(is_it) {
            return Ok(Some(Box::new(found)));
        }
        from = newest.saturating_add(1);
    }
    Ok(None)
}

/// What had been released when an event that waited turned out to be stale (contract `states`): that is told in the
/// frame of a release behind its receipt. None where it is not among [`limits::STALE_FRAMES`], or not kept.
pub(super) async fn stale_of(
    state: &AdminState,
    place: Place,
    known: &KnownKey,
) -> Result<Option<Sequence>, Problem> {
    let from = first_behind(state, place, known).await?;
    let releases = releases(state, known, from, limits::STALE_FRAMES).await?;
    let mut frames: Vec<_> = releases.iter().map(|stored| stored.place.frame).collect();
    frames.dedup();
    for frame in frames {
        let query = Query::Frames { partition: known.partition, from: frame, most: 1, bytes: 1 };
        let Some(Answer::Frames(frames)) = state.ask(query).await? else { return Ok(None) };
        let mut facts = frames.frames.iter().take(1).flat_map(|frame| &frame.facts);
        let stale = facts.find_map(|fact| match fact {
            Fact::Stale(stale) if stale.event == place => Some(stale.newest),
            _ => None,
        });
        if stale.is_some() {
            return Ok(stale);
        }
    }
    Ok(None)
}

/// The sequence of the first release behind the receipt of an event; one more than the last where there is none.
async fn first_behind(state: &AdminState, place: Place, known: &KnownKey) -> Result<u64, Problem> {
    let (mut from, mut to) = (1, known.record.sequence.0.saturating_add(1));
    while from < to {
        let middle = from.midpoint(to);
        let first = releases(state, known, middle, 1).await?;
        // What is deleted is older than what is kept.
        let before = first.first().is_none_or(|stored| stored.place.frame < place.frame);
        if before {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    Ok(from)
}

fn sequence(stored: &StoredFact) -> Option<u64> {
    match &stored.fact {
        Fact::Released(released) => Some(released.sequence.0),
        _ => None,
    }
}

async fn releases(
    state: &AdminState,
    known: &KnownKey,
    from: u64,
    most: usize,
) -> Result<Vec<StoredFact>, Problem> {
    let query = Query::Sequences {
        partition: known.partition,
        key: known.key.clone(),
        from: Sequence(from),
        to: known.record.sequence,
        most,
    };
    match state.ask(query).await? {
        Some(Answer::Sequences(found)) => Ok(found),
        _ => Ok(Vec::new()),
    }
}
