//! What waits, and what of it turns out to be impossible (K4): by what was released since it came.

use sprag_core::id::Place;
use sprag_core::position::Position;

use super::event_history::{Demand, IngressFate};
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
            Some(Position::State { .. }) => return Ok(()),
            _ => return Err(format!("{place} waited, and its position says nothing")),
        };
        let below = self.held.range(..position).next_back().map(|(known, _)| *known);
        let known = below.max(self.next.map(|next| next - 1));
        let far = known.is_some_and(|known| position > known + source.hold_span);
        must(far, || format!("{place} at {position} was held and is invalid after {known:?}"))?;
        self.held.remove(&position);
        Ok(())
    }

    pub(crate) fn hold(
        &mut self,
        place: Place,
        source: &SourcePolicy,
        uptime: Option<u64>,
    ) -> Verdict {
        let demand = self.demand_of(place, source)?;
        must(demand == Demand::Hold, || format!("{place} is held, {demand:?} is due"))?;
        match &self.events[&place].position {
            Position::Sequence(position) => {
                self.held.insert(*position, place);
            }
            Position::Clock(clock) => {
                self.causal.waiting.insert(place, clock.clone());
            }
            Position::Timestamp(_) => self.settles(place, uptime),
            Position::State { .. } => self.waits_for_states(place, uptime),
            Position::Link(_) => self.waits_for_a_link(place, uptime),
            _ => return Err(format!("{place} is held without a position")),
        }
        self.row.end();
        self.give(place, IngressFate::Held);
        let held = self.holds().len();
        must(held <= source.most_held, || {
            format!("{held} events are held, {} are allowed", source.most_held)
        })
    }
}
