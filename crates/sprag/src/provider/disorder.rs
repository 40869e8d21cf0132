//! How events come out of order on their way: shuffled, delayed, repeated, dropped for ever.
//!
//! Works on places in a list; what stands there is not its business, but for dropping, which
//! spares the first and last event of a key: nobody could know that those are missing.

use super::events::Event;
use crate::share::Share;
use sprag_core::random::Random;
use std::collections::{HashMap, HashSet};

/// What happens on the way. The counts are exact, the victims drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disorder {
    /// Places within which all are shuffled; 0 keeps the order.
    pub window: u64,
    /// Sent a second time later.
    pub repeated: Share,
    /// Sent up to ten windows later.
    pub delayed: Share,
}

impl Disorder {
    /// The order in which the places `0..count` are sent; a repeated one occurs twice.
    #[must_use]
    pub fn apply(&self, count: usize, random: &mut Random) -> Vec<usize> {
        let delayed = choose(count, self.delayed, random);
        let repeated = choose(count, self.repeated, random);
        let mut timed = Vec::with_capacity(count + repeated.len());
        for place in 0..count {
            let late =
                if delayed.contains(&place) { self.window + self.up_to(9, random) } else { 0 };
            let time = place as u64 + self.up_to(1, random) + late;
            timed.push((time, place));
            if repeated.contains(&place) {
                timed.push((time + 1 + self.up_to(4, random), place));
            }
        }
        timed.sort_by_key(|(time, _)| *time);
        timed.into_iter().map(|(_, place)| place).collect()
    }

    fn up_to(&self, windows: u64, random: &mut Random) -> u64 {
        random.below(self.window * windows)
    }
}

/// Takes a share of the events out for ever, at least one when the share is not nothing and any can
/// be missed. Returns what was dropped.
pub fn drop_some(events: &mut Vec<Event>, share: Share, random: &mut Random) -> HashSet<Event> {
    let mut last: HashMap<u32, u64> = HashMap::new();
    let mut first: HashMap<u32, u64> = HashMap::new();
    for event in events.iter() {
        first.entry(event.key).or_insert(event.sequence);
        last.insert(event.key, event.sequence);
    }
    let inner = |event: &&Event| {
        first.get(&event.key) != Some(&event.sequence)
            && last.get(&event.key) != Some(&event.sequence)
    };
    let candidates: Vec<Event> = events.iter().filter(inner).copied().collect();
    let chosen = choose(candidates.len(), share, random);
    let dropped: HashSet<Event> = chosen.into_iter().map(|at| candidates[at]).collect();
    events.retain(|event| !dropped.contains(event));
    dropped
}

/// How many different events are sent after a later one of their key.
#[must_use]
pub fn reordered(events: &[Event], order: &[usize]) -> u64 {
    let mut sent = HashSet::new();
    let mut highest: HashMap<u32, u64> = HashMap::new();
    let mut count = 0;
    for event in order.iter().map(|place| events[*place]) {
        if !sent.insert(event) {
            continue;
        }
        let highest = highest.entry(event.key).or_default();
        count += u64::from(event.sequence < *highest);
        *highest = event.sequence.max(*highest);
    }
    count
}

/// Draws a share of the places `0..count`, at least one when the share is not nothing.
fn choose(count: usize, share: Share, random: &mut Random) -> HashSet<usize> {
    if share == Share::NONE || count == 0 {
        return HashSet::new();
    }
    let wanted = usize::try_from(share.of(count as u64)).unwrap_or(count).max(1);
    // The first places of a shuffle (Fisher and Yates).
    let mut places: Vec<usize> = (0..count).collect();
    for at in 0..wanted {
        let other = random.below((count - at) as u64);
        places.swap(at, at + usize::try_from(other).unwrap_or_default());
    }
    places.truncate(wanted);
    places.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::super::events::events;
    use super::*;

    const DISORDER: Disorder = Disorder {
        window: 50,
        repeated: Share::per_thousand(30),
        delayed: Share::per_thousand(10),
    };

    #[test]
    fn all_are_sent_and_the_share_is_sent_twice() {
        let order = DISORDER.apply(2_000, &mut Random::new(7));
        assert_eq!(order.len(), 2_060);
        assert_eq!(order.iter().collect::<HashSet<_>>().len(), 2_000);
        assert_eq!(order, DISORDER.apply(2_000, &mut Random::new(7)));
        assert_ne!(order, DISORDER.apply(2_000, &mut Random::new(8)));
    }

    #[test]
    fn nothing_is_moved_without_a_window() {
        let calm = Disorder { window: 0, repeated: Share::NONE, delayed: Share::NONE };
        assert_eq!(calm.apply(100, &mut Random::new(7)), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn disorder_moves_within_its_bounds() {
        let order = DISORDER.apply(2_000, &mut Random::new(7));
        let far = |(at, place): (usize, &usize)| at.abs_diff(*place) > 50 * 14 + 100;
        assert!(!order.iter().enumerate().any(far));
        let events = events(2_000, 20, 1, &mut Random::new(7));
        assert!(reordered(&events, &order) > 300);
        assert_eq!(reordered(&events, &(0..2_000).collect::<Vec<_>>()), 0);
    }

    #[test]
    fn only_events_that_can_be_missed_are_dropped() {
        let mut random = Random::new(7);
        let mut events = events(2_000, 20, 1, &mut random);
        let all = events.clone();
        let dropped = drop_some(&mut events, Share::per_thousand(10), &mut random);
        assert_eq!((dropped.len(), events.len()), (19, 1_981));
        for event in dropped {
            assert!(event.sequence > 1, "a key begins with its first event");
            assert!(events.iter().any(|e| e.key == event.key && e.sequence > event.sequence));
            assert!(all.contains(&event) && !events.contains(&event));
        }
        let mut one_each: Vec<Event> = (0..9).map(|key| Event { key, sequence: 1 }).collect();
        assert!(drop_some(&mut one_each, Share::ALL, &mut random).is_empty());
    }
}
