//! Asks about other resources on their way, and whether what is told of them is true: what waited in vain (`unmet`) waited
//! for what was not on its way, when it asked and when it went on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;

use sprag_core::fact::{Fact, Unmet};
use sprag_core::id::{DestinationId, Key};
use sprag_core::input::{Ask, Input, Word};
use sprag_core::limits;
use sprag_core::time::OpenMicros;

use super::describe;
use super::judge::first_event::{Come, come};
use super::world::{World, partition_of};

/// What is asked and was told.
#[derive(Debug, Default)]
pub(crate) struct Asking {
    under_way: VecDeque<Box<Ask>>,
    waits: BTreeMap<(Key, DestinationId), Wait>,
}

/// What a lane that waits asked, and was told.
#[derive(Debug)]
struct Wait {
    of: Key,
    /// By when it asked: whether what it waits for was on its way then, and the bound over. An answer may be to one before the last.
    asked: BTreeMap<OpenMicros, bool>,
    /// The ask that was answered last.
    told: Option<OpenMicros>,
    /// The last before the event that waited before this one waited in vain.
    before: Option<OpenMicros>,
}

impl Wait {
    /// Whether what it waits for was on its way when the ask was made whose answer it has, or it has none. Where nobody has
    /// answered for long since then, it need not be.
    fn was_on_its_way(&self) -> bool {
        let asks_in_silence = limits::ASK_SILENCE.div_duration_f64(limits::ASK_AGAIN_MAX);
        let answered = self.told.max(self.before).map_or(Bound::Unbounded, Bound::Excluded);
        let unanswered = self.asked.range((answered, Bound::Unbounded)).count();
        let is_silent = unanswered as f64 >= asks_in_silence;
        !is_silent && self.told.is_none_or(|told| self.asked[&told])
    }
}

impl World {
    /// A lane asks, or its ask goes on.
    pub(super) fn take_ask(&mut self, ask: Box<Ask>) {
        self.trace.push(format!("  ask {}", describe::ask(&ask)));
        if ask.steps == 0 {
            // Before its bound nothing is given up.
            let was_on_its_way =
                ask.made >= ask.until && self.is_on_its_way(&ask.of, ask.destination);
            let lane = (ask.asker.clone(), ask.destination);
            let new =
                || Wait { of: ask.of.clone(), asked: BTreeMap::new(), told: None, before: None };
            let wait = self.asking.waits.entry(lane).or_insert_with(new);
            if wait.of != ask.of {
                *wait = new();
            }
            wait.asked.insert(ask.made, was_on_its_way);
        }
        self.asking.under_way.push_back(ask);
    }

    /// An ask reaches its partition.
    pub(super) fn bring_ask(&mut self) -> bool {
        let Some(ask) = self.asking.under_way.pop_front() else { return false };
        let at = usize::from(partition_of(&ask.reached).0);
        self.handle(at, Input::Asked(ask));
        true
    }

    /// It is answered.
    pub(super) fn tell(&mut self, ask: Box<Ask>, word: Word) {
        self.trace.push(format!("  told {} {}", describe::ask(&ask), describe::word(word)));
        if let Some(wait) = self.asking.waits.get_mut(&(ask.asker.clone(), ask.destination)) {
            wait.told = wait.asked.contains_key(&ask.made).then_some(ask.made).or(wait.told);
        }
        let at = usize::from(ask.from.0);
        self.handle(at, Input::Told { ask, word });
    }

    /// With the process all of it is gone.
    pub(super) fn forget_asks(&mut self) {
        self.asking = Asking::default();
    }

    /// A lane says that it waited in vain: then that is so. Where nobody answers it need not be.
    pub(super) fn judge_unmet(&mut self, unmet: &Unmet) {
        let is_on_its_way = self.is_on_its_way(&unmet.of, unmet.destination);
        let wait = self.asking.waits.get_mut(&(unmet.key.clone(), unmet.destination));
        let wait = wait.unwrap_or_else(|| panic!("nobody asked: {unmet:?}"));
        let is_untrue = wait.was_on_its_way() && is_on_its_way;
        wait.before = wait.asked.last_key_value().map(|(made, _)| *made);
        assert!(
            !is_untrue,
            "what it waited for is there or on its way: {unmet:?} {:#?}",
            self.trace
        );
    }

    /// Whether a key's first event in a destination is settled or on its way, or all that it waits for is.
    fn is_on_its_way(&self, key: &Key, to: DestinationId) -> bool {
        let mut seen = BTreeSet::new();
        let mut key = key.clone();
        loop {
            let node = &self.nodes[usize::from(partition_of(&key).0)];
            let frames = node.log.frames.iter().chain(&node.flight);
            let facts = frames.flat_map(|frame| &frame.facts);
            match come(facts.into_iter(), &key, to) {
                Come::Settled | Come::Moves => return true,
                Come::Stands => return false,
                Come::Waits(of) if seen.insert(key.clone()) => key = of,
                Come::Waits(_) => return false,
            }
        }
    }

    /// What a frame that is taken says of waits.
    pub(super) fn judge_waits(&mut self, facts: &[Fact]) {
        for fact in facts {
            if let Fact::Unmet(unmet) = fact {
                self.judge_unmet(unmet);
            }
        }
    }
}
