//! What durable history still waits for: no body of that may go (DESIGN D6).

use sprag_core::id::{FrameNumber, PartitionId, Place, Sequence};

use super::{Fate, Judge};

impl Judge {
    /// The event whose body is this one of a frame.
    pub(crate) fn event_of(&self, partition: PartitionId, frame: FrameNumber, body: u32) -> Place {
        let mut received = self.received.iter();
        let found = received.find(|(place, received)| {
            (place.partition, place.frame, received.body) == (partition, frame, body)
        });
        *found.unwrap_or_else(|| panic!("{partition:?} {frame:?}: no body {body}")).0
    }

    /// Whether an event is held, waits in a lane, was sent and is not acknowledged, or is sent again.
    pub(crate) fn is_waited_for(&self, event: Place) -> bool {
        let key = &self.received[&event].key;
        match self.fates.get(&event) {
            None | Some(Fate::Held) => true,
            Some(Fate::DeadLettered | Fate::Stale) => false,
            Some(Fate::Released(sequence)) => {
                let waits = |(of, _, _): &&super::LaneName| of == key;
                let mut lanes = self.lanes.iter().filter(|(name, _)| waits(name));
                let mut redriven = self.redriven.iter().filter(|(name, _)| waits(name));
                let mut accepted = self.accepted.iter().filter(|(name, _)| waits(name));
                let has = |(from, to): &(Sequence, Sequence)| (from..=to).contains(&sequence);
                lanes.any(|(_, lane)| lane.contains(sequence))
                    || redriven.any(|(_, lane)| lane.contains(sequence))
                    || accepted.any(|(_, range)| has(range))
            }
        }
    }
}
