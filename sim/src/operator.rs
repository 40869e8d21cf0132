//! The operator: pauses and resumes, redrives, drops and rebases, sometimes what does not exist.

use std::collections::BTreeMap;

use sprag_core::fact::DeadLetter;
use sprag_core::id::{DestinationId, Key, Place, Sequence};
use sprag_core::input::Command;
use sprag_core::record::LaneMode;

use crate::dice::Dice;
use crate::judge::commands::Asked;

/// A destination nobody configured.
const NOWHERE: DestinationId = DestinationId(9_999);
/// Passed events redriven in one burst: more than a lane takes.
const BURST: u64 = 40;

/// A lane as the admin API shows it.
#[derive(Debug, Clone)]
pub(crate) struct LaneShown {
    pub(crate) resource: usize,
    pub(crate) key: Key,
    pub(crate) destination: DestinationId,
    pub(crate) head: Sequence,
    pub(crate) mode: LaneMode,
}

/// What an operator can see.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub(crate) keys: Vec<(usize, Key)>,
    pub(crate) destinations: Vec<DestinationId>,
    pub(crate) lanes: Vec<LaneShown>,
    /// Keys that hold events.
    pub(crate) holding: Vec<(usize, Key)>,
    /// The position that they wait for.
    pub(crate) awaited: BTreeMap<usize, u64>,
    /// Dead letters that never got a sequence.
    pub(crate) letters: Vec<(usize, Key, Place)>,
}

/// A command and how the judges see it.
pub(crate) type Ordered = (Command, Asked, &'static str);

/// The operator of a simulation.
#[derive(Debug)]
pub(crate) struct Operator {
    pub(crate) dice: Dice,
    rebase_dice: Dice,
    /// How often it rebases, per thousand.
    rebases: u64,
    give_up_dice: Dice,
    /// How often it gives up what a key waits for, per thousand.
    gives_up: u64,
    replay_dice: Dice,
    /// How often it sets a lane back, per thousand.
    replays: u64,
    /// What seems to count anew.
    pub(crate) alerted: Vec<(usize, Key)>,
}

impl Operator {
    /// Its own dice, and those of rebases, replays and gaps that are given up.
    pub(crate) fn new(
        dice: Dice,
        [mut rebase_dice, mut replay_dice, mut give_up_dice]: [Dice; 3],
    ) -> Self {
        let rebases = rebase_dice.pick(&[0, 0, 60, 300]);
        let replays = replay_dice.pick(&[0, 0, 100, 500]);
        let gives_up = give_up_dice.pick(&[0, 0, 0, 60, 300]);
        let alerted = Vec::new();
        Self { dice, rebase_dice, rebases, give_up_dice, gives_up, replay_dice, replays, alerted }
    }

    /// Whose gap it gives up: mostly of a key that holds something.
    pub(crate) fn give_up(&mut self, shown: &Shown) -> Option<Ordered> {
        let dice = &mut self.give_up_dice;
        if self.gives_up == 0 || shown.keys.is_empty() || !dice.chance(self.gives_up) {
            return None;
        }
        let is_any = shown.holding.is_empty() || dice.chance(100);
        let of = if is_any { &shown.keys } else { &shown.holding };
        let (resource, key) = of[dice.index(of.len())].clone();
        // Seldom it is another by now.
        let awaited = shown.awaited.get(&resource).copied().unwrap_or(1);
        let from = awaited + u64::from(dice.chance(50));
        let command = Command::GiveUpGap { key, from };
        Some((command, Asked::GiveUpGap(resource, from), "give up a gap"))
    }

    /// The lane it sets back, and from where to where: seldom one that is not there, or beyond its head.
    pub(crate) fn rewind(&mut self, shown: &Shown) -> Option<Ordered> {
        let dice = &mut self.replay_dice;
        if self.replays == 0 || !dice.chance(self.replays) || shown.lanes.is_empty() {
            return None;
        }
        let lane = shown.lanes[dice.index(shown.lanes.len())].clone();
        let to = match dice.chance(100) && !shown.destinations.is_empty() {
            true => dice.pick(&shown.destinations),
            false => lane.destination,
        };
        let from = dice.between(1, lane.head.0 + 1);
        let until = if dice.chance(500) { u64::MAX } else { dice.between(from, lane.head.0 + 2) };
        Some(rewind(lane.resource, lane.key, to, (from, until)))
    }

    /// Whose positions it lets begin anew: what it was told of, what holds much or stands, or
    /// anything.
    pub(crate) fn rebase(&mut self, shown: &Shown) -> Option<Ordered> {
        let dice = &mut self.rebase_dice;
        if self.rebases == 0 || shown.keys.is_empty() {
            return None;
        }
        if let Some((resource, key)) = self.alerted.pop().filter(|_| dice.chance(500)) {
            return Some(rebase(resource, key));
        }
        if !dice.chance(self.rebases) {
            return None;
        }
        let stopped = shown.lanes.iter().filter(|lane| !lane.mode.delivers());
        let stopped: Vec<_> = stopped.map(|lane| (lane.resource, lane.key.clone())).collect();
        let of = [&shown.holding, &stopped, &shown.keys][dice.index(3)];
        let of = if of.is_empty() { &shown.keys } else { of };
        let (resource, key) = of[dice.index(of.len())].clone();
        Some(rebase(resource, key))
    }

    /// What it asks for next; nothing when it sees nothing.
    pub(crate) fn next(&mut self, shown: &Shown) -> Vec<Ordered> {
        if shown.keys.is_empty() || shown.destinations.is_empty() {
            return Vec::new();
        }
        let (resource, key) = shown.keys[self.dice.index(shown.keys.len())].clone();
        let destination = match self.dice.chance(50) {
            true => NOWHERE,
            false => self.dice.pick(&shown.destinations),
        };
        match self.dice.below(12) {
            0 => vec![pause_key(resource, key)],
            1 | 2 => vec![resume_key(resource, key)],
            3 => vec![pause_destination(destination)],
            4 | 5 => vec![resume_destination(destination)],
            6 => vec![redrive(resource, key, destination)],
            7 => self.stopped(shown),
            8 => self.passed(shown),
            9 => self.burst(shown),
            10 => self.drop(shown),
            _ => self.drop_at_ingress(shown),
        }
    }

    /// Something for a lane that stopped.
    fn stopped(&mut self, shown: &Shown) -> Vec<Ordered> {
        let stopped: Vec<_> = shown.lanes.iter().filter(|lane| !lane.mode.delivers()).collect();
        if stopped.is_empty() {
            return Vec::new();
        }
        let lane = stopped[self.dice.index(stopped.len())];
        match self.dice.chance(500) {
            true => vec![redrive(lane.resource, lane.key.clone(), lane.destination)],
            false => vec![drop_in_lane(lane, lane.head)],
        }
    }

    fn passed(&mut self, shown: &Shown) -> Vec<Ordered> {
        let Some(lane) = self.lane(shown) else { return Vec::new() };
        let sequence = self.dice.between(0, lane.head.0 + 1);
        vec![redrive_passed(lane, sequence)]
    }

    fn burst(&mut self, shown: &Shown) -> Vec<Ordered> {
        let longest = shown.lanes.iter().max_by_key(|lane| lane.head);
        let Some(lane) = longest.filter(|_| self.dice.chance(300)) else { return Vec::new() };
        (1..lane.head.0.min(BURST)).map(|sequence| redrive_passed(lane, sequence)).collect()
    }

    fn drop(&mut self, shown: &Shown) -> Vec<Ordered> {
        let Some(lane) = self.lane(shown) else { return Vec::new() };
        let sequence = self.dice.between(lane.head.0.saturating_sub(2).max(1), lane.head.0 + 1);
        vec![drop_in_lane(lane, Sequence(sequence))]
    }

    fn drop_at_ingress(&mut self, shown: &Shown) -> Vec<Ordered> {
        if shown.letters.is_empty() {
            return Vec::new();
        }
        let (resource, key, event) = shown.letters[self.dice.index(shown.letters.len())].clone();
        let letter = DeadLetter::AtIngress { event };
        let asked = Asked::dropped(resource, letter);
        vec![(Command::Drop { key, letter }, asked, "drop at ingress")]
    }

    fn lane<'a>(&mut self, shown: &'a Shown) -> Option<&'a LaneShown> {
        if shown.lanes.is_empty() {
            return None;
        }
        Some(&shown.lanes[self.dice.index(shown.lanes.len())])
    }
}

