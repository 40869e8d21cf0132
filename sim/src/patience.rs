//! How much longer than usual a phase may take where late events go to their place.
//!
//! For each of them up to a hundred events are released twice more, each sent behind the answer to the one before: lanes get
//! thousands of events long, and where a key has a rate that alone takes longer than a phase. What these rates and the
//! slowest answers ask for is given, and given again for as long as half of what waited then is through by now: more may have
//! come late meanwhile. Who is slower has something that waits and must not.

use std::collections::BTreeMap;

use sprag_core::id::{DestinationId, Key, LaneId};
use sprag_core::settings::DestinationSettings;

use crate::schedule::{Instant, MILLISECOND};
use crate::world::World;

/// Within this an event is sent, answered or acknowledged, and that is durable, once chance plays no part.
const TURN: Instant = 250 * MILLISECOND;

/// What waits for a destination.
#[derive(Debug, Clone, Copy, Default)]
struct Waiting {
    /// In the longest of its lanes.
    most: u64,
    all: u64,
}

/// What waited when a phase was made longer: of each lane its head and its tail.
#[derive(Debug, Clone, Default)]
pub(crate) struct Given(BTreeMap<(Key, LaneId), (u64, u64)>);

impl Given {
    /// Whether half of it is through, where the heads are these by now. A lane that is none any more is through.
    fn is_half_through(&self, heads: &BTreeMap<(Key, LaneId), (u64, u64)>) -> bool {
        let (mut waited, mut through) = (0, 0);
        for (lane, (head, tail)) in &self.0 {
            let now = heads.get(lane).map_or(tail + 1, |(now, _)| *now);
            waited += (tail + 1).saturating_sub(*head);
            through += now.min(tail + 1).saturating_sub(*head);
        }
        through * 2 >= waited
    }
}

impl World {
    /// Whether a phase that should be over goes on for what is still to be sent; then its end is put off.
    pub(crate) fn takes_longer(&mut self) -> bool {
        let needed = self.needed();
        if !self.setting.undoes() || needed == 0 {
            return false;
        }
        let waits = self.spans();
        if self.watching.patience.as_ref().is_some_and(|given| !given.is_half_through(&waits)) {
            return false;
        }
        self.counts.hit("phase", "longer, for what is undone");
        (self.watching.patience, self.phase_ends) = (Some(Given(waits)), self.now + needed);
        true
    }

    /// Where every lane stands that has something to send.
    fn spans(&self) -> BTreeMap<(Key, LaneId), (u64, u64)> {
        let mut all = BTreeMap::new();
        let Some(process) = &self.process else { return all };
        for (key, record) in self.live_records(process).into_values().flatten() {
            for lane in self.busy_lanes(&key, &record) {
                all.insert((key.clone(), lane.id()), (lane.head.0, lane.tail.0));
            }
        }
        all
    }

    /// How long what waits takes at its rates.
    fn needed(&self) -> Instant {
        let settings = self.process.as_ref().and_then(|process| process.node.settings());
        let Some(settings) = settings else { return 0 };
        let times = self.waiting().into_iter().filter_map(|(id, waiting)| {
            let to = settings.destinations.get(&id)?;
            Some(time_for(to, waiting))
        });
        times.max().unwrap_or_default()
    }

    fn waiting(&self) -> BTreeMap<DestinationId, Waiting> {
        let mut all: BTreeMap<_, Waiting> = BTreeMap::new();
        let Some(process) = &self.process else { return all };
        for (key, record) in self.live_records(process).into_values().flatten() {
            for lane in self.busy_lanes(&key, &record) {
                let waiting = all.entry(lane.destination).or_default();
                waiting.most = waiting.most.max(lane.waiting);
                waiting.all += lane.waiting;
            }
        }
        all
    }
}

fn time_for(to: &DestinationSettings, waiting: Waiting) -> Instant {
    let pause = |rate: Option<sprag_core::rate::Rate>| {
        rate.map_or(0, |rate| Instant::try_from(rate.pause().as_micros()).unwrap_or(Instant::MAX))
    };
    let own = waiting.most.saturating_mul(pause(to.key_rate).max(TURN));
    let at_once = Instant::try_from(to.concurrency).unwrap_or(1).max(1);
    let shared = pause(to.rate).max(TURN / at_once);
    own.max(waiting.all.saturating_mul(shared))
}
