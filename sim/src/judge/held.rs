//! What waited and turned out to be impossible (K4): by what was released since it came.

use sprag_core::id::Place;
use sprag_core::position::Position;

use super::event_history::IngressFate;
use super::key_history::KeyHistory;
use super::policies::SourcePolicy;
use super::{Verdict, must};

impl KeyHistory {
    /// Whether an event waits.
    pub(super) fn is_held(&self, place: Place) -> bool {
        self.events.get(&place).is_some_and(|event| event.fate == IngressFate::Held)
    }

    pub(super) fn was_impossible(&mut self, place: Place, source: &SourcePolicy) -> Verdict {
        let position = match self.events.get(&place).map(|event| &event.position) {
            Some(Position::Sequence(position)) => *position,
            Some(Position::Clock(_)) => return self.was_in_vain(place, source.hold_span),
            _ => return Err(format!("{place} waited, and its position says nothing")),
        };
        let below = self.held.range(..position).next_back().map(|(known, _)| *known);
        let known = below.max(self.next.map(|next| next - 1));
        let far = known.is_some_and(|known| position > known + source.hold_span);
        must(far, || format!("{place} at {position} was held and is invalid after {known:?}"))?;
        self.held.remove(&position);
        Ok(())
    }
}