pub(crate) fn pause_key(resource: usize, key: Key) -> Ordered {
    (Command::PauseKey(key), Asked::PauseKey(resource), "pause key")
}

pub(crate) fn resume_key(resource: usize, key: Key) -> Ordered {
    (Command::ResumeKey(key), Asked::ResumeKey(resource), "resume key")
}

pub(crate) fn pause_destination(to: DestinationId) -> Ordered {
    (Command::PauseDestination(to), Asked::PauseDestination(to), "pause destination")
}

pub(crate) fn resume_destination(to: DestinationId) -> Ordered {
    (Command::ResumeDestination(to), Asked::ResumeDestination(to), "resume destination")
}

pub(crate) fn redrive(resource: usize, key: Key, destination: DestinationId) -> Ordered {
    let command = Command::Redrive { key, destination, passed: None };
    (command, Asked::Redrive(resource, destination), "redrive")
}

fn rebase(resource: usize, key: Key) -> Ordered {
    (Command::Rebase(key), Asked::Rebase(resource), "rebase")
}

fn rewind(
    resource: usize,
    key: Key,
    destination: DestinationId,
    (from, until): (u64, u64),
) -> Ordered {
    let asked = Asked::Rewind(resource, destination, from, until);
    let (from, until) = (Sequence(from), Sequence(until));
    (Command::Rewind { key, destination, from, until }, asked, "rewind")
}

fn redrive_passed(lane: &LaneShown, sequence: u64) -> Ordered {
    let (key, destination) = (lane.key.clone(), lane.destination);
    let command = Command::Redrive { key, destination, passed: Some(Sequence(sequence)) };
    let asked = Asked::RedrivePassed(lane.resource, destination, sequence);
    (command, asked, "redrive passed")
}

fn drop_in_lane(lane: &LaneShown, sequence: Sequence) -> Ordered {
    let letter = DeadLetter::InLane { destination: lane.destination, sequence };
    let asked = Asked::dropped(lane.resource, letter);
    (Command::Drop { key: lane.key.clone(), letter }, asked, "drop")
}
