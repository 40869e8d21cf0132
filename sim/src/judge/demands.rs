//! What the rules demand of a new event by its position: contracts `latest` (K4) and `fifo` (K3, K7, G1).

use sprag_core::fact::{Kind, Recognised};

use super::event_history::{Demand, version};
use super::key_history::KeyHistory;
use super::newest::{Described, Due};
use super::policies::SourcePolicy;

impl KeyHistory {
    pub(super) fn demand_of_latest(&self, source: &SourcePolicy, event: &Described<'_>) -> Demand {
        match self.newest.due(source, event) {
            Due::Release => Demand::Release(Kind::Event),
            Due::Invalid => Demand::Invalid,
            // Of one instant, ids are remembered beyond their time.
            Due::Repeat => match event.id.and_then(|id| self.ids.get(id)) {
                Some(place) => Demand::Duplicate(Some(*place), Recognised::Id),
                None => Demand::Duplicate(None, Recognised::Position),
            },
            Due::Old => {
                let taken = version(event.position).and_then(|number| self.positions.get(&number));
                taken.map_or(Demand::Stale, |place| self.demand_of_taken(*place, event.digest))
            }
        }
    }

    pub(super) fn demand_of_new(&self, source: &SourcePolicy, position: u64) -> Demand {
        let strict = source.first().filter(|_| source.is_strict());
        let Some(next) = self.next.or(strict) else {
            return match source.first() == Some(position) {
                true => Demand::Release(Kind::Event),
                false => Demand::Hold,
            };
        };
        if position == next {
            return Demand::Release(Kind::Event);
        }
        if position < next {
            let abandoned =
                self.abandoned.iter().any(|(from, to)| (*from..=*to).contains(&position));
            return match abandoned {
                true => Demand::Release(Kind::Late),
                false => Demand::Duplicate(None, Recognised::Position),
            };
        }
        let highest = self.held.last_key_value().map_or(0, |(held, _)| *held);
        let highest = highest.max(next.saturating_sub(1));
        match position > highest.saturating_add(source.hold_span) {
            true => Demand::Invalid,
            false => Demand::Hold,
        }
    }
}
